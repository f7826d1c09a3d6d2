"""A mounted file system with one folder of made-up files, which answers as slowly as a test or a benchmark wants.

It needs FUSE and ``mfusepy``, and runs as a process of its own: what hangs in it can be killed.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Slow", "SlowFolder", "slow_folder"]

_PATIENCE = 20.0
_CHUNK = 100


@dataclass(frozen=True)
class Slow:
    """What is in the folder, and how slow it is.

    Attributes:
        files: How many files there are, ``000000.jpg`` and so on.
        folders: How many folders, ``folder0`` and so on; they stand last in the folder.
        looking: Seconds that each look at an entry takes.
        reading: Seconds that each hundred names take.
        tells_kinds: Whether names come with the kind of the entry, as most disks do it.
        hang_after: Names after which reading the folder hangs for ever, or None.
        hangs: Whether each look at an entry hangs for ever.
    """

    files: int = 100_000
    folders: int = 3
    looking: float = 0.0
    reading: float = 0.0
    tells_kinds: bool = True
    hang_after: int | None = None
    hangs: bool = False


class SlowFolder:
    """A mounted folder, and the process that serves it."""

    def __init__(self, path: Path, process: subprocess.Popen[str]) -> None:
        self.path, self._process = path, process

    def stop(self) -> None:
        """Let it hang from now on, whatever is asked."""
        self._process.send_signal(signal.SIGSTOP)


@contextlib.contextmanager
def slow_folder(mount: Path, slow: Slow) -> Iterator[SlowFolder]:
    """Mount such a folder; it is made if it does not exist.

    Raises:
        OSError: It cannot be mounted here.
    """
    mount.mkdir(exist_ok=True)
    command = [sys.executable, __file__, os.fspath(mount), json.dumps(asdict(slow))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        if not select.select([process.stdout], [], [], _PATIENCE)[0] or process.stdout.readline() != "ready\n":
            raise OSError(errno.ENODEV, "the file system did not come up")
        yield SlowFolder(mount, process)
    finally:
        # Killed first, so that what hangs ends.
        process.kill()
        process.wait()
        process.stdout.close()
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


class _MadeUp:
    """The operations of the file system."""

    use_ns = True

    def __init__(self, slow: Slow) -> None:
        self._slow, self._never = slow, threading.Event()

    def init_with_config(self, conn_info: Any, config: Any) -> None:
        config.entry_timeout = config.attr_timeout = config.negative_timeout = 0.0
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        times = {f"st_{kind}time": 1_700_000_000 * 10**9 for kind in "acm"}
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, **times}
        name = path[1:]
        if self._slow.hangs:
            self._never.wait()
        time.sleep(self._slow.looking)
        if name.startswith("folder") and name[6:].isdigit() and int(name[6:]) < self._slow.folders:
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, **times}
        if name[:6].isdigit() and name[6:] == ".jpg" and int(name[:6]) < self._slow.files:
            return {"st_mode": stat.S_IFREG | 0o644, "st_nlink": 1, "st_size": int(name[:6]), **times}
        raise OSError(errno.ENOENT, path)

    def readdir_with_offset(self, path: str, offset: int, fh: int) -> Iterator[tuple[str, dict[str, int], int]]:
        if path != "/":
            return
        for number in range(offset, self._slow.files + self._slow.folders):
            if number == self._slow.hang_after:
                self._never.wait()
            if number % _CHUNK == 0:
                time.sleep(self._slow.reading)
            is_file = number < self._slow.files
            mode = stat.S_IFREG if is_file else stat.S_IFDIR
            name = f"{number:06}.jpg" if is_file else f"folder{number - self._slow.files}"
            yield name, {"st_mode": mode if self._slow.tells_kinds else 0}, number + 1


def _serve(mount: str, slow: str) -> None:
    fuse: Any = importlib.import_module("mfusepy")
    fuse.FUSE(_MadeUp(Slow(**json.loads(slow))), mount, foreground=True, allow_other=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
