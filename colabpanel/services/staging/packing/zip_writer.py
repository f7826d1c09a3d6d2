"""Writing a zip archive from members that are compressed already; ``zipfile`` compresses what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, NamedTuple

from colabpanel.services.fast import fast_zlib
from colabpanel.services.zip_records import MAX32, MemberRecord, entry_of, head_of, records_of, tail_of

__all__ = ["PackedMember", "Written", "ZipWriter"]

_WRITE_AT = 4 << 20


class PackedMember(NamedTuple):
    """A member ready to be written.

    Attributes:
        name: Its path in the archive.
        method: How it is packed.
        crc: CRC-32 of its unpacked bytes.
        size: Unpacked bytes.
        packed: Its bytes as they stand in the archive.
        modified: Seconds since the epoch.
        mode: Its permissions.
    """

    name: str
    method: int
    crc: int
    size: int
    packed: bytes
    modified: int
    mode: int

    @property
    def record(self) -> MemberRecord:
        """What the archive says of it."""
        return MemberRecord(self.name, self.method, self.crc, self.size, len(self.packed), self.modified, self.mode)


class Written(NamedTuple):
    """Consecutive bytes that were written: how many, and their CRC-32."""

    length: int
    crc: int


class ZipWriter:
    """Writes members one after another, then their table of contents.

    Args:
        stream: Opened for writing, and seekable: the header of a large member is written twice.

    Attributes:
        written: All that the stream holds then, from its beginning.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._entries: list[bytes] = []
        self._waiting: list[bytes] = []
        self._position = self._waiting_size = 0
        self.written: list[Written] = []

    def add(self, member: PackedMember) -> None:
        """Write a member whose bytes are at hand."""
        head, entry = records_of(member.record, self._position)
        self._entries.append(entry)
        self._write(head, member.packed)

    def add_large(self, member: PackedMember, pieces: Iterator[tuple[bytes, int, int]]) -> int:
        """Write a member in pieces: each is bytes, and the unpacked size and checksum of all so far.

        Whatever ends the pieces too early is raised, and nothing of the member stays in the archive.

        Returns:
            Its unpacked size, as it was read.
        """
        self._flush()
        start, place, length, size, crc = self._position, len(self.written), 0, 0, 0
        self._write(head_of(member.record._replace(packed=MAX32)))
        self._flush()
        try:
            for piece, size, crc in pieces:  # noqa: B007 - the last ones count
                self._write(piece)
                length += len(piece)
        except BaseException:
            self._take_back(start, place)
            raise
        done = member.record._replace(size=size, crc=crc, packed=length)
        self._flush()
        head = head_of(done, is_large=True)
        self._stream.seek(start)
        self._stream.write(head)
        self._stream.seek(self._position)
        self.written[place] = Written(len(head), fast_zlib.crc32(head))
        self._entries.append(entry_of(done, start))
        return size

    def close(self) -> None:
        """Write the table of contents."""
        start = self._position
        for entry in self._entries:
            self._write(entry)
        self._write(tail_of(len(self._entries), self._position - start, start))
        self._flush()

    def _take_back(self, start: int, place: int) -> None:
        """Forget all from a position on, and from an entry of `written` on."""
        self._waiting, self._waiting_size, self._position = [], 0, start
        del self.written[place:]
        self._stream.seek(start)
        self._stream.truncate()

    def _write(self, *data: bytes) -> None:
        size = sum(map(len, data))
        self._waiting += data
        self._waiting_size += size
        self._position += size
        if self._waiting_size >= _WRITE_AT:
            self._flush()

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        self._stream.write(data)
        self.written.append(Written(len(data), fast_zlib.crc32(data)))
        self._waiting, self._waiting_size = [], 0
