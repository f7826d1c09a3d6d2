"""The one atomic writer, and small questions about disks."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows has no flock; processes are not told apart there, threads are
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "alone_with",
    "delete_file",
    "existing_parent",
    "free_bytes",
    "is_alive",
    "sweep",
    "sync_folder",
    "write_at",
    "write_atomic",
]


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file's content so that a crash at any moment leaves the old or the new one.

    Raises:
        OSError: The disk refused; the old content is still there.
    """
    sweep(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
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


_alone = threading.Lock()
_LONGEST, _AGAIN = 2.0, 0.01


@contextlib.contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Let no other thread, and no other process, read and write a small file meanwhile; where that cannot be, go on."""
    with _alone, contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            if fcntl is not None:
                _lock(stack.enter_context(path.with_name(f".{path.name}.lock").open("wb")))
        yield


def _lock(file: IO[bytes]) -> None:
    """Wait for a lock, but not for a process that was stopped while it held it."""
    deadline = time.monotonic() + _LONGEST
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return
            time.sleep(_AGAIN)
        else:
            return


def sweep(path: Path) -> None:
    """Remove what writers of this file left that were killed: ``.NAME.PROCESS-THREAD.part`` beside it."""
    begun = re.compile(re.escape(f".{path.name}.") + r"(\d+)-\d+\.part")
    with os.scandir(path.parent) as entries:
        found = [(entry.path, match) for entry in entries if (match := begun.fullmatch(entry.name))]
    for name, match in found:
        if not is_alive(int(match[1])):
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108 - a name as it was listed


def is_alive(process: int, *, since: float | None = None) -> bool:
    """Whether a process of this number runs on this machine, and did at a moment since the epoch of Unix."""
    import psutil  # takes its time to load, and is rarely needed

    if since is None or not psutil.pid_exists(process):
        return psutil.pid_exists(process)
    try:
        return bool(psutil.Process(process).create_time() <= since + 1)
    except psutil.Error:
        return True


def write_at(handle: int, data: Buffer, start: int) -> None:
    """Write all of these bytes at a place in a file; on Windows by one thread at a time."""
    view = memoryview(data).cast("B")
    while view:
        if hasattr(os, "pwrite"):
            written = os.pwrite(handle, view, start)
        else:
            os.lseek(handle, start, os.SEEK_SET)
            written = os.write(handle, view)
        view, start = view[written:], start + written


def delete_file(path: Path) -> None:
    """Delete a file; on Drive and the like it is emptied first, for what lies in the Trash there takes room.

    Raises:
        OSError: It cannot be deleted.
    """
    from colabpanel.services.mounts import is_remote

    if is_remote(path):
        os.truncate(path, 0)
    path.unlink()


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
