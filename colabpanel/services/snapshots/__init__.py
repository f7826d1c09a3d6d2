"""Notebook variables in a file: dumped without a copy in memory, loaded without running code."""
