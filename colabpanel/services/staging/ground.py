"""What staging and planning both stand on: the paths of a request, the identity of an archive, errors in words."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, PathError, SpaceError, StorageError
from colabpanel.services.paths import resolve_inside
from colabpanel.services.sources import LocalSource
from colabpanel.services.staging.archive import Listing
from colabpanel.services.staging.extract import FULL, disk_full
from colabpanel.services.staging.models import Request, Skipped
from colabpanel.services.staging.partial import Partial
from colabpanel.words import size as say_size

__all__ = ["Places", "disk_errors_in_words", "identity_of", "insist_on_a_match", "no_room", "real_root"]

_IDENTITY_REACH = 1 << 20
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


class Places:
    """The two paths of a request, checked against its root."""

    def __init__(self, request: Request) -> None:
        root = real_root(request.root)
        self.source = resolve_inside(root, request.source)
        self.directory = resolve_inside(root, request.directory)
        self.partial = Partial(self.directory, root)
        if self.source == self.directory:
            raise PathError("The source and the target are the same path.", hint="Choose another target folder.")


def identity_of(source: LocalSource, reader: Listing, request: Request) -> list[Any]:
    """Return what tells one archive, and one choice of its members, from another."""
    head = source.read(0, min(source.size, _IDENTITY_REACH))
    tail = source.read(max(source.size - _IDENTITY_REACH, 0), source.size)
    content = [zlib.crc32(head), zlib.crc32(tail), reader.fingerprint]
    return [source.size, source.modified_ns, *content, request.choice()]


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
        raise StorageError(f"The disk failed: {reason}", hint="What was done is kept: stage again to go on.") from error


def insist_on_a_match(wanted: Request, skipped: Sequence[Skipped], partial: Partial | None = None) -> None:
    """Refuse patterns that nothing matches, once no file was found; an empty partial is removed."""
    if skipped or not (wanted.include or wanted.exclude):
        return
    if partial:
        partial.remove()
    raise InputError(
        "No file of the archive matches the patterns.",
        hint="A pattern with a slash is matched against the whole path, one without against the file name.",
    )


def no_room(total: int, free: int) -> SpaceError:
    """Return the error for files that do not fit."""
    return SpaceError(
        f"The files need {say_size(total)}, and {say_size(free)} are free.",
        hint="Free some space, choose another target, or stage a part with include or first_per_folder.",
    )


def real_root(root: str | None) -> Path | None:
    """Return the folder the panel may touch, links resolved."""
    return Path(os.path.realpath(root)) if root else None
