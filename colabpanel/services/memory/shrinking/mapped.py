"""Large arrays as files that are mapped into memory: the system reads what is used, and may drop it again."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any, BinaryIO

from colabpanel.errors import InputError, SpaceError
from colabpanel.services.disks import disk_errors_in_words, errors_about
from colabpanel.services.files import free_bytes
from colabpanel.services.memory.shrinking.models import Saving, Task, Way, WouldChangeError
from colabpanel.services.memory.shrinking.numbers import is_plain, pieces
from colabpanel.services.mounts import mount_of, remote_mount

__all__ = ["FILE"]

_LARGE = 64 << 20
_AT_ONCE = 8 << 20
_SPARE = 64 << 20
_IN_MEMORY = {"tmpfs", "ramfs"}


def _find(name: str, value: Any) -> Saving | None:
    if not _can_be_mapped(value) or value.nbytes < _LARGE:
        return None
    return Saving(
        name,
        "file",
        value.nbytes,
        lossless=True,
        safe=True,
        sentence="In a file that is mapped into memory, only what is used takes memory. What is written to the array "
        "later stays in memory, and the file must stay where it is.",
        code=f'numpy.save("{name}.npy", {name}); {name} = numpy.load("{name}.npy", mmap_mode="c")',
    )


def _can_be_mapped(value: Any) -> bool:
    if not is_plain(value) or value.dtype.hasobject or not value.size:
        return False
    return bool(value.flags.c_contiguous or value.flags.f_contiguous)


def _make(value: Any, task: Task) -> tuple[Any, Path | None]:
    if not _can_be_mapped(value):
        raise WouldChangeError
    _insist_on_disk(task.folder, value.nbytes)
    task.progress.start(2 * value.nbytes, "Writing a file")
    with disk_errors_in_words():
        path = _write(value, task)
        try:
            return _opened(value, path, task), path
        except BaseException:
            path.unlink()
            raise


def _insist_on_disk(folder: Path, size: int) -> None:
    """Refuse a folder that is in memory itself, on a network, or has no room.

    Raises:
        InputError: It is; nothing was written.
    """
    if mount_of(folder)[1] in _IN_MEMORY or remote_mount(folder):
        raise InputError(
            f"{folder} is not on a disk of this machine, so a file there would save no memory, or be slow to read.",
            hint="Work in a folder on the local disk.",
        )
    if free_bytes(folder) < size + _SPARE:
        raise SpaceError(f"The file would not fit on the disk of {folder}.", hint="Free some space, then try again.")


def _write(value: Any, task: Task) -> Path:
    from numpy.lib import format as npy

    path = task.folder / f"{task.name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.npy"
    with errors_about(path), path.open("xb") as file:
        try:
            npy.write_array_header_2_0(file, npy.header_data_from_array_1_0(value))
            _write_values(value, file, task)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
    return path


def _write_values(value: Any, file: BinaryIO, task: Task) -> None:
    whole = memoryview(value.ravel(order="K").view("uint8"))
    for start in range(0, len(whole), _AT_ONCE):
        piece = whole[start : start + _AT_ONCE]
        file.write(piece)
        task.progress.advance(len(piece))


def _opened(value: Any, path: Path, task: Task) -> Any:
    """Open the file so that writing to the array changes memory alone, and compare all of it."""
    import numpy as np

    found = np.load(path, mmap_mode="c")
    for old, new in zip(pieces(value), pieces(found), strict=True):
        if old.tobytes() != new.tobytes():
            raise WouldChangeError
        task.progress.advance(old.nbytes)
    found = np.load(path, mmap_mode="c")  # a new one, of which nothing has been read into memory
    found.flags.writeable = value.flags.writeable
    return found


FILE = Way(_find, _make)
