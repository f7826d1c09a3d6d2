"""Tests of colabpanel; the folders mirror the package."""
