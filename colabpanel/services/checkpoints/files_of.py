"""The files of one checkpoint: whether they are what was saved, and removing them. Links are not followed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import xxhash

from colabpanel.services.checkpoints.models import Checkpoint, CheckpointFile
from colabpanel.services.checkpoints.record import RECORD, Record
from colabpanel.services.files import delete_file

__all__ = ["problem_in", "remove_folder", "settle"]

_PIECE = 4 << 20
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def settle(part: Path, record: Record) -> Record:
    """Make the files of a folder durable, and return the record with what they are."""
    files = []
    for path in sorted(_files_in(part)):
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        files.append(replace(_digest_of(path), name=path.relative_to(part).as_posix()))
    return replace(record, files=tuple(files))


def _files_in(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and path.name != RECORD:
            yield path


def problem_in(folder: Path, record: Record | Checkpoint) -> str:
    """Return what is wrong with the files of a checkpoint in a folder, or nothing.

    Raises:
        OSError: The disk refused to read.
    """
    for file in record.files:
        path = folder / file.name
        try:
            if not _is_plain(folder, path):
                return f"{file.name} is no file of this folder"
            found = _digest_of(path, most=file.size + 1)
        except FileNotFoundError:
            return f"{file.name} is missing"
        if found.size != file.size:
            return f"{file.name} has {found.size:,} bytes instead of {file.size:,}"
        if found.digest != file.digest:
            return f"{file.name} is not what was saved"
    return ""


def _is_plain(folder: Path, path: Path) -> bool:
    """Whether a path is a file, and no link leads to it."""
    above = path.parent
    while above != folder:
        if above.is_symlink():
            return False
        above = above.parent
    return stat.S_ISREG(path.lstat().st_mode)


def _digest_of(path: Path, most: int | None = None) -> CheckpointFile:
    """Read a file, at most so many bytes of it, and return what it is."""
    hashed, size = xxhash.xxh3_128(), 0
    with open(os.open(path, _FLAGS), "rb", buffering=0) as file:  # noqa: PTH123 - what was opened without following links
        buffer = bytearray(_PIECE)
        view = memoryview(buffer)
        while (count := file.readinto(buffer)) and (most is None or size < most):
            hashed.update(view[:count])
            size += count
    return CheckpointFile(path.name, size, hashed.hexdigest())


def remove_folder(folder: Path) -> None:
    """Remove the hidden folder of a checkpoint; what cannot be removed now is swept another time."""
    with contextlib.suppress(OSError):
        if folder.is_symlink():
            return
        paths = sorted(folder.rglob("*"), reverse=True)  # what is in a folder comes before it
        for path in paths:
            if path.is_symlink():
                path.unlink()
            elif path.is_dir():
                path.rmdir()
            else:
                delete_file(path)
        folder.rmdir()
