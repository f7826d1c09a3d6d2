"""What this kernel and the processes it started hold of the memory."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import psutil

from colabpanel.services.limits.applying import PROC

__all__ = ["KernelMemory", "KernelSampler", "descendants"]

_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
_LOOK_EVERY = 5.0  # seconds between two looks for new children


@dataclass(frozen=True)
class KernelMemory:
    """Memory of this kernel, in bytes.

    Attributes:
        own: Of this process.
        children: Of all processes below it, or None where one of them may not be looked at.
        processes: How many those are.
        exact: Whether pages that several processes share are counted once (PSS); else each counts them (RSS), and the
            figures may add up to more than there is.
        age: Seconds since it was counted. What this process took or gave back since then is in ``own`` all the same.
    """

    own: int
    children: int | None
    processes: int
    exact: bool
    age: float


class _Count(NamedTuple):
    pid: int
    memory: KernelMemory
    resident: int
    at: float
    cost: float


class KernelSampler:
    """Counts the memory of this process and of those below it, as often as that is cheap.

    Linux walks all pages to tell how many are shared: milliseconds for a large process, the more the more children it
    has. In between, the last figure is returned, moved by what this process grew. Children that begin or end bring the
    next count forward.

    Args:
        every: Seconds between two counts at least.
        share: Of a processor that counting may cost.
        proc: Where the proc file system is mounted.
        clock: Tells the time in seconds.
        cost: Tells the time that this thread has used of a processor, in seconds.
    """

    def __init__(
        self,
        *,
        every: float = 1.9,
        share: float = 0.001,
        proc: Path = PROC,
        clock: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self._every, self._share, self._proc, self._clock, self._cost = every, share, proc, clock, cost
        self._lock = threading.Lock()
        self._last: _Count | None = None
        self._next = self._look = 0.0

    def read(self) -> KernelMemory | None:
        """Return what they hold, or None where the system does not tell."""
        with self._lock:
            try:
                return self._moved() or self._counted()
            except (psutil.Error, OSError):
                return None

    def _moved(self) -> KernelMemory | None:
        """Return the last count, brought up to date, or None when it is time to count."""
        now, pid, last = self._clock(), os.getpid(), self._last
        if last is None or last.pid != pid:
            return None
        if now >= self._look:
            self._look = now + _LOOK_EVERY
            self._next = last.at + self._pause(last, 1 + len(descendants(pid, proc=self._proc)))
        if now >= self._next:
            return None
        grown = psutil.Process(pid).memory_info().rss - last.resident
        return replace(last.memory, own=max(last.memory.own + grown, 0), age=now - last.at)

    def _counted(self) -> KernelMemory:
        began, pid = self._cost(), os.getpid()
        resident = psutil.Process(pid).memory_info().rss
        own = _shared_once(self._proc, pid)
        sizes = [size for child in descendants(pid, proc=self._proc) if (size := self._size(child)) is not None]
        known = [size for size, _ in sizes if size is not None]
        counted = KernelMemory(
            own=resident if own is None else own,
            children=sum(known) if len(known) == len(sizes) else None,
            processes=len(sizes),
            exact=own is not None and all(exact for _, exact in sizes),
            age=0.0,
        )
        self._last = last = _Count(pid, counted, resident, self._clock(), self._cost() - began)
        self._next, self._look = last.at + self._pause(last, 1 + len(sizes)), last.at + _LOOK_EVERY
        return counted

    def _pause(self, last: _Count, processes: int) -> float:
        """Return the seconds from one count to the next, which will cost as much for each process as the last did."""
        cost = last.cost * processes / (1 + last.memory.processes)
        return max(cost / self._share, self._every)

    def _size(self, pid: int) -> tuple[int | None, bool] | None:
        """Return the bytes of a process and whether they are exact, or None where it has ended."""
        try:
            shared_once = _shared_once(self._proc, pid)
            return (psutil.Process(pid).memory_info().rss, False) if shared_once is None else (shared_once, True)
        except (psutil.NoSuchProcess, ProcessLookupError):
            return None
        except (psutil.Error, OSError):
            return None, False


def _shared_once(proc: Path, pid: int) -> int | None:
    """Return the bytes of a process, pages it shares counted in parts; None where Linux does not tell.

    Raises:
        ProcessLookupError: It has ended.
    """
    try:
        found = _PSS.search((proc / str(pid) / "smaps_rollup").read_bytes())
    except ProcessLookupError:
        raise
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def descendants(pid: int, *, proc: Path = PROC) -> list[int]:
    """Return the processes below a process, in no order.

    Args:
        pid: The process.
        proc: Where the proc file system is mounted.
    """
    try:
        found, waiting = [], list(_children(pid, proc))
        while waiting:
            child = waiting.pop()
            found.append(child)
            try:
                waiting.extend(_children(child, proc))
            except (FileNotFoundError, ProcessLookupError):  # it has ended
                continue
    except OSError:  # a kernel without these lists, or another system: look at every process there is
        try:
            return [child.pid for child in psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            return []
    return found


def _children(pid: int, proc: Path) -> Iterator[int]:
    for task in (proc / str(pid) / "task").iterdir():
        try:
            yield from map(int, (task / "children").read_text().split())
        except ProcessLookupError:  # this thread has ended
            continue
