"""Whether files have reached Drive, as far as Drive's own program tells: it uploads after a write has returned."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from colabpanel import words
from colabpanel.errors import PathError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.isolated import call_isolated
from colabpanel.services.mounts import is_remote
from colabpanel.services.paths import anchored, resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.walk import FoundFile, file_at, files_below

__all__ = ["DriveSafety", "FileSafety", "Whereabouts", "drive_safety", "safety_summary", "wait_until_safe"]

Whereabouts = Literal["safe", "on its way", "here", "unknown"]
"""``safe``: on Drive. ``on its way``: written here, not uploaded yet. ``here``: on this machine's own disk.
``unknown``: on a drive that does not tell."""

_UNCOMMITTED = "user.drive.uncommitted"
_DEADLINE, _FIRST_ANSWER = 60.0, 5.0
"""Seconds for all files, and for the first answer: a Drive that hangs is told apart from one with many files."""

_MOST_FILES = 100_000
_FIRST_PAUSE, _LONGEST_PAUSE, _LOOK = 0.5, 5.0, 0.1


class FileSafety(NamedTuple):
    """Where a file is."""

    path: Path
    size: int
    where: Whereabouts


@dataclass(frozen=True)
class DriveSafety:
    """Where files are, one by one and in sum.

    Attributes:
        status: ``ok`` where all of them are safe, else ``partial``.
        files: Each file that was looked at.
        skipped: What could not be looked at, and why.
        complete: False where there are more files than are looked at.
    """

    status: Literal["ok", "partial"]
    files: tuple[FileSafety, ...]
    skipped: tuple[Skipped, ...]
    complete: bool = True

    def count(self, where: Whereabouts) -> int:
        """Return how many files are there."""
        return sum(file.where == where for file in self.files)

    def size(self, where: Whereabouts) -> int:
        """Return the bytes of the files that are there."""
        return sum(file.size for file in self.files if file.where == where)


def drive_safety(
    paths: str | Path | Sequence[str | Path],
    *,
    host: Host | None = None,
    deadline: float = _DEADLINE,
    progress: Progress | None = None,
) -> DriveSafety:
    """Tell which files are on Drive, which are on their way, and which are on this machine only.

    A Drive that hangs is told of after five seconds.

    Args:
        paths: Files, and folders, of which every file below is looked at (100,000 in all).
        host: The notebook host, whose ``root`` is not left; None detects it.
        deadline: Seconds it may take.
        progress: Is told the files, and may cancel.

    Raises:
        PathError: One of them does not exist, or is outside of the root.
        StorageError: Drive does not answer.
    """
    host = host or detect()
    asked = [paths] if isinstance(paths, str | Path) else list(paths)
    if not asked:
        raise PathError("There is nothing to look at.", hint="Give a file or a folder.")
    arguments = {
        "paths": [anchored(path, host.root) for path in asked],
        "root": host.root and os.fspath(host.root),
    }
    first = min(deadline, _FIRST_ANSWER)
    call_isolated("colabpanel.services.drive.safety:answer_here", arguments, progress=progress, deadline=first)
    target = "colabpanel.services.drive.safety:look_here"
    found = call_isolated(target, arguments, progress=progress, deadline=deadline)
    files = tuple(FileSafety(Path(path), size, where) for path, size, where in found["files"])
    skipped = tuple(Skipped(*pair) for pair in found["skipped"])
    whole = found["complete"] and not skipped and all(file.where == "safe" for file in files)
    return DriveSafety("ok" if whole else "partial", files, skipped, found["complete"])


@disk_errors_in_words()
def answer_here(paths: list[str], root: str | None, progress: Progress) -> None:
    """Touch what shall be looked at, in this process.

    Raises:
        PathError: One of them does not exist, or is outside of the root.
        StorageError: The disk fails.
    """
    for given in paths:
        place = resolve_inside(root, given)
        if place.is_dir():
            with os.scandir(place) as entries:
                next(entries, None)
        else:
            file_at(place)
        progress.advance(0)


@disk_errors_in_words()
def look_here(paths: list[str], root: str | None, progress: Progress) -> dict[str, Any]:
    """Look at files in this process; see `drive_safety`."""
    progress.start(None, "Looking at files", unit="files")
    files: list[tuple[str, int, Whereabouts]] = []
    skipped: list[Skipped] = []
    on_drive = functools.cache(is_remote)  # for each folder once, not for each file
    for given in paths:
        place = resolve_inside(root, given)
        one_by_one = (
            ((file, place / file.name) for file in files_below(place, set(), skipped))
            if place.is_dir()
            else iter([(file_at(place), place)])
        )
        for file, path in one_by_one:
            if len(files) >= _MOST_FILES:
                return {"files": files, "skipped": skipped, "complete": False}
            files.append(_looked_at(file, path, on_drive=on_drive(path.parent)))
            progress.advance(1)
    return {"files": files, "skipped": skipped, "complete": True}


def _looked_at(file: FoundFile, path: Path, *, on_drive: bool) -> tuple[str, int, Whereabouts]:
    """Ask for the attribute in which Drive's program tells whether it has uploaded a file.

    A copy of such a file on this machine's own disk has the attribute too (``shutil.copy2`` copies it), and lies.
    """
    if not on_drive:
        return str(path), file.size, "here"
    try:
        told = os.getxattr(path, _UNCOMMITTED)
    except (OSError, AttributeError):  # no such attribute, or no such call on this system
        return str(path), file.size, "unknown"
    known: dict[bytes, Whereabouts] = {b"0": "safe", b"1": "on its way"}
    return str(path), file.size, known.get(told.strip(b"\0 \n"), "unknown")


def wait_until_safe(
    paths: str | Path | Sequence[str | Path],
    *,
    timeout: float | None = None,
    host: Host | None = None,
    progress: Progress | None = None,
) -> DriveSafety:
    """Wait until none of these files is on its way to Drive any more.

    Args:
        paths: Files and folders.
        timeout: Seconds to wait at most; None waits as long as it takes.
        host: The notebook host; None detects it.
        progress: Is told the bytes that have arrived, and may cancel.

    Returns:
        Where they are then: ``status`` is ``ok`` only where all of them are on Drive. Files on this machine's own disk,
        and those of which Drive does not tell, are not waited for.

    Raises:
        PathError: One of them does not exist, or is outside of the root.
        StorageError: Drive does not answer.
    """
    host, progress = host or detect(), progress or Progress()
    until = None if timeout is None else time.monotonic() + timeout
    looking = _OnlyCancels(progress)
    found = drive_safety(paths, host=host, progress=looking)
    total, pause = found.size("on its way"), _FIRST_PAUSE
    progress.start(total, "Waiting for Drive to upload")
    left = total
    while found.count("on its way") and (until is None or time.monotonic() < until):
        _sleep(pause if until is None else min(pause, max(until - time.monotonic(), 0)), progress)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        found = drive_safety(paths, host=host, progress=looking)
        progress.advance(max(left - found.size("on its way"), 0))
        left = min(left, found.size("on its way"))
    return found


class _OnlyCancels(Progress):
    """Lets a look be cancelled, and leaves what is shown alone."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def advance(self, amount: int = 1) -> None:
        self._progress.advance(0)


def _sleep(seconds: float, progress: Progress) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        progress.advance(0)
        time.sleep(min(left, _LOOK))


def safety_summary(found: DriveSafety) -> str:
    """Say where files are in one sentence."""
    if found.status == "ok":
        return f"{words.plural(len(found.files), 'file')}, {words.size(found.size('safe'))}: all of it is on Drive."
    told: list[tuple[Whereabouts, str]] = [
        ("on its way", "on the way to Drive"),
        ("here", "on this machine only"),
        ("unknown", "where Drive does not tell"),
        ("safe", "on Drive"),
    ]
    parts = [
        f"{words.plural(found.count(where), 'file')}, {words.size(found.size(where))}, {text}"
        for where, text in told
        if found.count(where)
    ]
    if found.skipped:
        parts.append(f"{words.plural(len(found.skipped), 'entry', 'entries')} could not be looked at")
    if not found.complete:
        parts.append(f"more than {words.count(_MOST_FILES)} files are not looked at")
    return f"{'; '.join(parts) or 'No files'}."
