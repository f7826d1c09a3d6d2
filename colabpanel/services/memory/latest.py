"""Figures that may take long to read, or for ever: read on a thread of their own, and not too often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Latest", "Look"]

T = TypeVar("T")

_LONGEST = 5.0


def _a_second(_: object) -> float:
    return 0.9  # a little less, so that each look of one a second finds a new one


@dataclass(frozen=True)
class Look(Generic[T]):
    """What was read last.

    Attributes:
        value: What was read, or None where nothing was read yet.
        age: Seconds since it was read; 0 where nothing was.
        silent: Seconds for which a reading has been waiting, once that is longer than it may take; else 0.
    """

    value: T | None
    age: float
    silent: float


class Latest(Generic[T]):
    """The last reading of something slow, renewed when it is asked for and old enough.

    At most one thread reads. One that never ends holds up nobody but itself.

    Args:
        read: Reads it; runs on a daemon thread, and raises nothing.
        name: Of the thread.
        keep: Tells the seconds for which a reading is good at least.
        deadline: Seconds that a reading may take.
        share: Of a processor that reading may cost: a costly reading is good for longer, for 5 seconds at most. What
            the first one cost is not counted, for it may open something.
        clock: Tells the time in seconds.
        cost: Tells the time that a thread has used of a processor, in seconds.
    """

    def __init__(
        self,
        read: Callable[[], T],
        *,
        name: str,
        keep: Callable[[T], float] = _a_second,
        deadline: float = 3.0,
        share: float = 0.001,
        clock: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self._read, self._name, self._clock, self._cost = read, name, clock, cost
        self._keep, self._deadline, self._share = keep, deadline, share
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._done.set()
        self._asked = 0.0
        self._got: tuple[T, float, float] | None = None

    def look(self, patience: float) -> Look[T]:
        """Return the last reading; a new one is waited for where it is due.

        Args:
            patience: Seconds to wait at most; a reading that is overdue is not waited for at all.
        """
        with self._lock:
            if self._done.is_set() and self._is_due():
                self._done.clear()
                self._asked = self._clock()
                self._start()
            left = self._asked + self._deadline - self._clock()
        self._done.wait(max(min(patience, left), 0))
        with self._lock:
            now = self._clock()
            waited = 0.0 if self._done.is_set() else now - self._asked
            value, at = (None, now) if self._got is None else self._got[:2]
            return Look(value, now - at, waited if waited >= self._deadline else 0.0)

    def _start(self) -> None:
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError:  # no more threads are allowed here, or not now: the next look tries again
            self._done.set()

    def _is_due(self) -> bool:
        if self._got is None:
            return True
        value, at, cost = self._got
        return self._clock() - at >= max(self._keep(value), min(cost / self._share, _LONGEST))

    def _run(self) -> None:
        began = self._cost()
        try:
            value = self._read()
            with self._lock:
                cost = self._cost() - began
                self._got = value, self._clock(), 0.0 if self._got is None else cost
        finally:
            self._done.set()
