"""A passthrough file system whose reads and writes fail by rules that a test changes while it is mounted.

It needs FUSE and ``mfusepy``, and runs as a process of its own: what hangs in it can be killed.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Faulty", "Rules", "faulty", "why_not"]

_EVERYTHING = 1 << 62
_PATIENCE = 20.0


@dataclass(frozen=True)
class Rules:
    """What goes wrong. Errors are names of `errno`; ranges are bytes of a file, the end left out.

    Attributes:
        latency: Seconds before each read.
        bandwidth: Bytes per second of all reads together, or None.
        eio_share: The share of reads that fail with EIO, at random.
        seed: Of that chance.
        fail: The error of every read that touches ``fail_range``, or an empty string.
        fail_range: See ``fail``.
        hang: Whether reads that touch ``hang_range`` hang until this is False again.
        hang_range: See ``hang``.
        list_fail: The error of every listing, or an empty string.
        write_fail: The error of every write, and of everything else that changes something.
        write_after: That many bytes can be written before.
    """

    latency: float = 0.0
    bandwidth: float | None = None
    eio_share: float = 0.0
    seed: int = 7
    fail: str = ""
    fail_range: tuple[int, int] = (0, _EVERYTHING)
    hang: bool = False
    hang_range: tuple[int, int] = (0, _EVERYTHING)
    list_fail: str = ""
    write_fail: str = ""
    write_after: int = 0


def why_not() -> str:
    """Return why no such file system can be mounted here, or an empty string."""
    if importlib.util.find_spec("mfusepy") is None:
        return "mfusepy is not installed"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be used"
    return "" if shutil.which("fusermount3") or shutil.which("fusermount") else "fuse is not installed"


class Faulty:
    """A mounted file system: a folder, its rules, and the process that serves it."""

    def __init__(self, mount: Path, control: Path, process: subprocess.Popen[str]) -> None:
        self.mount, self._control, self._process = mount, control, process

    def obey(self, rules: Rules) -> None:
        """Change the rules, from the next read on."""
        _write_rules(self._control, rules)

    def kill(self) -> None:
        """End the server at once: whatever is asked of the mount fails with ENOTCONN."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Stop the server: whatever is asked of the mount hangs."""
        self._process.send_signal(signal.SIGSTOP)


def _write_rules(control: Path, rules: Rules) -> None:
    new = control.with_suffix(".new")
    new.write_text(json.dumps(asdict(rules)))
    new.replace(control)


@contextlib.contextmanager
def faulty(folder: Path, mount: Path, rules: Rules | None = None, *, hides_removed: bool = False) -> Iterator[Faulty]:
    """Mount a folder a second time, with faults.

    Args:
        folder: The real folder.
        mount: Where to mount it; made if it does not exist.
        rules: What goes wrong at first.
        hides_removed: Whether a file that is removed while it is open stays in its folder under
            another name until it is closed, as NFS and many FUSE file systems do it.

    Raises:
        OSError: It cannot be mounted here.
    """
    control = mount.with_name(f"{mount.name}.rules.json")
    _write_rules(control, rules or Rules())
    mount.mkdir(exist_ok=True)
    command = [
        sys.executable,
        __file__,
        os.fspath(folder),
        os.fspath(mount),
        os.fspath(control),
        str(int(hides_removed)),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        if not select.select([process.stdout], [], [], _PATIENCE)[0] or process.stdout.readline() != "ready\n":
            raise OSError(errno.ENODEV, "the file system did not come up")
        yield Faulty(mount, control, process)
    finally:
        # Killed first, so that reads that hang end.
        process.kill()
        process.wait()
        process.stdout.close()
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        control.unlink()


class _Book:
    """The rules as they are now, and what they do to an operation."""

    def __init__(self, control: str) -> None:
        self._control, self._seen = control, (0, 0)
        self._rules = Rules()
        self._chance, self._lock = random.Random(), threading.Lock()
        self._free_at, self._written = 0.0, 0
        self._never = threading.Event()

    def _look(self) -> Rules:
        status = os.stat(self._control)
        with self._lock:
            if self._seen != (status.st_ino, status.st_mtime_ns):
                self._seen = status.st_ino, status.st_mtime_ns
                values: dict[str, Any] = json.loads(Path(self._control).read_text())
                values |= {key: tuple(values[key]) for key in ("fail_range", "hang_range")}
                self._rules = Rules(**values)
                self._chance.seed(self._rules.seed)
                self._written = 0
            return self._rules

    def before_read(self, start: int, size: int) -> None:
        """Wait, hang or raise, as the rules say."""
        rules = self._look()
        while rules.hang and _touches(rules.hang_range, start, size):
            self._never.wait(0.05)
            rules = self._look()
        self._never.wait(rules.latency + self._delay(rules, size))
        with self._lock:
            is_unlucky = self._chance.random() < rules.eio_share
        if is_unlucky:
            raise OSError(errno.EIO, "at random")
        if rules.fail and _touches(rules.fail_range, start, size):
            raise OSError(getattr(errno, rules.fail), rules.fail)

    def _delay(self, rules: Rules, size: int) -> float:
        if rules.bandwidth is None:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / rules.bandwidth
            return self._free_at - now

    def before_list(self) -> None:
        """Raise when nothing may be listed."""
        rules = self._look()
        if rules.list_fail:
            raise OSError(getattr(errno, rules.list_fail), rules.list_fail)

    def before_change(self, size: int = 0) -> None:
        """Raise when nothing more may be written."""
        rules = self._look()
        with self._lock:
            self._written += size
            is_spent = self._written > rules.write_after or not rules.write_after
        if rules.write_fail and is_spent:
            raise OSError(getattr(errno, rules.write_fail), rules.write_fail)


def _touches(span: tuple[int, int], start: int, size: int) -> bool:
    return start < span[1] and start + size > span[0]


class _Passthrough:
    """The operations of the file system, each on the real folder."""

    use_ns = True

    def __init__(self, folder: str, book: _Book, *, hides_removed: bool) -> None:
        self._folder, self._book, self._hides_removed = folder, book, hides_removed

    def _real(self, path: str) -> str:
        return self._folder + path

    def init_with_config(self, conn_info: Any, config: Any) -> None:
        config.direct_io = 1  # every read of a program is a read of ours
        config.hard_remove = int(not self._hides_removed)
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        status = os.lstat(self._real(path))
        keys = ("st_mode", "st_size", "st_nlink", "st_uid", "st_gid", "st_ino")
        times = {f"st_{kind}time": getattr(status, f"st_{kind}time_ns") for kind in "acm"}
        return {key: getattr(status, key) for key in keys} | times

    def readdir(self, path: str, fh: int) -> list[str]:
        self._book.before_list()
        return [".", "..", *os.listdir(self._real(path))]

    def statfs(self, path: str) -> dict[str, int]:
        status = os.statvfs(self._real(path))
        keys = ("bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail", "namemax")
        return {f"f_{key}": getattr(status, f"f_{key}") for key in keys}

    def mkdir(self, path: str, mode: int) -> None:
        self._book.before_change()
        os.mkdir(self._real(path), mode)

    def rmdir(self, path: str) -> None:
        self._book.before_change()
        os.rmdir(self._real(path))

    def unlink(self, path: str) -> None:
        self._book.before_change()
        os.unlink(self._real(path))

    def rename(self, old: str, new: str) -> None:
        self._book.before_change()
        os.rename(self._real(old), self._real(new))

    def chmod(self, path: str, mode: int) -> None:
        self._book.before_change()
        os.chmod(self._real(path), mode)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        self._book.before_change()
        os.truncate(self._real(path), length)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        self._book.before_change()
        os.utime(self._real(path), ns=times or (time.time_ns(),) * 2)

    def open(self, path: str, flags: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._book.before_change()
        return os.open(self._real(path), flags)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self._book.before_change()
        return os.open(self._real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._book.before_read(offset, size)
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._book.before_change(len(data))
        return os.pwrite(fh, data, offset)

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        return os.getxattr(self._real(path), name)

    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> None:
        self._book.before_change()
        os.setxattr(self._real(path), name, value, options)

    def listxattr(self, path: str) -> list[str]:
        return os.listxattr(self._real(path))

    def release(self, path: str, fh: int) -> None:
        os.close(fh)


def _serve(folder: str, mount: str, control: str, hides_removed: str) -> None:
    fuse: Any = importlib.import_module("mfusepy")
    operations = _Passthrough(folder, _Book(control), hides_removed=hides_removed == "1")
    fuse.FUSE(operations, mount, foreground=True, allow_other=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
