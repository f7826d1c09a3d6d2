"""Zip archives that libraries will not write, made by hand."""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["FINE", "Entry", "build", "end_record", "zip64_end"]

FINE = b"fine, and here from the start to the end of it\n" * 30
_STORED, _DEFLATED, _BZIP2 = 0, 8, 12
_DESCRIPTOR, _UTF8 = 0x8, 0x800
_ALL16, _ALL32 = 0xFFFF, 0xFFFFFFFF


def deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def _pack(content: bytes, method: int) -> bytes:
    if method == _DEFLATED:
        return deflated(content)
    return bz2.compress(content) if method == _BZIP2 else content


@dataclass
class Entry:
    """One member, with everything about it that may be wrong.

    Attributes:
        name: Its name in the central directory; text is written as UTF-8 with the flag.
        content: Its bytes.
        method: How they are packed.
        packed: The packed bytes, when they are not what ``method`` makes of the content.
        local_name: Its name in the local header, when it is another.
        flags: More flag bits.
        descriptor: ``none``, or where the sizes stand: ``signed``, ``bare``, ``signed64`` or ``bare64``.
        zip64: Which of ``usize``, ``csize``, ``offset``, ``disk`` stand in a zip64 field of the central
            directory; the first two in the local header as well.
        mode: Unix mode.
        system: The system that made it; 3 is Unix.
        local_extra: More extra fields in the local header.
        central_extra: More extra fields in the central directory.
        crc: A wrong checksum.
        central_sizes: Wrong sizes, packed and unpacked, of the central directory.
        local_sizes: Wrong sizes of the local header.
        local_method: A wrong method in the local header.
        offset: A wrong place.
        comment: Of this member.
        comment_size: A wrong length of it.
        disk: The disk it claims to start on.
    """

    name: str | bytes
    content: bytes = FINE
    method: int = _STORED
    packed: bytes | None = None
    local_name: bytes | None = None
    flags: int = 0
    descriptor: str = "none"
    zip64: tuple[str, ...] = ()
    mode: int = 0o100644
    system: int = 3
    local_extra: bytes = b""
    central_extra: bytes = b""
    crc: int | None = None
    central_sizes: tuple[int, int] | None = None
    local_sizes: tuple[int, int] | None = None
    local_method: int | None = None
    offset: int | None = None
    comment: bytes = b""
    comment_size: int | None = None
    disk: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.name, str):
            self.flags |= 0 if self.name.isascii() else _UTF8
        if self.packed is None:
            self.packed = _pack(self.content, self.method)
        if self.descriptor != "none":
            self.flags |= _DESCRIPTOR

    @property
    def raw_name(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name

    @property
    def checksum(self) -> int:
        return zlib.crc32(self.content) if self.crc is None else self.crc

    @property
    def sizes(self) -> tuple[int, int]:
        assert self.packed is not None
        return len(self.packed), len(self.content)

    def local(self) -> bytes:
        """Return the local header, the data and the descriptor."""
        assert self.packed is not None
        name = self.raw_name if self.local_name is None else self.local_name
        sizes, crc, extra = self.local_sizes or self.sizes, self.checksum, self.local_extra
        if self.descriptor != "none":
            sizes, crc = self.local_sizes or (0, 0), 0
        if {"usize", "csize"} & set(self.zip64) or self.descriptor.endswith("64"):
            extra = struct.pack("<HHQQ", 1, 16, sizes[1], sizes[0]) + extra
            sizes = _ALL32, _ALL32
        method = self.method if self.local_method is None else self.local_method
        fields = (20, self.flags, method, 0, 0x21, crc, *sizes, len(name), len(extra))
        return b"PK\x03\x04" + struct.pack("<5H3I2H", *fields) + name + extra + self.packed + self._descriptor()

    def _descriptor(self) -> bytes:
        if self.descriptor == "none":
            return b""
        mark = b"PK\x07\x08" if self.descriptor.startswith("signed") else b""
        return mark + struct.pack("<IQQ" if self.descriptor.endswith("64") else "<III", self.checksum, *self.sizes)

    def central(self, offset: int) -> bytes:
        """Return the entry of the central directory."""
        sizes, place, disk = list(self.central_sizes or self.sizes), offset, self.disk
        wide = b""
        if "usize" in self.zip64:
            wide, sizes[1] = wide + struct.pack("<Q", sizes[1]), _ALL32
        if "csize" in self.zip64:
            wide, sizes[0] = wide + struct.pack("<Q", sizes[0]), _ALL32
        if "offset" in self.zip64:
            wide, place = wide + struct.pack("<Q", place), _ALL32
        if "disk" in self.zip64:
            wide, disk = wide + struct.pack("<I", disk), _ALL16
        extra = (struct.pack("<HH", 1, len(wide)) + wide if wide else b"") + self.central_extra
        made = self.system << 8 | 45
        fields = (made, 20, self.flags, self.method, 0, 0x21, self.checksum, *sizes, len(self.raw_name), len(extra))
        length = len(self.comment) if self.comment_size is None else self.comment_size
        more = (length, disk, 0, self.mode << 16 & _ALL32, place)
        packed = struct.pack("<6H3I2H", *fields) + struct.pack("<3H2I", *more)
        return b"PK\x01\x02" + packed + self.raw_name + extra + self.comment


def end_record(entries: int, size: int, start: int, comment: bytes = b"", *, disk: int = 0) -> bytes:
    fields = (disk, disk, entries, entries, size, start, len(comment))
    return b"PK\x05\x06" + struct.pack("<4H2IH", *fields) + comment


def zip64_end(entries: int, size: int, start: int, *, at: int, extra: bytes = b"") -> bytes:
    """Return the zip64 end record and its locator."""
    fields = (44 + len(extra), 45, 45, 0, 0, entries, entries, size, start)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, at, 1)
    return b"PK\x06\x06" + struct.pack("<Q2H2I4Q", *fields) + extra + locator


def build(
    entries: Iterable[Entry],
    *,
    prefix: bytes = b"",
    counts_prefix: bool = True,
    comment: bytes = b"",
    trailing: bytes = b"",
    zip64: str = "",
    end64_extra: bytes = b"",
    disk: int = 0,
    claims: int | None = None,
) -> bytes:
    """Return a zip archive.

    Args:
        entries: Its members.
        prefix: Bytes in front of it.
        counts_prefix: Whether its offsets count from the start of the file.
        comment: Of the archive.
        trailing: Bytes behind its end.
        zip64: Empty, or how the plain end record goes with a zip64 one: ``full`` of ones, or ``plain`` values.
        end64_extra: Bytes of the extensible part of the zip64 end record.
        disk: The number of this disk, of several.
        claims: A wrong number of members.
    """
    base = 0 if counts_prefix else len(prefix)
    raw, central = bytearray(prefix), b""
    made = list(entries)
    for entry in made:
        central += entry.central(len(raw) - base if entry.offset is None else entry.offset)
        raw += entry.local()
    start = len(raw) - base
    raw += central
    values = len(made) if claims is None else claims, len(central), start
    if zip64:
        raw += zip64_end(*values, at=len(raw) - base, extra=end64_extra)
    if zip64 == "full":
        values = _ALL16, _ALL32, _ALL32
    raw += end_record(*values, comment, disk=disk)
    return bytes(raw) + trailing
