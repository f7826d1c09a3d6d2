"""Copying and moving entries into a folder, in the child process.

A file is copied beside its place, read back and renamed to it, and so is a folder that is not there yet, as a whole.
What is moved to another disk is deleted only where its copy stands, and only as far as it did not change since.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import stat
import zlib
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, JobCancelledError, PathError, SpaceError
from colabpanel.progress import Progress
from colabpanel.services.browsing.leaving_here import Origin, make_folders
from colabpanel.services.browsing.listing_here import on_drive
from colabpanel.services.browsing.models import Overwrite
from colabpanel.services.browsing.naming import check_name, free_name
from colabpanel.services.browsing.removing_here import Removing
from colabpanel.services.browsing.spots import entry_at, folder_at, insist_changeable
from colabpanel.services.copying.engine import copy_here
from colabpanel.services.copying.ledger import one_at_a_time
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.files import is_alive
from colabpanel.services.skipped import Skipped
from colabpanel.services.tree import MEMBER_ONLY

__all__ = ["carry_here"]

_UNFINISHED = re.compile(r"\.[0-9a-f]{8}\.([0-9a-f]{8})-(\d+)\.colabpanel-part")

_NOT_BY_RENAMING = {errno.EXDEV, errno.ENOSYS, errno.ENOTSUP}
_OF_ONE_ENTRY = MEMBER_ONLY | {errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTEMPTY, errno.EBUSY}
"""Errors that concern one entry; any other concerns the disk."""


@disk_errors_in_words()
def carry_here(
    entries: list[str],
    folder: str,
    *,
    overwrite: Overwrite,
    moving: bool,
    root: str | None,
    state_dir: str | None,
    progress: Progress,
) -> dict[str, Any]:
    """Copy or move entries into a folder; see `copy_entries` and `move_entries`."""
    into = folder_at(root, folder)
    spots = [entry_at(root, path) for path in dict.fromkeys(entries)]
    for spot in spots:
        _insist_outside(spot, into)
        if moving:
            insist_changeable(spot)
    with one_at_a_time(state_dir, into):  # else two of them might find the same name free
        names = [spot.name for spot in spots]
        taken = [name for name in dict.fromkeys(names) if os.path.lexists(into / name) or names.count(name) > 1]
        if taken and overwrite == "ask":
            return {"status": "taken", "taken": taken}
        _sweep(into)
        twice = {name for name in names if names.count(name) > 1} if overwrite == "replace" else set()
        carrying = _Carrying(into, overwrite, root, progress, moving=moving, twice=twice)
        for spot in spots:
            carrying.carry(spot)
        return carrying.result()


def _insist_outside(spot: Path, into: Path) -> None:
    real = Path(os.path.realpath(spot))
    if into == real or real in into.parents:
        raise PathError(f"{into} is or lies in {spot.name}.", hint="Choose another folder to put it into.")


def _sweep(into: Path) -> None:
    """Remove what copyings into this folder left that were killed on this machine."""
    with os.scandir(into) as entries:
        found = [(entry.name, match) for entry in entries if (match := _UNFINISHED.fullmatch(entry.name))]
    for name, match in found:
        if match[1] == _machine() and not is_alive(int(match[2])):
            Removing(Progress(), truncate_first=False).remove(into / name)


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


class _Carrying:
    """Entries on their way into one folder."""

    def __init__(
        self, into: Path, overwrite: Overwrite, root: str | None, progress: Progress, *, moving: bool, twice: set[str]
    ) -> None:
        self._into, self._overwrite, self._root, self._progress = into, overwrite, root, progress
        self._moving, self._twice, self._on_drive = moving, twice, on_drive(into)
        self.entries = self.files = self.size = 0
        self.made: list[str] = []
        self.skipped: list[Skipped] = []

    def carry(self, spot: Path) -> None:
        """Bring an entry to its place; what cannot be is noted."""
        before = len(self.skipped)
        try:
            target = self._target(spot)
            (self._move if self._moving else self._copy)(spot, target)
        except (JobCancelledError, SpaceError):
            raise
        except InputError as error:
            self.skipped.append(Skipped(spot.name, error.message))
            return
        except OSError as error:
            if error.errno not in _OF_ONE_ENTRY:
                raise
            self.skipped.append(Skipped(spot.name, f"{os.strerror(error.errno or 0)}"))
            return
        self.made.append(str(target))
        self.entries += len(self.skipped) == before

    def _target(self, spot: Path) -> Path:
        """Return the path to bring an entry to.

        Raises:
            PathError: There is something that is not replaced.
        """
        target = self._into / spot.name
        if self._moving and spot.parent == self._into:
            raise PathError("it is in this folder already")
        if spot.name in self._twice:
            raise PathError("another one that was chosen has the same name")
        if self._on_drive:
            check_name(spot.name, on_drive=True)
        if not os.path.lexists(target):
            return target
        if self._overwrite == "rename":
            return self._into / free_name(self._into, spot.name)
        if target == spot:
            raise PathError("it cannot be replaced by itself")
        if target.is_symlink() or target.is_dir() != spot.is_dir():
            kind = "link" if target.is_symlink() else "folder" if target.is_dir() else "file"
            raise PathError(f"a {kind} of that name is there, which is not replaced")
        return target

    def _copy(self, spot: Path, target: Path) -> None:
        """Copy an entry; a link that was chosen itself is followed, inside the root."""
        if not spot.is_dir():
            self._count(copy_here(str(spot), str(target), **self._options()), target.name)
        elif target.is_dir():
            self._copy_folder(spot, target, target.name)
        else:
            self._copy_beside(spot, target)

    def _copy_folder(self, spot: Path, to: Path, name: str) -> None:
        self._count(copy_here(str(spot), str(to), **self._options()), name)
        make_folders(Path(os.path.realpath(spot)), to)

    def _copy_beside(self, spot: Path, target: Path) -> None:
        """Copy a folder under a hidden name, then rename it."""
        beside = self._into / f".{zlib.crc32(os.fsencode(target.name)):08x}.{_machine()}-{os.getpid()}.colabpanel-part"
        try:
            self._copy_folder(spot, beside, target.name)
            beside.rename(target)  # refused by the system where a folder with something in it stands by now
        except BaseException:
            if beside.is_dir():
                Removing(Progress(), truncate_first=False).remove(beside)
            raise

    def _options(self) -> dict[str, Any]:
        return {"into_folder": False, "root": self._root, "state_dir": None, "progress": self._progress}

    def _count(self, copied: dict[str, Any], name: str) -> None:
        self.files += copied["files"] + copied["unchanged"]
        self.size += copied["size"]
        self.skipped += [Skipped(f"{name}/{member}", reason) for member, reason in copied["skipped"]]

    def _move(self, spot: Path, target: Path) -> None:
        if not os.path.lexists(target) or not spot.is_dir():
            try:
                spot.replace(target)
            except OSError as error:
                if error.errno not in _NOT_BY_RENAMING:
                    raise
            else:
                self._progress.advance(0)
                return
        if spot.is_symlink() or not (spot.is_dir() or stat.S_ISREG(spot.stat().st_mode)):
            raise PathError("it is a link or no regular file, which does not move to another disk")
        origin = Origin(spot)
        origin.note_what_stands_at(target)
        self._copy(spot, target)
        self._progress.start(None, "Deleting what was moved", unit="files")
        self.skipped += origin.leave(target, self._progress)

    def result(self) -> dict[str, Any]:
        """Return the outcome."""
        return {
            "status": "partial" if self.skipped else "ok",
            "entries": self.entries,
            "files": self.files,
            "size": self.size,
            "made": self.made,
            "skipped": self.skipped,
        }
