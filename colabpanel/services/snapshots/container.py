"""Writing the file of a snapshot: a zip archive whose members are stored, each beginning at a multiple of 64."""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from colabpanel.services.files import write_at
from colabpanel.services.snapshots.digest import Piece, crc_of, digest_of_digests, digest_of_piece, pieces_of
from colabpanel.services.snapshots.lanes import IN_FLIGHT, Lanes
from colabpanel.services.zip_records import STORED, MemberRecord, entry_of, head_of, tail_of

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

__all__ = ["ContainerWriter", "Written"]


_BATCH = 16  # pieces handed to the threads at a time
_GATHERS = hasattr(os, "pwritev")
_AT_ONCE = 512  # places of memory that one call writes; systems take at least 1,024
_GRACE = 1.0  # seconds that a write which is under way has to end when all is called off; Windows deletes no open file


class Written(NamedTuple):
    """Where a member's bytes are, and what they are.

    Attributes:
        offset: Of its first byte in the file.
        size: Bytes.
        digest: See `colabpanel.services.snapshots.digest`.
    """

    offset: int
    size: int
    digest: str


class _Sums:
    """Of the pieces of one member, taken in order: how many bytes, their CRC-32, and the digest of each."""

    def __init__(self) -> None:
        self.size = self.crc = 0
        self.digests: list[bytes] = []

    def take(self, batch: list[Piece]) -> int:
        """Go on with these pieces; returns their bytes."""
        for piece in batch:
            self.crc = crc_of(piece, self.crc)
            self.digests.append(digest_of_piece(piece))
        length = sum(map(_length, batch))
        self.size += length
        return length


class _Copies:
    """Keeps copies of the batches in flight, so that what is written is what is summed up; buffers are used again."""

    def __init__(self) -> None:
        self._buffers = deque([memoryview(b"")] * IN_FLIGHT)

    def of(self, batch: list[Piece]) -> list[Piece]:
        """Return a copy of a batch, which holds until so many more as are in flight have been copied."""
        buffer, length = self._buffers.popleft(), sum(map(_length, batch))
        if len(buffer) < length:
            buffer = memoryview(bytearray(length))
        self._buffers.append(buffer)
        pieces, end = list[Piece](), 0
        for piece in batch:
            start = end
            for part in piece:
                buffer[end : end + len(part)] = part
                end += len(part)
            pieces.append([buffer[start:end]])
        return pieces


class ContainerWriter:
    """Writes members one after another: one thread writes while another one takes checksums.

    Use it in a ``with`` statement. It has a descriptor of its own, which is closed after the last write: one that is
    left behind, as Drive hangs, goes into no other file that was opened since.

    Args:
        handle: The file, opened for writing and empty.
        told: Is told the bytes as they are written, and may raise to end it.
        changing: Whether the memory that is written may change meanwhile; a few batches of it are copied then.
    """

    def __init__(self, handle: int, told: Callable[[int], None], *, changing: bool = False) -> None:
        self._handle, self._told = os.dup(handle), told
        self._copies = _Copies() if changing else None
        self._writing, self._summing = Lanes(1), Lanes(1)
        self._position, self._modified = 0, int(time.time())
        self._entries: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        closed = self._writing.submit(functools.partial(os.close, self._handle))
        self._writing.close()
        self._summing.close()
        wait([closed], None if error is None else _GRACE)
        if error is None:
            closed.result()

    def add(self, name: str, parts: Iterable[Buffer], head: bytes = b"") -> Written:
        """Write a member of these bytes, of any number; a head in front of them is a piece of its own.

        Raises:
            OSError: The disk refused.
        """
        record = MemberRecord(name, STORED, 0, 0, 0, self._modified)
        start = self._position
        offset = start + len(head_of(record, is_large=True, aligned_from=start))
        sums = _Sums()
        self._write_all(parts, offset, head, sums)
        record = record._replace(crc=sums.crc, size=sums.size, packed=sums.size)
        write_at(self._handle, head_of(record, is_large=True, aligned_from=start), start)
        self._entries.append(entry_of(record, start))
        self._position = offset + sums.size
        return Written(offset, sums.size, digest_of_digests(sums.digests))

    def _write_all(self, parts: Iterable[Buffer], offset: int, head: bytes, sums: _Sums) -> None:
        """Write pieces, and sum them up in another thread, which takes them in the same order."""
        waiting: deque[tuple[Future[None], Future[int]]] = deque()
        for found in _batches(head, parts):
            batch = found if self._copies is None else self._copies.of(found)
            written = self._writing.submit(functools.partial(self._write, batch, offset))
            waiting.append((written, self._summing.submit(functools.partial(sums.take, batch))))
            offset += sum(map(_length, batch))
            if len(waiting) >= IN_FLIGHT:
                self._settle(*waiting.popleft())
        while waiting:
            self._settle(*waiting.popleft())

    def _settle(self, written: Future[None], summed: Future[int]) -> None:
        written.result()
        self._told(summed.result())

    def _write(self, batch: list[Piece], offset: int) -> None:
        """Write pieces with few calls: after each call this thread has to wait for the interpreter."""
        parts = [part for piece in batch for part in piece]
        for start in range(0, len(parts), _AT_ONCE):
            some = parts[start : start + _AT_ONCE]
            length = _length(some)
            if not _GATHERS or len(some) == 1 or os.pwritev(self._handle, some, offset) < length:
                write_at(self._handle, b"".join(some), offset) if len(some) > 1 else write_at(
                    self._handle, some[0], offset
                )
            offset += length

    @staticmethod
    def digest(parts: Iterable[Buffer], head: bytes = b"") -> str:
        """Return the digest that a member of these bytes would have, and write nothing."""
        return digest_of_digests(digest_of_piece(piece) for batch in _batches(head, parts) for piece in batch)

    def close(self) -> int:
        """Write the table of contents; returns the size of the file."""
        table = b"".join(self._entries)
        end = table + tail_of(len(self._entries), len(table), self._position)
        write_at(self._handle, end, self._position)
        return self._position + len(end)


def _batches(head: bytes, parts: Iterable[Buffer]) -> Iterator[list[Piece]]:
    """Give the pieces of a member, a few at a time."""
    if head:
        yield [[memoryview(head)]]
    pieces = pieces_of(parts)
    while batch := list(itertools.islice(pieces, _BATCH)):
        yield batch


def _length(piece: Piece) -> int:
    return sum(map(len, piece))
