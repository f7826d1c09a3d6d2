"""What disks say when they fail, in words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colabpanel.errors import PathError, StorageError
from colabpanel.services.files import free_bytes
from colabpanel.words import size as say_size

__all__ = ["FULL", "disk_errors_in_words", "disk_full", "errors_about"]

FULL = {errno.ENOSPC, errno.EDQUOT}
"""What a disk says that has no room."""

_MUCH = 1 << 20
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
    free = free_bytes(folder)
    left = f"{say_size(free)} are left" if free < _MUCH else "it takes no more files"
    return StorageError(f"The disk is full: {left}.", hint=hint)
