"""What an unfinished fetch has brought already, in a file beside it, so that a killed one goes on.

The first line names the version of the file; each line after it one piece that is written,
with its checksum. A piece counts only if it still has that checksum: neither a kill nor a
power cut between the two files can do harm, and nothing needs to wait for the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from colabpanel.errors import PathError
from colabpanel.progress import Progress
from colabpanel.services.fast import fast_zlib
from colabpanel.services.files import write_at
from colabpanel.services.sources import read_at

__all__ = ["PIECE", "Journal", "discard", "insist_on_own", "piece_size", "without_resume"]

PIECE = 256 << 10
_MOST_PIECES = 32_768
_CHUNK = 1 << 20
_AT_ONCE = hasattr(os, "pwrite")
_FORMAT = "colabpanel fetch 1"


def piece_size(size: int) -> int:
    """Return how many bytes of a file make a piece."""
    return PIECE * max(-(-size // (PIECE * _MOST_PIECES)), 1)


def _beside(part: Path) -> Path:
    return part.with_name(f"{part.name}-journal")


def insist_on_own(part: Path) -> None:
    """Refuse an unfinished file that no fetch has made: it has no journal.

    Raises:
        PathError: It is in the way.
    """
    if part.is_symlink() or (part.exists() and not _beside(part).is_file()):
        raise PathError(f"{part} is in the way.", hint="Rename or delete it, then try again.")


@contextmanager
def without_resume(part: Path) -> Iterator[None]:
    """Mark an unfinished file as ours while it is written; after a failure nothing of it is left.

    Raises:
        PathError: A file is in the way that no fetch has made.
    """
    insist_on_own(part)
    _beside(part).write_text(json.dumps([_FORMAT]) + "\n", encoding="utf-8")
    try:
        yield
    except BaseException:
        discard(part)
        raise


def discard(part: Path) -> None:
    """Delete an unfinished file and its journal, so that the next fetch begins anew."""
    for path in (part, _beside(part)):
        path.unlink(missing_ok=True)


class Journal:
    """The pieces of one unfinished file.

    Args:
        part: The unfinished file; the journal lies beside it.
        identity: What must be the same for the pieces to be of use.
        size: Bytes of the whole file.

    Raises:
        PathError: A file is in the way that no fetch has made.

    Attributes:
        done: The numbers of the pieces that are written.
        piece: Bytes of a piece.
    """

    def __init__(self, part: Path, identity: list[Any], size: int) -> None:
        self._path = _beside(part)
        self._identity, self.size, self.piece = [_FORMAT, *identity, size], size, piece_size(size)
        self.done = set[int]()
        self._lock = Lock()
        insist_on_own(part)
        sums = self._read()
        self._handle = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._sums = sums if sums is not None else {}
        if sums is None:
            self._begin()
        self._stream = self._path.open("ab", buffering=0)
        os.ftruncate(self._handle, size)

    def _read(self) -> dict[int, int] | None:
        """Return the pieces that an earlier fetch of the same version noted, or None if there was none."""
        try:
            text = self._path.read_bytes()
            lines = text.split(b"\n")
            if json.loads(lines[0]) != self._identity:
                return None
            os.truncate(self._path, len(text) - len(lines[-1]))  # what a kill cut short
            pairs = [line.split() for line in lines[1:-1]]
            return {int(number, 16): int(checksum, 16) for number, checksum in pairs}
        except (OSError, ValueError):
            return None

    def _begin(self) -> None:
        """Forget what was there; the journal comes first, so that pieces are never of another version."""
        with self._path.open("wb") as stream:
            stream.write(json.dumps(self._identity).encode() + b"\n")
        os.ftruncate(self._handle, 0)

    def recall(self, progress: Progress) -> int:
        """Look at the pieces that are there already; returns how many bytes of them are right."""
        known = [number for number in sorted(self._sums) if number * self.piece < self.size]
        if known:
            progress.start(sum(map(self.length, known)), "Looking at what is there already")
        for number in known:
            if self._checksum(number) == self._sums[number]:
                self.done.add(number)
            progress.advance(self.length(number))
        return sum(map(self.length, self.done))

    def _checksum(self, number: int) -> int:
        start, checksum = number * self.piece, 0
        end, buffer = start + self.length(number), memoryview(bytearray(min(self.piece, _CHUNK)))
        while start < end:
            amount = read_at(self._handle, buffer[: end - start], start)
            if not amount:
                break
            checksum = fast_zlib.crc32(buffer[:amount], checksum)
            start += amount
        return checksum

    def length(self, number: int) -> int:
        """Return the bytes of a piece."""
        return min(self.piece, self.size - number * self.piece)

    def write(self, data: memoryview, start: int) -> None:
        """Write some bytes at their place in the file; any thread may.

        Raises:
            OSError: The disk refused.
        """
        with self._lock if not _AT_ONCE else contextlib.nullcontext():
            write_at(self._handle, data, start)

    def note(self, number: int, checksum: int) -> None:
        """Write down that a piece is written."""
        with self._lock:
            self.done.add(number)
            self._stream.write(b"%x %x\n" % (number, checksum))

    @property
    def is_complete(self) -> bool:
        """Whether every piece is written."""
        return len(self.done) * self.piece >= self.size

    def close(self) -> None:
        """Let go of both files."""
        self._stream.close()
        os.close(self._handle)
