"""What the gauges showed during the last half hour, and when cells ran."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Course", "History", "Span"]

_MOST_CELLS = 300


@dataclass(frozen=True)
class Span:
    """A time during which a cell ran, in seconds before now.

    Attributes:
        began: When it started.
        ended: When it ended; 0 for a cell that still runs.
    """

    began: float
    ended: float


@dataclass(frozen=True)
class Course:
    """How one figure went, as far as it was looked at.

    Attributes:
        points: Seconds before now and the highest share seen then, from 0 to 1; the oldest first.
        step: Seconds that a point stands for; where two are further apart, nobody looked in between.
    """

    points: tuple[tuple[float, float], ...]
    step: float


class History:
    """Remembers the highest share of every few seconds; cheap enough to be told every second, on any thread.

    Args:
        seconds: How far back it goes.
        step: Seconds that one point stands for.
        clock: Tells the time in seconds.
    """

    def __init__(
        self, *, seconds: float = 1800.0, step: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._step, self._clock = step, clock
        self._lock = threading.Lock()
        self._points: dict[str, deque[tuple[int, float]]] = {}
        self._cells: deque[tuple[float, float]] = deque(maxlen=_MOST_CELLS)
        self._running: float | None = None

    def note(self, name: str, share: float) -> None:
        """Remember a share, from 0 to 1."""
        place = int(self._clock() // self._step)
        with self._lock:
            points = self._points.setdefault(name, deque())
            if points and points[-1][0] == place:
                points[-1] = place, max(points[-1][1], share)
            else:
                points.append((place, share))
            while points[0][0] < place - self.seconds / self._step:
                points.popleft()

    @property
    def busy(self) -> bool:
        """Whether a cell runs."""
        return self._running is not None

    def cell_started(self) -> None:
        """Mark that a cell begins."""
        self._running = self._clock()

    def cell_ended(self) -> None:
        """Mark that it ended."""
        with self._lock:
            if self._running is not None:
                self._cells.append((self._running, self._clock()))
            self._running = None

    def course(self, name: str) -> Course:
        """Return how a figure went; empty for one that was never noted."""
        now = self._clock()
        with self._lock:
            points = list(self._points.get(name, ()))
        ago = ((max(now - (place + 1) * self._step, 0.0), share) for place, share in points)
        return Course(tuple((seconds, share) for seconds, share in ago if seconds <= self.seconds), self._step)

    def cells(self) -> tuple[Span, ...]:
        """Return when cells ran, the oldest first."""
        now = self._clock()
        with self._lock:
            spans = [Span(now - began, now - ended) for began, ended in self._cells if now - ended <= self.seconds]
            if self._running is not None:
                spans.append(Span(now - self._running, 0.0))
        return tuple(spans)
