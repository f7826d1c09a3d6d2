"""The work itself, headless: functions on typed arguments that return frozen dataclasses."""
