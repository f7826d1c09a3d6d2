"""Seeing memory run out, and acting before it does: forecast, thresholds, interrupt, snapshot."""
