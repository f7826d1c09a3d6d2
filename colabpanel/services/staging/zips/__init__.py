"""Zip archives: the table of contents (`directory`, `entries`, `reader`) and single members (`decode`, `locks`)."""
