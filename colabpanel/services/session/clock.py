"""How long this session has lasted, since when nothing has happened, and when it may end."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from colabpanel.hosts import Host, TimeLimit, detect
from colabpanel.services.saves import last_save

__all__ = ["Activity", "SessionClock", "session_clock"]


@dataclass(frozen=True)
class SessionClock:
    """Times of a session, in seconds; None stands for what cannot be told.

    Attributes:
        kernel: Since the kernel was started.
        machine: Since the machine, or the container that the kernel runs in, was started.
        idle: Since the last cell or click that is known of; zero while a cell runs.
        unsaved: Since the newest snapshot or checkpoint of this session was saved.
        saved: That snapshot or checkpoint.
        limits: When the host ends sessions by itself.
    """

    kernel: float
    machine: float | None
    idle: float | None
    unsaved: float | None
    saved: Path | None
    limits: tuple[TimeLimit, ...]

    def left(self, limit: TimeLimit) -> float | None:
        """Return the seconds until a limit ends the session, if it is the one that holds; None for no limit, too."""
        if limit.longest in {None, math.inf} or self.machine is None:
            return None
        return max(limit.longest - self.machine, 0.0)


def session_clock(
    *,
    host: Host | None = None,
    last_activity: float | None = None,
    last_safe_save: float | None = None,
    clock: Callable[[], float] = time.time,
) -> SessionClock:
    """Tell the times of this session; takes well under a millisecond.

    Args:
        host: The notebook host; None detects it.
        last_activity: When the last cell or click was, in seconds since 1970; None where nobody has looked.
        last_safe_save: When something was last saved; None takes the newest snapshot or checkpoint of this session.
        clock: Tells the time in seconds since 1970.
    """
    host = host or detect()
    newest, now = last_save(), clock()
    saved = newest.path if newest is not None and last_safe_save is None else None
    when = newest.when if newest is not None and last_safe_save is None else last_safe_save
    return SessionClock(
        kernel=max(now - _born(os.getpid()), 0.0),
        machine=_machine_uptime(now),
        idle=None if last_activity is None else max(now - last_activity, 0.0),
        unsaved=None if when is None else max(now - when, 0.0),
        saved=saved,
        limits=host.time_limits,
    )


def _machine_uptime(now: float) -> float | None:
    """Return the age of the first process: that of the container in one, else that of the machine."""
    try:
        return max(now - _born(1), 0.0)
    except psutil.Error:  # there is none on Windows, and it may be hidden
        return _since_boot(now)


@functools.cache
def _born(pid: int) -> float:
    """Return when a process was started, in seconds since 1970; asked once, for the clock is looked at every second."""
    return psutil.Process(pid).create_time()


def _since_boot(now: float) -> float | None:
    try:
        return max(now - psutil.boot_time(), 0.0)
    except (OSError, RuntimeError, psutil.Error):
        return None


class Activity:
    """Remembers when the user last did something, until it is closed.

    Args:
        host: The notebook host, which tells of cells.
        clock: Tells the time in seconds since 1970.

    Attributes:
        cell_began: When the cell began that runs, or that ran last; None if none was seen.
        close: Watches cells no longer.
    """

    def __init__(self, host: Host, *, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._running = clock, False
        self._last = clock()
        self.cell_began: float | None = None
        self.close = host.on_cell(self._cell_started, self._cell_ended)

    @property
    def last(self) -> float:
        """When it was, in seconds since 1970; now, while a cell runs."""
        return self._clock() if self._running else self._last

    def clicked(self) -> None:
        """Note that the user clicked."""
        self._last = self._clock()

    def _cell_started(self) -> None:
        self._running, self.cell_began = True, self._clock()

    def _cell_ended(self) -> None:
        self._running, self._last = False, self._clock()
