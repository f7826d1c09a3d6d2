"""Deleting entries, in the child process: by opened folders, so that no link leads out of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from colabpanel.progress import Progress
from colabpanel.services.browsing.spots import entry_at, insist_changeable
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.skipped import Skipped

__all__ = ["Removing", "delete_here"]

_OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_DEEPEST = 200
_BY_HANDLE = os.unlink in os.supports_dir_fd and os.scandir in os.supports_fd
"""Whether the system can name what is in a folder that was opened; Windows cannot."""


@disk_errors_in_words()
def delete_here(entries: list[str], *, truncate_first: bool, root: str | None, progress: Progress) -> dict[str, Any]:
    """Delete entries, folders with all that is in them; see `delete_entries`."""
    spots = [entry_at(root, path) for path in dict.fromkeys(entries)]
    for spot in spots:
        insist_changeable(spot)
    progress.start(None, "Deleting", unit="files")
    removing, done = Removing(progress, truncate_first=truncate_first), 0
    for spot in spots:
        done += removing.remove(spot)
    return {
        "status": "partial" if removing.skipped else "ok",
        "entries": done,
        "files": removing.files,
        "size": removing.size,
        "skipped": removing.skipped,
    }


class _Folder(NamedTuple):
    """A folder by an open handle, or by its path where the system knows no better way."""

    path: str
    handle: int | None

    def scan(self) -> list[str]:
        """Return the names in it."""
        with os.scandir(self.path if self.handle is None else self.handle) as entries:
            return [entry.name for entry in entries]

    def at(self, name: str) -> str:
        """Return what the system takes for a name in it, beside ``dir_fd``."""
        return name if self.handle is not None else os.path.join(self.path, name)  # noqa: PTH118 - any name

    def status(self, name: str) -> os.stat_result:
        """Return what a name stands for, a link not followed."""
        return os.stat(self.at(name), dir_fd=self.handle, follow_symlinks=False)

    def enter(self, name: str) -> _Folder:
        """Open a folder in it."""
        path = os.path.join(self.path, name)  # noqa: PTH118 - any name
        if self.handle is None:
            return _Folder(path, None)
        return _Folder(path, os.open(name, _OPEN_FOLDER, dir_fd=self.handle))

    def close(self) -> None:
        """Let go of it."""
        if self.handle is not None:
            os.close(self.handle)


class Removing:
    """Deletes, and counts.

    Args:
        progress: Is told the files, and may cancel: what is deleted by then stays deleted.
        truncate_first: Whether files are emptied before, so that they take no room in a Trash.
    """

    def __init__(self, progress: Progress, *, truncate_first: bool) -> None:
        self._progress, self._truncate_first = progress, truncate_first
        self._device = 0
        self.files = self.size = 0
        self.skipped: list[Skipped] = []

    def remove(self, spot: Path) -> bool:
        """Delete an entry; returns whether all of it is gone."""
        path = os.fspath(spot.parent)
        above = _Folder(path, os.open(path, _OPEN_FOLDER) if _BY_HANDLE else None)
        try:
            self._device = above.status(spot.name).st_dev
            return self._remove(above, spot.name, spot.name)
        except OSError as error:
            return self._leave(spot.name, error)
        finally:
            above.close()

    def _remove(self, above: _Folder, name: str, told: str) -> bool:
        self._progress.advance(0)
        try:
            status = above.status(name)
            if stat.S_ISDIR(status.st_mode):
                return self._remove_folder(above, name, told, status)
            if self._truncate_first and stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                _empty(above, name)
            os.unlink(above.at(name), dir_fd=above.handle)
        except FileNotFoundError:  # somebody was faster
            return True
        except OSError as error:
            return self._leave(told, error)
        self.files += 1
        self.size += status.st_size if stat.S_ISREG(status.st_mode) else 0
        self._progress.advance(1)
        return True

    def _remove_folder(self, above: _Folder, name: str, told: str, status: os.stat_result) -> bool:
        if status.st_dev != self._device:
            self.skipped.append(Skipped(told, "another disk is mounted there"))
            return False
        if told.count("/") >= _DEEPEST:
            self.skipped.append(Skipped(told, "too many folders lie in one another"))
            return False
        folder, whole = above.enter(name), True
        try:
            for inner in folder.scan():
                whole &= self._remove(folder, inner, f"{told}/{inner}")
        finally:
            folder.close()
        if whole:
            os.rmdir(above.at(name), dir_fd=above.handle)
        return whole

    def _leave(self, told: str, error: OSError) -> bool:
        self.skipped.append(Skipped(told, f"it cannot be deleted: {os.strerror(error.errno or 0)}"))
        return False


def _empty(above: _Folder, name: str) -> None:
    handle = os.open(above.at(name), os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), dir_fd=above.handle)
    try:
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)
