"""Writing a zip archive from members that are compressed already; ``zipfile`` compresses what it writes."""

from __future__ import annotations

import functools
import struct
import time
from collections.abc import Iterator
from typing import IO, NamedTuple

__all__ = ["DEFLATED", "STORED", "PackedMember", "ZipWriter"]

STORED, DEFLATED = 0, 8
_UTF8, _UNIX, _VERSION, _VERSION64 = 0x800, 3, 20, 45
_WRITE_AT = 4 << 20
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF
_REGULAR = 0o100000
_FIRST_YEAR, _LAST_YEAR = 1980, 2107
_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")


class PackedMember(NamedTuple):
    """A member ready to be written.

    Attributes:
        name: Its path in the archive.
        method: `STORED` or `DEFLATED`.
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


class ZipWriter:
    """Writes members one after another, then their table of contents.

    Args:
        stream: Opened for writing, and seekable: the header of a large member is written twice.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._entries: list[bytes] = []
        self._waiting: list[bytes] = []
        self._position = self._waiting_size = 0

    def add(self, member: PackedMember) -> None:
        """Write a member whose bytes are at hand."""
        length = len(member.packed)
        self._entries.append(_entry(member, length, self._position))
        self._write(_local(member, length))
        self._write(member.packed)

    def add_large(self, member: PackedMember, pieces: Iterator[tuple[bytes, int, int]]) -> int:
        """Write a member in pieces: each is bytes, and the unpacked size and checksum of all so far.

        Returns:
            Its unpacked size, as it was read.
        """
        start, length, size, crc = self._position, 0, 0, 0
        self._write(_local(member, _MAX32))
        for piece, size, crc in pieces:  # noqa: B007 - the last ones count
            self._write(piece)
            length += len(piece)
        done = member._replace(size=size, crc=crc)
        self._flush()
        self._stream.seek(start)
        self._stream.write(_local(done, length, is_large=True))
        self._stream.seek(self._position)
        self._entries.append(_entry(done, length, start))
        return size

    def close(self) -> None:
        """Write the table of contents."""
        start = self._position
        for entry in self._entries:
            self._write(entry)
        size, count = self._position - start, len(self._entries)
        if count >= _MAX16 or start >= _MAX32 or size >= _MAX32:
            record = _END64.pack(
                b"PK\x06\x06", _END64.size - 12, _VERSION64, _VERSION64, 0, 0, count, count, size, start
            )
            self._write(record + _LOCATOR.pack(b"PK\x06\x07", 0, start + size, 1))
        few, short, near = min(count, _MAX16), min(size, _MAX32), min(start, _MAX32)
        self._write(_END.pack(b"PK\x05\x06", 0, 0, few, few, short, near, 0))
        self._flush()

    def _write(self, data: bytes) -> None:
        self._waiting.append(data)
        self._waiting_size += len(data)
        self._position += len(data)
        if self._waiting_size >= _WRITE_AT:
            self._flush()

    def _flush(self) -> None:
        self._stream.write(b"".join(self._waiting))
        self._waiting, self._waiting_size = [], 0


def _local(member: PackedMember, length: int, *, is_large: bool = False) -> bytes:
    """Return the header in front of a member's bytes."""
    name = _encoded(member.name)
    is_large = is_large or length >= _MAX32 or member.size >= _MAX32
    sizes = (_MAX32, _MAX32) if is_large else (length, member.size)
    extra = _time_field(member) + (struct.pack("<HHQQ", 1, 16, member.size, length) if is_large else b"")
    version = _VERSION64 if is_large else _VERSION
    stamp = _dos_time(member.modified)
    fields = (version, _UTF8, member.method, *stamp, member.crc, *sizes, len(name), len(extra))
    return _LOCAL.pack(b"PK\x03\x04", *fields) + name + extra


def _entry(member: PackedMember, length: int, start: int) -> bytes:
    """Return what the table of contents says of a member."""
    name, extra, values = _encoded(member.name), _time_field(member), []
    fields = []
    for value in (member.size, length, start):
        values.append(value) if value >= _MAX32 else None
        fields.append(min(value, _MAX32))
    if values:
        extra += struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values)
    size, packed, near = fields
    made_by = _UNIX << 8 | (_VERSION64 if values else _VERSION)
    attributes = (_REGULAR | member.mode) << 16
    head = (made_by, made_by & 0xFF, _UTF8, member.method, *_dos_time(member.modified), member.crc, packed, size)
    return _ENTRY.pack(b"PK\x01\x02", *head, len(name), len(extra), 0, 0, 0, attributes, near) + name + extra


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _time_field(member: PackedMember) -> bytes:
    """Return the field that holds a time in whole seconds of UTC, where it fits."""
    if not 0 <= member.modified < 1 << 31:
        return b""
    return struct.pack("<HHBI", 0x5455, 5, 1, member.modified)


@functools.lru_cache(maxsize=4096)
def _dos_time(modified: int) -> tuple[int, int]:
    """Return time and date as MS-DOS writes them, local and from 1980 on."""
    moment = time.localtime(max(modified, 0))
    if not _FIRST_YEAR <= moment.tm_year <= _LAST_YEAR:
        return 0, 1 << 5 | 1
    clock = moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2
    return clock, (moment.tm_year - _FIRST_YEAR) << 9 | moment.tm_mon << 5 | moment.tm_mday
