"""The process that fills memory: it is the first to be killed, and ends with whoever started it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from colabpanel.errors import HostError
from colabpanel.progress import Progress
from colabpanel.services.limits.amounts import Amount
from colabpanel.services.limits.applying import applying_limit

__all__ = ["BLOCK", "LARGEST_SHARE", "fill_here", "fresh_block", "killed_first"]

LARGEST_SHARE = 0.95
"""Of memory, beyond which nothing is filled: what is left belongs to the others."""

BLOCK = 1 << 20
_LARGEST_STEP = 64
_STEPS = 100  # to fill all of memory
_CROWDED = 0.97
_LOOK = 0.1


def fill_here(until: float, hold_seconds: float, progress: Progress) -> dict[str, Any]:
    """Fill memory up to a share, hold it, and return what it came to; it is given back when this process ends.

    Raises:
        HostError: How much memory there is cannot be read.
        JobCancelledError: ``progress`` cancelled it.
    """
    blocks: list[bytes] = []
    with killed_first():
        reached = _fill(blocks, min(until, LARGEST_SHARE), progress)
        held = _hold(hold_seconds, progress)
    return {"size": sum(map(len, blocks)), "fraction": max(reached, held[0]), "held": held[1]}


@contextlib.contextmanager
def killed_first() -> Iterator[None]:
    """Ask Linux to kill this process before any other when memory is full, within the context."""
    wish, before = Path("/proc/self/oom_score_adj"), None
    with contextlib.suppress(OSError):
        before = wish.read_text()
        wish.write_text("1000")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if before is not None:
                wish.write_text(before)


def fresh_block(blocks: int) -> bytes:
    """Return so many MB of memory that is in use for certain: neither left untouched nor compressed."""
    return os.urandom(BLOCK) * blocks


def _fill(blocks: list[bytes], until: float, progress: Progress) -> float:
    """Fill memory step by step, looking at what is left before each; returns the share that is used then."""
    amount = _amount()
    progress.start(_room(amount, until), "Filling memory")
    while (room := _room(amount, until)) >= BLOCK:
        step = min(room // BLOCK, _LARGEST_STEP, max(amount.total // BLOCK // _STEPS, 1))
        blocks.append(fresh_block(step))
        progress.advance(step * BLOCK)
        amount = _amount()
    return amount.fraction


def _room(amount: Amount, until: float) -> int:
    return int(amount.total * until) - amount.used


def _hold(seconds: float, progress: Progress, *, clock: Callable[[], float] = time.monotonic) -> tuple[float, float]:
    """Wait, but no longer than memory suffices for the others; returns the largest share, and the seconds."""
    progress.start(max(round(seconds), 1), "Holding it", unit="seconds")
    began, largest, told = clock(), _amount().fraction, 0
    while (held := clock() - began) < seconds and largest < _CROWDED:
        progress.advance(int(held) - told)
        told = int(held)
        time.sleep(_LOOK)
        largest = max(largest, _amount().fraction)
    return largest, held


def _amount() -> Amount:
    amount = applying_limit().amount
    if amount is None or not amount.total:
        raise HostError("How much memory there is cannot be read here, so none is filled.")
    return amount
