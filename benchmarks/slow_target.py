"""A folder that is as slow to write to as a mounted Drive; started by `checkpoints.py`.

    python benchmarks/slow_target.py FOLDER MOUNTPOINT --rate 40

Needs ``mfusepy`` and FUSE. All writes share the bandwidth; what is read back comes at once, as from Drive's cache.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any


class SlowFolder:
    """The operations that FUSE asks for, on another folder; ``rate`` in bytes."""

    use_ns = True

    def __init__(self, folder: Path, *, rate: float) -> None:
        self._folder, self._rate = str(folder), rate
        self._lock = threading.Lock()
        self._free = 0.0  # when the line is free again

    def _real(self, path: str) -> str:
        return self._folder + path

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._real(path))
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid")
        times = {"st_atime": found.st_atime_ns, "st_mtime": found.st_mtime_ns, "st_ctime": found.st_ctime_ns}
        return {name: getattr(found, name) for name in names} | times

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._real(path))]

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._real(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._real(path), flags & ~os.O_APPEND)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        with self._lock:
            now = time.monotonic()
            self._free = max(now, self._free) + len(data) / self._rate
            done = self._free
        time.sleep(max(done - now, 0))
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(self._real(path), length)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        return 0

    def flush(self, path: str, fh: int) -> int:
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._real(path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._real(path))

    def unlink(self, path: str) -> None:
        os.unlink(self._real(path))

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        os.rename(self._real(old), self._real(new))

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._real(path), mode)

    def utimens(self, path: str, times: tuple[int, int]) -> None:
        os.utime(self._real(path), ns=times)

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._folder)
        return {name: getattr(found, name) for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail")}


def main() -> None:
    """Serve until unmounted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("mountpoint")
    parser.add_argument("--rate", type=float, default=40, help="MB a second, of all writes together")
    if len(sys.argv) == 1:
        print("started by checkpoints.py")
        return
    options = parser.parse_args()
    fuse = importlib.import_module("mfusepy")
    served = type("Served", (SlowFolder, fuse.Operations), {})
    fuse.FUSE(served(options.folder.resolve(), rate=options.rate * 1e6), options.mountpoint, foreground=True)


if __name__ == "__main__":
    main()
