"""A folder with one file that is as slow, and as unreliable, as a mounted Drive; started by `staging.py slow`.

    python benchmarks/slow_source.py FILE MOUNTPOINT --rate 40 --latency 5 --fail 0.01

Needs ``mfusepy``. All reads share the bandwidth; each waits its latency, side by side with the others. A read that
fails takes its megabyte with it for as long as ``--outage``: the kernel reads ahead, and would hide a shorter one.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import json
import os
import random
import stat
import sys
import threading
import time
from pathlib import Path

REGION = 1 << 20


class SlowFile:
    """The operations that FUSE asks for; ``rate`` in bytes and ``latency`` in seconds."""

    use_ns = True

    def __init__(self, path: Path, *, rate: float, latency: float, fail: float, outage: float) -> None:
        self.path, self.rate, self.latency, self.fail, self.outage = path, rate, latency, fail, outage
        self.reads = self.failures = 0
        self._size = path.stat().st_size
        self._fd = os.open(path, os.O_RDONLY)
        self._lock = threading.Lock()
        self._free = 0.0  # when the line is free again
        self._rng = random.Random(1)
        self._broken: dict[int, float] = {}

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        self._check(path)
        return {"st_mode": stat.S_IFREG | 0o444, "st_nlink": 1, "st_size": self._size}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", self.path.name]

    def open(self, path: str, flags: int) -> int:
        self._check(path)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        length = max(min(size, self._size - offset), 0)
        with self._lock:
            now = time.monotonic()
            self._free = max(now, self._free) + length / self.rate
            arrives = self._free + self.latency
            self.reads += 1
            broken = self._is_broken(offset // REGION, now)
            self.failures += broken
        time.sleep(max(arrives - now, 0))
        if broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.pread(self._fd, length, offset)

    def _is_broken(self, region: int, now: float) -> bool:
        """Tell whether this read fails: by chance, or because one nearby did a moment ago."""
        if self._broken.get(region, 0.0) > now:
            return True
        if region in self._broken or self._rng.random() >= self.fail:
            return False  # a region fails once
        self._broken[region] = now + self.outage
        return True

    def _check(self, path: str) -> None:
        if path != f"/{self.path.name}":
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))


def main() -> None:
    """Serve until unmounted, then print how many reads there were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("mountpoint")
    parser.add_argument("--rate", type=float, default=40, help="MB a second, of all reads together")
    parser.add_argument("--latency", type=float, default=5, help="milliseconds a read")
    parser.add_argument("--fail", type=float, default=0, help="the share of reads that fail with EIO")
    parser.add_argument("--outage", type=float, default=0.1, help="seconds that a failure lasts")
    if len(sys.argv) == 1:
        print("started by staging.py")
        return
    options = parser.parse_args()
    rate, latency = options.rate * 1e6, options.latency / 1e3
    fuse = importlib.import_module("mfusepy")
    served = type("Served", (SlowFile, fuse.Operations), {})
    slow = served(options.file.resolve(), rate=rate, latency=latency, fail=options.fail, outage=options.outage)
    fuse.FUSE(slow, options.mountpoint, foreground=True, ro=True)
    print(json.dumps({"reads": slow.reads, "failures": slow.failures}), flush=True)


if __name__ == "__main__":
    main()
