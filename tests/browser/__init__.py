"""Tests that drive a real Chromium against real Jupyter servers."""
