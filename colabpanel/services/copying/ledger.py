"""What was copied before: by it a round of a mirror knows what has not changed since.

Some drives round the times of files, or set their own; so both ends are remembered as they were.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from colabpanel.errors import JobBusyError
from colabpanel.services.files import write_atomic
from colabpanel.services.mounts import insist_on_mount, remote_mount
from colabpanel.services.walk import FoundFile

try:
    import fcntl
except ImportError:  # Windows has no flock; two copyings to one target are not detected there
    fcntl = None  # type: ignore[assignment]

__all__ = ["Ledger", "one_at_a_time"]

_MOST = 50
_CLOCK = 2 * 10**9
"""Nanoseconds by which two times of one file may differ: file systems round them."""

Record = tuple[int, int, int, int]


@contextlib.contextmanager
def one_at_a_time(folder: str | None, target: Path) -> Iterator[None]:
    """Hold a lock on a target, so that two copyings do not write the same files.

    Raises:
        JobBusyError: Another process of this user holds it.
    """
    if fcntl is None or folder is None:
        yield
        return
    place = Path(folder) / "copies" / f"{zlib.crc32(os.fsencode(target)):08x}.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise JobBusyError(
                f"Another copying to {target} is running.", hint="Wait until it ends, or cancel it."
            ) from None
        yield


class Ledger:
    """Sizes and times of the files copied from one folder to another.

    Args:
        folder: Where ledgers are kept, or None to keep none.
        source: The folder copied from.
        target: The folder copied to.

    Raises:
        StorageError: The target was on a mounted drive, which has gone.
    """

    def __init__(self, folder: Path | None, source: Path, target: Path) -> None:
        name = f"{zlib.crc32(os.fsencode(source)):08x}-{zlib.crc32(os.fsencode(target)):08x}.json"
        self._path = folder / "copies" / name if folder else None
        self._ends = [str(source), str(target)]
        self._mount = remote_mount(target)
        self._files: dict[str, Record] = {}
        if self._path is not None:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found = json.loads(self._path.read_text(encoding="utf-8"))
                if found["ends"] == self._ends:
                    insist_on_mount(target, found["mount"])
                    self._files = {name: tuple(record) for name, record in found["files"].items()}

    def is_unchanged(self, file: FoundFile, there: os.stat_result | None) -> bool:
        """Whether a file stands at its place as it is, going by sizes and times; never where no ledger is kept."""
        if self._path is None or there is None or there.st_size != file.size:
            return False
        if self._files.get(file.name) == (file.size, file.modified_ns, there.st_size, there.st_mtime_ns):
            return True
        return file.name not in self._files and _is_same_time(file.modified_ns, there.st_mtime_ns)

    def note(self, file: FoundFile, there: os.stat_result) -> None:
        """Remember a file that was copied."""
        self._files[file.name] = (file.size, file.modified_ns, there.st_size, there.st_mtime_ns)

    def keep(self) -> None:
        """Write it down; a disk that refuses is no reason to fail."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(
                self._path, json.dumps({"ends": self._ends, "mount": self._mount, "files": self._files}).encode()
            )
            ledgers = sorted(self._path.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for path in ledgers[:-_MOST]:
                path.unlink(missing_ok=True)


def _is_same_time(ours: int, theirs: int) -> bool:
    """Whether a time that a copy was given is that of its file; a copy's may be rounded to whole seconds or two."""
    return ours == theirs or (theirs % 10**9 == 0 and ours % 10**9 != 0 and abs(theirs - ours) <= _CLOCK)
