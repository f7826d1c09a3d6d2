"""The one atomic writer, and small questions about disks."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["existing_parent", "free_bytes", "sync_folder", "write_atomic"]


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file's content so that a crash at any moment leaves the old or the new one.

    Raises:
        OSError: The disk refused; the old content is still there.
    """
    import tempfile

    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def existing_parent(path: Path) -> Path:
    """Return the nearest folder of a path that exists, the path itself included."""
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path


def free_bytes(path: Path) -> int:
    """Return the bytes a user may still write on the disk of a path that need not exist."""
    import shutil

    return shutil.disk_usage(existing_parent(path)).free
