"""The files of a folder that is packed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from colabpanel.services.staging.models import Skipped

__all__ = ["FoundFile", "files_below"]


class FoundFile(NamedTuple):
    """A file, as it was found.

    Attributes:
        name: Its path below the folder, with ``/`` between components.
        size: Bytes.
        modified: Seconds since the epoch, whole as an archive keeps them.
        mode: Its permissions.
    """

    name: str
    size: int
    modified: int
    mode: int


def files_below(folder: Path, leave_out: set[Path], skipped: list[Skipped]) -> Iterator[FoundFile]:
    """Yield the files below a folder in the order of their names; links are not followed, and named.

    Args:
        folder: The folder.
        leave_out: Paths that are passed over without a word, as the archive itself.
        skipped: Receives what cannot be packed, and why.
    """
    yield from _below(str(folder), "", {str(path) for path in leave_out}, skipped)


def _below(folder: str, prefix: str, leave_out: set[str], skipped: list[Skipped]) -> Iterator[FoundFile]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
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


def _file(entry: os.DirEntry[str], name: str, skipped: list[Skipped]) -> FoundFile | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        skipped.append(Skipped(name, f"it cannot be read: {os.strerror(error.errno or 0)}"))
        return None
    if stat.S_ISREG(status.st_mode):
        return FoundFile(name, status.st_size, int(status.st_mtime), stat.S_IMODE(status.st_mode))
    skipped.append(Skipped(name, "it is a symbolic link" if stat.S_ISLNK(status.st_mode) else "it is no regular file"))
    return None
