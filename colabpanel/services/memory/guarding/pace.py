"""How soon to look at memory again: seldom far from a threshold, often near one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from colabpanel.services.memory.guarding.forecast import Sample

__all__ = ["LONGEST", "SHORTEST", "pause_before_next"]

LONGEST, SHORTEST = 0.5, 0.02
"""Seconds."""

_LOOKS = 100  # before the threshold is reached
_GAPS = 3  # between samples, that tell the rate
_FASTEST = 4e9  # bytes a second, that one process can fill


def pause_before_next(samples: Sequence[Sample], share: float, *, busy: bool) -> float:
    """Return the seconds until memory should be looked at again.

    Unlike a forecast this may be wrong by being too careful, so the steepest of the last rises decides. While a cell
    runs, it might begin to fill memory at any moment, as fast as memory can be filled.

    Args:
        samples: In the order of time; the last is now.
        share: Of the limit: the threshold that comes next.
        busy: Whether a cell runs.
    """
    now = samples[-1]
    room = max(share * now.total - now.used, 0)
    recent = samples[-_GAPS - 1 :]
    rate = max(((b.used - a.used) / (b.time - a.time) for a, b in pairwise(recent) if b.time > a.time), default=0)
    pause = room / rate / _LOOKS if rate > 0 else LONGEST
    if busy:
        pause = min(pause, room / _FASTEST)
    return min(max(pause, SHORTEST), LONGEST)
