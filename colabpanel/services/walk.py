"""The files below a folder."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from colabpanel.errors import PathError
from colabpanel.services.skipped import Skipped

__all__ = ["FoundFile", "file_at", "files_below"]


_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR}
_TRIES, _FIRST_PAUSE = 4, 0.25


class FoundFile(NamedTuple):
    """A file, as it was found.

    Attributes:
        name: Its path below the folder, with ``/`` between components.
        size: Bytes.
        modified_ns: Nanoseconds since the epoch.
        mode: Its permissions.
    """

    name: str
    size: int
    modified_ns: int
    mode: int

    @property
    def modified(self) -> int:
        """Its time in seconds, whole as an archive keeps them."""
        return self.modified_ns // 10**9


def files_below(
    folder: Path, leave_out: set[Path], skipped: list[Skipped], *, only: Sequence[str] | None = None
) -> Iterator[FoundFile]:
    """Yield the files below a folder in the order of their names; links are not followed, and named.

    Args:
        folder: The folder.
        leave_out: Paths that are passed over without a word.
        skipped: Receives what cannot be read or is no file, and why.
        only: Names directly in the folder, to look at nothing else there; None looks at all.
    """
    paths = {str(path) for path in leave_out}
    if only is None:
        yield from _below(str(folder), "", paths, skipped)
        return
    for name in sorted(only):
        path = f"{folder}/{name}"
        if path in paths:
            continue
        if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114 - a name as it was listed
            yield from _below(path, f"{name}/", paths, skipped)
        elif file := _file(path, name, skipped):
            yield file


def file_at(path: Path) -> FoundFile:
    """Return a single file.

    Raises:
        PathError: There is none.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise PathError(f"{path} does not exist.", hint="Check the spelling, or whether Drive is mounted.") from None
    except PermissionError:
        raise PathError(f"You may not read {path}.", hint="Choose a file that you own.") from None
    if not stat.S_ISREG(status.st_mode):
        raise PathError(f"{path} is no file.", hint="Choose a file or a folder.")
    return FoundFile(path.name, status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode))


def _below(folder: str, prefix: str, leave_out: set[str], skipped: list[Skipped]) -> Iterator[FoundFile]:
    try:
        found = _entries(folder)
    except OSError as error:
        skipped.append(Skipped(prefix or ".", f"it cannot be listed: {os.strerror(error.errno or 0)}"))
        return
    for entry in found:
        name = f"{prefix}{entry.name}"
        if entry.path in leave_out:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, f"{name}/", leave_out, skipped)
        elif file := _file(entry, name, skipped):
            yield file


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """List a folder, trying again where an error may pass."""
    for attempt in range(_TRIES):
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if error.errno not in _PASSING or attempt == _TRIES - 1:
                raise
        time.sleep(_FIRST_PAUSE * 2**attempt)
    raise AssertionError


def _file(entry: os.DirEntry[str] | str, name: str, skipped: list[Skipped]) -> FoundFile | None:
    try:
        status = os.lstat(entry) if isinstance(entry, str) else entry.stat(follow_symlinks=False)
    except OSError as error:
        skipped.append(Skipped(name, f"it cannot be read: {os.strerror(error.errno or 0)}"))
        return None
    if stat.S_ISREG(status.st_mode):
        return FoundFile(name, status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode))
    skipped.append(Skipped(name, "it is a symbolic link" if stat.S_ISLNK(status.st_mode) else "it is no regular file"))
    return None
