"""What disks say when they fail, in words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colabpanel.errors import PathError, StorageError
from colabpanel.services.files import existing_parent

__all__ = ["FULL", "disk_errors_in_words", "disk_full", "errors_about"]

FULL = {errno.ENOSPC, errno.EDQUOT}
"""What a disk says that has no room."""

_NOT_USABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EINVAL,
}


@contextmanager
def disk_errors_in_words() -> Iterator[None]:
    """Turn what a disk says anywhere into a sentence; places that know more say more."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        reason = f"{os.strerror(error.errno or 0)}{where}."
        if error.errno in FULL:
            raise disk_full(Path(error.filename or "/")) from error
        if error.errno in _NOT_USABLE:
            raise PathError(f"A path cannot be used: {reason}", hint="Choose another target folder.") from error
        raise StorageError(f"The disk failed: {reason}", hint="What was done is kept: try again to go on.") from error


@contextmanager
def errors_about(path: Path) -> Iterator[None]:
    """Let errors that name no file, as those of writing, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


def disk_full(folder: Path, hint: str = "Free some space, then try again.") -> StorageError:
    """Say that a disk has no room, whether for bytes or for files."""
    said = "The disk takes no more files." if _takes_no_files(folder) else "The disk is full."
    return StorageError(said, hint=hint)


def _takes_no_files(folder: Path) -> bool:
    try:
        system = os.statvfs(existing_parent(folder))
    except (AttributeError, OSError):  # Windows does not tell
        return False
    return bool(system.f_files) and not system.f_favail
