"""Whether Drive answers: looked at in a child process, for a sick one hangs whoever touches it."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from colabpanel import words
from colabpanel.errors import StorageError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.isolated import call_isolated
from colabpanel.services.mounts import MOUNTS, mounted_at
from colabpanel.services.paths import resolve_inside

__all__ = ["DriveHealth", "State", "drive_health"]

State = Literal["ok", "not mounted", "look-alike", "disconnected", "errors", "hangs", "absent"]
"""``look-alike``: a folder stands where Drive should be mounted. ``disconnected``: errno 107, its program has died.
``errors``: any other errno, as 5. ``hangs``: no answer in time. ``absent``: there is no such folder."""

_SLOW = 2.0
_REPAIR = "Press Repair in the Drive tab, or call colabpanel.repair_drive()."


@dataclass(frozen=True)
class DriveHealth:
    """How a folder of Drive does.

    Attributes:
        state: What it is; see `State`.
        path: What was looked at.
        kind: The file system that is mounted there, or, below where the host mounts Drive, that one; else nothing.
        seconds: How long it took to answer; None where it did not.
        sentence: What that means.
        hint: What to do about it, or nothing.
    """

    state: State
    path: Path
    kind: str
    seconds: float | None
    sentence: str
    hint: str = ""

    @property
    def is_sick(self) -> bool:
        """Whether it is mounted, and does not work."""
        return self.state in {"disconnected", "errors", "hangs"}


def drive_health(
    path: str | Path | None = None,
    *,
    host: Host | None = None,
    deadline: float = 5.0,
    mounts: Path = MOUNTS,
    progress: Progress | None = None,
) -> DriveHealth:
    """Look whether Drive, or a folder that serves as Drive, answers.

    Args:
        path: The folder; None takes where the host mounts Drive.
        host: The notebook host; None detects it.
        deadline: Seconds it may take to answer.
        mounts: The list of mounts.
        progress: May cancel it.

    Raises:
        OutsideRootError: The folder is outside of the host's root.
        JobCancelledError: ``progress`` cancelled it.
    """
    host = host or detect()
    if path is not None:
        place = resolve_inside(host.root, path) if host.root is not None else Path(path).absolute()
    elif host.drive_mountpoint is not None:
        place = host.drive_mountpoint
    else:
        return DriveHealth("not mounted", Path(), "", None, f"{host.name} mounts no Drive by itself.", "Name a folder.")
    point = host.drive_mountpoint
    should_be = point is not None and (place == point or point in place.parents)
    kind = mounted_at(point if point is not None and should_be else place, mounts)
    if should_be and not kind:
        return _not_mounted(place, deadline, progress)
    try:
        found = call_isolated(
            "colabpanel.services.drive.health:probe_here", {"path": str(place)}, progress=progress, deadline=deadline
        )
    except StorageError:
        sentence = f"{place} did not answer within {deadline:g} seconds."
        return DriveHealth("hangs", place, kind, None, sentence, _REPAIR if kind else "The disk behind it hangs.")
    return _judged(place, kind, found["errno"], found["seconds"])


def _not_mounted(place: Path, deadline: float, progress: Progress | None) -> DriveHealth:
    arguments = {"path": str(place)}
    found = call_isolated(
        "colabpanel.services.drive.health:probe_here", arguments, progress=progress, deadline=deadline
    )
    if not found["errno"] and found["entries"]:
        return DriveHealth(
            "look-alike",
            place,
            "",
            found["seconds"],
            f"Drive is not mounted, but a folder with files is at {place}.",
            "They are on this machine's own disk. Move them away, then mount Drive.",
        )
    return DriveHealth("not mounted", place, "", None, "Drive is not mounted.", "Mount it in the Drive tab.")


def _judged(place: Path, kind: str, number: int, seconds: float) -> DriveHealth:
    if not number:
        took = words.duration(seconds)
        hint = "It is slow just now." if seconds > _SLOW else ""
        return DriveHealth("ok", place, kind, seconds, f"{place} answers in {took}.", hint)
    if number == errno.ENOENT:
        return DriveHealth("absent", place, kind, seconds, f"{place} does not exist.", "Check the spelling.")
    reason = f"errno {number}: {os.strerror(number)}"
    if number == errno.ENOTCONN:
        sentence = f"Drive is mounted at {place}, but its program has ended ({reason})."
        return DriveHealth("disconnected", place, kind, seconds, sentence, _REPAIR)
    hint = _REPAIR if number != errno.EIO else f"A folder with very many files does this, too. {_REPAIR}"
    return DriveHealth("errors", place, kind, seconds, f"{place} cannot be listed ({reason}).", hint)


def probe_here(path: str, progress: Progress) -> dict[str, Any]:
    """Touch a folder in this process; returns the errno or 0, the seconds, and whether anything is in it."""
    progress.start(None, "Waiting for an answer", unit="seconds")
    started, number, entries = time.monotonic(), 0, False
    try:
        with os.scandir(path) as found:
            entries = next(iter(found), None) is not None
    except NotADirectoryError:
        pass
    except OSError as error:
        number = error.errno or errno.EIO
    return {"errno": number, "seconds": time.monotonic() - started, "entries": entries}
