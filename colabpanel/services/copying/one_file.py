"""Copying one file: in pieces, read back and compared, then renamed to its place."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from colabpanel.errors import StorageError
from colabpanel.services.fast import fast_zlib
from colabpanel.services.files import write_at
from colabpanel.services.sources import LocalSource, read_at
from colabpanel.services.tree import Parts, Tree

__all__ = ["copy_file"]

_PIECE, _CHUNK = 8 << 20, 512 << 10
"""Bytes that a thread copies as one, and those it holds at a time, which stay in the processor's cache."""


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
    beside = (*place[:-1], f".{zlib.crc32(os.fsencode(place[-1])):08x}.colabpanel-part")
    with closing(LocalSource(source)) as found:
        copying = _Copying(found, target, beside, told, threads)
        try:
            copying.verify(copying.write())
            copying.insist_on_the_same()
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
        """Write the file; returns the checksums of its pieces, taken as they were read."""
        status = self.source.path.stat()
        handle = self.target.create(self.beside, mode=status.st_mode)
        try:
            sums = self._each(lambda start, end: self._write_piece(handle, start, end))
            times = (status.st_atime_ns, status.st_mtime_ns)
            os.utime(handle if os.utime in os.supports_fd else self.target.path(self.beside), ns=times)
        finally:
            os.close(handle)
        return sums

    def insist_on_the_same(self) -> None:
        """Refuse a file that was replaced or written over since the copying began; one that only grew is fine."""
        with closing(self.source.again()) as now:
            self._insist_on_the_same(now)

    def _insist_on_the_same(self, now: LocalSource) -> None:
        then = self.source
        if now.inode == then.inode and (
            now.size > then.size or (now.size, now.modified_ns) == (then.size, then.modified_ns)
        ):
            return
        raise StorageError("The file changed while it was copied.", hint="Copy it again when nobody writes it.")

    def _write_piece(self, handle: int, start: int, end: int) -> int:
        checksum, buffer = 0, memoryview(bytearray(min(_CHUNK, end - start)))
        with closing(self.source.again()) as reader:
            self._insist_on_the_same(reader)
            while start < end:
                view = buffer[: end - start]
                if reader.read_into(view, start) < len(view):
                    raise StorageError("The file became shorter while it was copied.", hint="Copy it again.")
                checksum = fast_zlib.crc32(view, checksum)
                write_at(handle, view, start)
                self.told(len(view))
                start += len(view)
        return checksum

    def verify(self, sums: list[int]) -> None:
        """Read back what was written."""
        handle = self.target.open(self.beside)
        try:
            same = os.fstat(handle).st_size == self.source.size
            same = same and self._each(lambda start, end: self._read_piece(handle, start, end)) == sums
        finally:
            os.close(handle)
        if not same:
            raise StorageError(
                f"{self.source.path.name} does not read back as it was written.",
                hint="Check the target's disk, and copy again.",
            )

    def _read_piece(self, handle: int, start: int, end: int) -> int:
        checksum, buffer = 0, memoryview(bytearray(min(_CHUNK, end - start)))
        while start < end:
            amount = read_at(handle, buffer[: end - start], start)
            if not amount:
                break
            checksum = fast_zlib.crc32(buffer[:amount], checksum)
            self.told(0)
            start += amount
        return checksum

    def _each(self, piece: Callable[[int, int], int]) -> list[int]:
        starts = range(0, self.source.size, _PIECE)
        ends = [min(start + _PIECE, self.source.size) for start in starts]
        if self.threads == 1 or len(ends) <= 1:
            return list(map(piece, starts, ends))
        with ThreadPoolExecutor(self.threads) as pool:
            try:
                return list(pool.map(piece, starts, ends))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
