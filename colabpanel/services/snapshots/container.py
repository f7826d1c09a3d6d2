"""Writing the file of a snapshot: a zip archive whose members are stored, each beginning at a multiple of 64."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from colabpanel.services.files import write_at
from colabpanel.services.snapshots.digest import (
    batches_of,
    combine_crc,
    crc_of,
    digest_of_digests,
    digest_of_piece,
)
from colabpanel.services.snapshots.lanes import Lanes
from colabpanel.services.zip_records import STORED, MemberRecord, entry_of, head_of, tail_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ContainerWriter", "Written"]


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


class ContainerWriter:
    """Writes members one after another, the pieces of each side by side.

    Args:
        handle: The file, opened for writing and empty.
        lanes: The threads that write.
        told: Is told the bytes as they are written, and may raise to end it.
    """

    def __init__(self, handle: int, lanes: Lanes, told: Callable[[int], None]) -> None:
        self._handle, self._lanes, self._told = handle, lanes, told
        self._position, self._modified = 0, int(time.time())
        self._entries: list[bytes] = []

    def add(self, name: str, parts: Iterable[Buffer]) -> Written:
        """Write a member of these bytes, of any number.

        Raises:
            OSError: The disk refused.
        """
        record = MemberRecord(name, STORED, 0, 0, 0, self._modified)
        start = self._position
        offset = start + len(head_of(record, is_large=True, aligned_from=start))
        digests, crc, size = list[bytes](), 0, 0
        for found in self._lanes.each(self._write, self._placed(parts, offset)):
            for length, piece_crc, digest in found:
                digests.append(digest)
                crc = combine_crc(crc, piece_crc, length)
                size += length
                self._told(length)
        record = record._replace(crc=crc, size=size, packed=size)
        write_at(self._handle, head_of(record, is_large=True, aligned_from=start), start)
        self._entries.append(entry_of(record, start))
        self._position = offset + size
        return Written(offset, size, digest_of_digests(digests))

    @staticmethod
    def _placed(parts: Iterable[Buffer], offset: int) -> Iterable[tuple[int, list[memoryview]]]:
        for batch in batches_of(parts):
            yield offset, batch
            offset += sum(map(len, batch))

    def _write(self, placed: tuple[int, list[memoryview]]) -> list[tuple[int, int, bytes]]:
        offset, pieces = placed
        found = []
        for piece in pieces:
            write_at(self._handle, piece, offset)
            found.append((len(piece), crc_of(piece), digest_of_piece(piece)))
            offset += len(piece)
        return found

    def digest(self, parts: Iterable[Buffer]) -> str:
        """Return the digest that a member of these bytes would have, and write nothing."""
        digests = self._lanes.each(lambda batch: list(map(digest_of_piece, batch)), batches_of(parts))
        return digest_of_digests(digest for batch in digests for digest in batch)

    def close(self) -> int:
        """Write the table of contents; returns the size of the file."""
        table = b"".join(self._entries)
        end = table + tail_of(len(self._entries), len(table), self._position)
        write_at(self._handle, end, self._position)
        return self._position + len(end)
