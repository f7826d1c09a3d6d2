"""When memory will be full, if it goes on as it does."""

from __future__ import annotations

import bisect
import statistics
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

__all__ = ["WINDOW", "Sample", "seconds_until_full"]

WINDOW = 15.0
"""Seconds of samples that are looked at."""

_WINDOWS = (1.5, 5.0, WINDOW)
_FEWEST = 8  # samples of a window
_MOST = 24
_COVERED = 0.6  # of a window, by its samples
_PARTS = 4
_LEAST_SHARE, _MOST_SHARE = 0.08, 0.6  # of the growth, in each part of the time
_LEAST_GROWTH = 0.01  # of the limit
_OVER_NOISE = 8.0


class Sample(NamedTuple):
    """Memory at one moment.

    Attributes:
        time: Seconds on a clock that only goes forward.
        used: Bytes in use.
        total: Bytes there are.
    """

    time: float
    used: int
    total: int


def seconds_until_full(samples: Sequence[Sample]) -> float | None:
    """Return the seconds until memory is full, or None where it does not grow steadily or too little is known.

    The last 1.5, 5 and 15 seconds are looked at, each by the median of all slopes. Growth counts that goes on through
    all of such a time, that stands out from the noise, and that is at least a hundredth of the limit: one large
    allocation is no trend.

    Args:
        samples: In the order of time; the last is now.
    """
    if not samples:
        return None
    now = samples[-1]
    rates = [rate for window in _WINDOWS if (rate := _growth(samples, now, window)) is not None]
    return max(now.total - now.used, 0) / max(rates) if rates else None


def _growth(samples: Sequence[Sample], now: Sample, window: float) -> float | None:
    """Return the bytes a second of growth that went on through a window, or None."""
    first = bisect.bisect_left(samples, now.time - window, key=lambda sample: sample.time)
    seen = samples[first:]
    if len(seen) < _FEWEST or now.time - seen[0].time < window * _COVERED:
        return None
    if now.used - min(sample.used for sample in seen) < _LEAST_GROWTH * now.total / 2:  # the usual case, told quickly
        return None
    chosen = _thinned(seen)
    slope = statistics.median((b.used - a.used) / (b.time - a.time) for a, b in combinations(chosen, 2))
    growth = slope * (now.time - chosen[0].time)
    if growth < _LEAST_GROWTH * now.total or growth < _OVER_NOISE * _noise(chosen, slope):
        return None
    return slope if _goes_on(chosen) else None


def _thinned(seen: Sequence[Sample]) -> list[Sample]:
    """Return about so many samples at most, spread over the time, however unevenly they were taken."""
    step = (seen[-1].time - seen[0].time) / _MOST
    chosen = [seen[-1]]
    for sample in reversed(seen[:-1]):
        if chosen[-1].time - sample.time >= step:
            chosen.append(sample)
    return chosen[::-1]


def _noise(chosen: Sequence[Sample], slope: float) -> float:
    """Return how far samples are from the line, by the median."""
    offsets = [sample.used - slope * (sample.time - chosen[0].time) for sample in chosen]
    middle = statistics.median(offsets)
    return statistics.median(abs(offset - middle) for offset in offsets)


def _goes_on(chosen: Sequence[Sample]) -> bool:
    """Whether each part of the time has a part of the growth."""
    start, span = chosen[0].time, chosen[-1].time - chosen[0].time
    levels = []
    for part in range(_PARTS + 1):
        border = start + span * part / _PARTS
        near = [sample.used for sample in chosen if abs(sample.time - border) <= span / _PARTS / 2]
        if not near:
            return False
        levels.append(statistics.median(near))
    growth = levels[-1] - levels[0]
    return growth > 0 and all(_LEAST_SHARE <= (b - a) / growth <= _MOST_SHARE for a, b in pairwise(levels))
