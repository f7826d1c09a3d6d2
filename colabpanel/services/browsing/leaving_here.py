"""What is copied to another disk, and then deleted where it was: as far as its copy stands and nothing changed."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from colabpanel.progress import Progress
from colabpanel.services.skipped import Skipped
from colabpanel.services.tree import MEMBER_ONLY, Tree
from colabpanel.services.walk import FoundFile, file_at, files_below

__all__ = ["Origin", "make_folders"]

_CHUNK = 1 << 20


def make_folders(folder: Path, copy: Path) -> None:
    """Make the folders below a folder at its copy, those that hold no file, too."""
    with Tree(copy, like=folder) as tree:
        for below in _folders(folder)[1:]:
            try:
                tree.make_folder(below.relative_to(folder).parts)
            except OSError as error:
                if error.errno not in MEMBER_ONLY:  # else a file or a link has the name
                    raise


def _folders(folder: Path) -> list[Path]:
    """Return a folder and those below it, the ones above before those in them; links are not followed."""
    return [Path(path) for path, _, _ in os.walk(folder)]


class Origin:
    """A file or a folder as it is before it is copied.

    Args:
        spot: Its path, which is no link.
    """

    def __init__(self, spot: Path) -> None:
        self._spot, self._is_folder = spot, spot.is_dir()
        self._files = list(files_below(spot, set(), [])) if self._is_folder else [file_at(spot)]
        self._not_copied: set[str] = set()

    def note_what_stands_at(self, target: Path) -> None:
        """Remember what is there already and may be taken for the copy, by its size."""
        self._not_copied = {file.name for file in self._files if self._size_at(target, file) == file.size}

    def leave(self, target: Path, progress: Progress) -> list[Skipped]:
        """Delete each file whose copy stands at the target, and the folders that are empty then.

        Returns:
            What stays where it was, and why.
        """
        stays = []
        for file in self._files:
            path = self._spot / file.name if self._is_folder else self._spot
            if self._is_left_safely(file, path, target):
                with contextlib.suppress(OSError):  # told below
                    path.unlink()
                progress.advance(1)
            if os.path.lexists(path):
                stays.append(Skipped(file.name, "it changed, was not copied or cannot be deleted, so it stays"))
        if self._is_folder:
            stays += self._remove_folders()
        return stays

    def _copy_of(self, file: FoundFile, target: Path) -> Path:
        return target / file.name if self._is_folder else target

    def _size_at(self, target: Path, file: FoundFile) -> int | None:
        """Return the size of what stands where the copy is; None for what is a link, or is reached through one."""
        copy = self._copy_of(file, target)
        between = copy.parents[: len(copy.parts) - len(target.parts) - 1] if self._is_folder else ()
        return None if any(above.is_symlink() for above in between) else _size(copy)

    def _is_left_safely(self, file: FoundFile, path: Path, target: Path) -> bool:
        try:
            now = path.lstat()
        except OSError:
            return False
        if not stat.S_ISREG(now.st_mode) or (now.st_size, now.st_mtime_ns) != (file.size, file.modified_ns):
            return False
        if self._size_at(target, file) != file.size:
            return False
        return file.name not in self._not_copied or _same(path, self._copy_of(file, target))

    def _remove_folders(self) -> list[Skipped]:
        for folder in reversed(_folders(self._spot)):
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()
        if not os.path.lexists(self._spot):
            return []
        return [Skipped(self._spot.name, "it is not empty, so it stays")]


def _size(path: Path) -> int | None:
    """Return the size of a file that is no link, or None."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _same(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes."""
    with one.open("rb") as first, other.open("rb") as second:
        while data := first.read(_CHUNK):
            if data != second.read(_CHUNK):
                return False
        return not second.read(1)
