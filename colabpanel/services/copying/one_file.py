"""Copying one file: in pieces, read back and compared, then renamed to its place."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from colabpanel.errors import StorageError
from colabpanel.services.sources import LocalSource
from colabpanel.services.tree import Parts, Tree

__all__ = ["copy_file"]

crc32: Any
try:
    from isal.isal_zlib import crc32
except ImportError:  # no wheel for this machine
    crc32 = zlib.crc32

_PIECE = 8 << 20


def copy_file(source: Path, target: Tree, place: Parts, told: Callable[[int], None], *, threads: int) -> os.stat_result:
    """Copy a file to a place, whole or not at all; returns what then stands there.

    Args:
        source: The file.
        target: The folder to copy into.
        place: Where in it.
        told: Is told the bytes as they are copied, by any thread, and may raise to end it.
        threads: How many pieces are copied at once. Mounted drives want one after another.

    Raises:
        ColabPanelError: The file cannot be read.
        StorageError: What was written does not read back.
        OSError: The target refused.
    """
    beside = (*place[:-1], f".{place[-1][:200]}.colabpanel-part")
    with closing(LocalSource(source)) as found:
        copying = _Copying(found, target, beside, told, threads)
        try:
            copying.verify(copying.write())
            target.move(beside, place)
        except BaseException:
            target.remove(beside)
            raise
    there = target.status(place)
    if there is None or there.st_size != found.size:
        raise StorageError(f"{place[-1]} is not at its place.", hint="Check the target, and copy again.")
    return there


class _Copying(NamedTuple):
    source: LocalSource
    target: Tree
    beside: Parts
    told: Callable[[int], None]
    threads: int

    def write(self) -> list[int]:
        """Write the pieces; returns their checksums, taken as they were read."""
        status = self.source.path.stat()
        handle = self.target.create(self.beside, executable=bool(status.st_mode & stat.S_IXUSR))
        try:
            sums = self._each(lambda start: self._write_piece(handle, start))
            times = (status.st_atime_ns, status.st_mtime_ns)
            os.utime(handle if os.utime in os.supports_fd else self.target.path(self.beside), ns=times)
        finally:
            os.close(handle)
        return sums

    def _write_piece(self, handle: int, start: int) -> int:
        with closing(self.source.again()) as reader:
            data = memoryview(reader.read(start, start + _PIECE))
        if len(data) != min(_PIECE, self.source.size - start):
            raise StorageError("The file became shorter while it was copied.", hint="Copy it again.")
        written = 0
        while written < len(data):
            written += _write_at(handle, data[written:], start + written)
        self.told(len(data))
        return int(crc32(data))

    def verify(self, sums: list[int]) -> None:
        """Read back what was written."""
        handle = self.target.open(self.beside)
        try:
            same = os.fstat(handle).st_size == self.source.size
            same = same and self._each(lambda start: self._read_piece(handle, start)) == sums
        finally:
            os.close(handle)
        if not same:
            raise StorageError(
                f"{self.source.path.name} does not read back as it was written.",
                hint="Check the target's disk, and copy again.",
            )

    def _read_piece(self, handle: int, start: int) -> int:
        self.told(0)
        return int(crc32(_read_at(handle, min(_PIECE, self.source.size - start), start)))

    def _each(self, piece: Callable[[int], int]) -> list[int]:
        starts = range(0, self.source.size, _PIECE)
        if self.threads == 1 or len(starts) <= 1:
            return [piece(start) for start in starts]
        with ThreadPoolExecutor(self.threads) as pool:
            try:
                return list(pool.map(piece, starts))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _write_at(handle: int, data: memoryview, start: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(handle, data, start)
    os.lseek(handle, start, os.SEEK_SET)
    return os.write(handle, data)


def _read_at(handle: int, length: int, start: int) -> bytes:
    parts = []
    while length:
        if hasattr(os, "pread"):
            data = os.pread(handle, length, start)
        else:
            os.lseek(handle, start, os.SEEK_SET)
            data = os.read(handle, length)
        if not data:
            break
        parts.append(data)
        length, start = length - len(data), start + len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)
