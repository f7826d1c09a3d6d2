"""Waiting for what happens elsewhere, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0


def wait_until(happened: Callable[[], object], why_not: Callable[[], str] = str) -> None:
    """Return once it happened; after a minute the test fails, and ``why_not`` says more."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, why_not()
        time.sleep(0.01)
