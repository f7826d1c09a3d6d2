"""Reading the names in a folder, and what is known of them, as far as that can be done in time.

This runs in the child process of `colabpanel.services.isolated`: what hangs is left to a thread, and what has been
read by then is the answer.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from colabpanel.errors import ColabPanelError, PathError, StorageError
from colabpanel.progress import Progress

__all__ = ["Scan", "in_time", "kind_of", "look", "scan", "unlistable"]

_MOST_SEEN = 500_000
_THREADS, _FEW = 16, 100
"""Threads that look at names of a slow disk, and how few answers within the first moment make it one."""

_BATCH = 8
_LOOK = 0.05
_SLOW, _ENOUGH = 50e-6, 16
"""Seconds that a kind takes which the disk does not tell with the name, and how many of these are enough."""

_FOR_KINDS = 0.6
"""Seconds spent on finding out kinds, if need be."""

_KINDS = {stat.S_IFDIR: "d", stat.S_IFREG: "f", stat.S_IFLNK: "l"}


@dataclass
class Scan:
    """What was found in a folder.

    Attributes:
        names: The names, in no order.
        kinds: A letter for each: d folder, D link to a folder, l other link, f file, o other, ? not known.
        complete: False when reading stopped before the end of the folder.
        error: What ended it, or None.
    """

    names: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    complete: bool = False
    error: OSError | None = None


def in_time(work: Callable[[], object], until: float, progress: Progress) -> bool:
    """Do work on a thread of its own; returns whether it ended before a moment of `time.monotonic`."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive() and (left := until - time.monotonic()) > 0:
        thread.join(min(left, _LOOK))
        progress.advance(0)
    return not thread.is_alive()


def scan(folder: Path, *, until: float, progress: Progress) -> Scan:
    """Read a folder until its end, or until a moment of `time.monotonic`.

    Raises:
        ColabPanelError: It cannot be listed, or nothing came back in time.
    """
    found = Scan()
    ended = in_time(lambda: _read(folder, found, until), until, progress)
    if found.error is not None and not found.names:
        raise unlistable(folder, found.error)
    if not ended and not found.names:
        raise StorageError(f"{folder} does not answer.", hint="If it is on Drive, unmount Drive and mount it again.")
    names, kinds = found.names[:], found.kinds[:]  # a thread that hangs may yet come on
    kinds = (kinds + ["?"] * (len(names) - len(kinds)))[: len(names)]
    result = Scan(names, kinds, found.complete, found.error)
    _look_at_the_unknown(folder, result, until=until, progress=progress)
    return result


def _read(folder: Path, found: Scan, until: float) -> None:
    """Read all names first: looking at an entry makes some disks look at every other one while they list them."""
    entries: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as reading:
            for entry in reading:
                if len(entries) >= _MOST_SEEN or time.monotonic() > until:
                    break
                found.names.append(entry.name)
                entries.append(entry)
            else:
                found.complete = True
    except OSError as error:
        found.error = error
    slow = 0
    for seen, entry in enumerate(entries):
        if slow >= _ENOUGH and slow * 2 > seen:  # this disk does not tell kinds with the names
            return
        before = time.perf_counter()
        found.kinds.append(_kind_in(entry))
        slow += time.perf_counter() - before > _SLOW


def _kind_in(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_symlink():
            return "l"
        if entry.is_dir(follow_symlinks=False):
            return "d"
        return "f" if entry.is_file(follow_symlinks=False) else "o"
    except OSError:
        return "?"


def kind_of(status: os.stat_result) -> str:
    """Return the letter for what was found."""
    return _KINDS.get(stat.S_IFMT(status.st_mode), "o")


def _look_at_the_unknown(folder: Path, found: Scan, *, until: float, progress: Progress) -> None:
    """Find out what the disk did not tell with the names, and where links lead; as much as there is time for."""
    for asked in ("?", "l"):
        numbers = [number for number, kind in enumerate(found.kinds) if kind == asked]
        names = [found.names[number] for number in numbers]
        soon = min(until, time.monotonic() + _FOR_KINDS)
        for number, status in look(folder, names, until=soon, progress=progress, follow=asked == "l") if names else ():
            if status is not None and asked == "?":
                found.kinds[numbers[number]] = kind_of(status)
            elif status is not None and stat.S_ISDIR(status.st_mode):
                found.kinds[numbers[number]] = "D"


def look(
    folder: Path, names: Sequence[str], *, until: float, progress: Progress, follow: bool = False
) -> list[tuple[int, os.stat_result | None]]:
    """Look at names in a folder, many at once where the disk is slow.

    Args:
        folder: The folder.
        names: The names.
        until: A moment of `time.monotonic`.
        progress: May cancel it.
        follow: Whether to look at what links lead to.

    Returns:
        The number of each name that answered in time, and its status or None for an error.
    """
    looking = _Looking(os.fspath(folder), names, follow=follow, until=until)
    if not in_time(looking.work, min(until, time.monotonic() + _LOOK), progress) and len(looking.answers) < _FEW:
        others = [threading.Thread(target=looking.work, daemon=True) for _ in range(_THREADS - 1)]
        for thread in others:
            thread.start()
    in_time(looking.ended.wait, until, progress)
    return looking.answers[:]


class _Looking:
    """Names that threads look at, a few at a time."""

    def __init__(self, folder: str, names: Sequence[str], *, follow: bool, until: float) -> None:
        self._folder, self._names, self._follow, self._until = folder, names, follow, until
        self._next, self._lock = 0, threading.Lock()
        self.answers: list[tuple[int, os.stat_result | None]] = []
        self.ended = threading.Event()

    def work(self) -> None:
        """Look at what nobody has looked at yet; done by any number of threads."""
        while time.monotonic() < self._until:
            with self._lock:
                start = self._next
                self._next += _BATCH
            for number in range(start, min(start + _BATCH, len(self._names))):
                self.answers.append((number, self._status(self._names[number])))
            if len(self.answers) >= len(self._names):
                self.ended.set()
            if start >= len(self._names):
                return

    def _status(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(f"{self._folder}/{name}", follow_symlinks=self._follow)  # noqa: PTH116 - twice as fast
        except OSError:
            return None


def unlistable(path: str | Path, error: OSError) -> ColabPanelError:
    """Say why a folder cannot be listed."""
    if isinstance(error, FileNotFoundError):
        return PathError(f"{path} does not exist.", hint="Check the spelling, or browse to it.")
    if isinstance(error, PermissionError):
        return PathError(f"You may not read {path}.", hint="Choose another folder.")
    if isinstance(error, NotADirectoryError):
        return PathError(f"{path} is not a folder.", hint="Choose a folder.")
    return StorageError(
        f"{path} does not answer ({os.strerror(error.errno or 0)}).",
        hint="If it is on Drive, unmount Drive and mount it again.",
    )
