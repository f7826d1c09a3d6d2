"""One entry of a zip archive's table of contents: its fields, its name, its kind."""

from __future__ import annotations

import contextlib
import functools
import stat
import struct
import time
import zlib
from typing import NamedTuple

from colabpanel.services.staging.archive import Kind

__all__ = [
    "AES",
    "ENCRYPTED",
    "MAX32",
    "RECORD",
    "SIGNATURE",
    "UNIX_LIKE",
    "Entry",
    "entry_at",
    "is_executable",
    "kind_of",
    "modified_at",
    "name_of",
    "with_zip64",
]

RECORD = struct.Struct("<4sxB2x4H3I3H4x2I")
"""The fixed part of an entry; versions, disk number and internal attributes are passed over."""

SIGNATURE = b"PK\x01\x02"
ENCRYPTED = 0x1
AES = 99
_UTF8 = 0x800
MAX32 = 0xFFFFFFFF
_ZIP64_FIELD, _TIME_FIELD, _NAME_FIELD = 0x0001, 0x5455, 0x7075
UNIX_LIKE = {3, 19}
"""The systems whose attributes hold a Unix mode: Unix and macOS."""

_NOT_PLAIN_KINDS = {stat.S_IFBLK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK}


class Entry(NamedTuple):
    """An entry as the table of contents has it.

    Attributes:
        offset: Where its local header begins in the file.
        method: How it is compressed.
        flags: Its general purpose flags.
        crc: CRC-32 of its bytes.
        packed: Compressed bytes.
        size: Unpacked bytes.
        stamp: Its time as MS-DOS writes it: date times 65536, plus time.
        system: The system it was made on; 3 is Unix.
        attributes: Its external attributes.
        raw_name: Its name as bytes.
        extra: Its extra fields.
    """

    offset: int
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    stamp: int
    system: int
    attributes: int
    raw_name: bytes
    extra: bytes


def entry_at(contents: bytes, position: int, prefix: int) -> Entry:
    """Read the entry at a position of the table of contents; ``prefix`` is added to where it says it lies.

    Raises:
        ValueError: There is none.
    """
    try:
        found = RECORD.unpack_from(contents, position)
    except struct.error:
        raise ValueError from None
    signature, system, flags, method, hour, day, crc, packed, size, long, extra_long, _, attributes, at = found
    begin = position + RECORD.size
    middle = begin + long
    extra = contents[middle : middle + extra_long]
    if signature != SIGNATURE or middle + extra_long > len(contents):
        raise ValueError
    if MAX32 in {size, packed, at}:
        size, packed, at = with_zip64(extra, size, packed, at)
    raw_name, stamp = contents[begin:middle], day << 16 | hour
    return Entry(at + prefix, method, flags, crc, packed, size, stamp, system, attributes, raw_name, extra)


def field_of(extra: bytes, wanted: int) -> bytes | None:
    """Return the content of an extra field, or None when it is not there."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == wanted:
            return extra[position + 4 : position + 4 + length]
        position += 4 + length
    return None


def with_zip64(extra: bytes, *values: int) -> list[int]:
    """Replace those of the values that say "see the zip64 field"."""
    field, position, found = field_of(extra, _ZIP64_FIELD), 0, []
    for value in values:
        if value == MAX32 and field is not None and position + 8 <= len(field):
            value = struct.unpack_from("<Q", field, position)[0]  # noqa: PLW2901
            position += 8
        found.append(value)
    return found


def name_of(entry: Entry) -> str:
    """Return an entry's name: UTF-8 where it says so or can be read so, else code page 437."""
    raw = entry.raw_name
    if raw.isascii():
        name = raw.decode("ascii")
    elif entry.flags & _UTF8:
        name = raw.decode("utf-8", "surrogateescape")
    else:
        name = _unicode_name(entry) or _guessed(raw)
    return name.replace("\\", "/") if "\\" in name else name


def _unicode_name(entry: Entry) -> str:
    """Return the name of the field that Info-ZIP adds, as long as it belongs to this name."""
    field = field_of(entry.extra, _NAME_FIELD)
    if field is None or len(field) < 5 or field[0] != 1:  # noqa: PLR2004 - version, checksum
        return ""
    if int.from_bytes(field[1:5], "little") != zlib.crc32(entry.raw_name):
        return ""
    with contextlib.suppress(UnicodeError):
        return field[5:].decode("utf-8")
    return ""


def _guessed(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeError:
        return raw.decode("cp437")


def kind_of(entry: Entry, name: str) -> Kind:
    """Return what an entry is, from its name and its Unix mode."""
    if name.endswith("/"):
        return Kind.FOLDER
    if entry.system not in UNIX_LIKE:
        return Kind.FILE
    kind = stat.S_IFMT(entry.attributes >> 16)
    if kind == stat.S_IFLNK:
        return Kind.SYMLINK
    return Kind.DEVICE if kind in _NOT_PLAIN_KINDS else Kind.FILE


def is_executable(entry: Entry) -> bool:
    """Whether its owner may run it."""
    return entry.system in UNIX_LIKE and bool(entry.attributes >> 16 & stat.S_IXUSR)


def modified_at(entry: Entry) -> float | None:
    """Return its time in seconds since the epoch; a Unix time field goes before local time."""
    if entry.extra and (field := field_of(entry.extra, _TIME_FIELD)) and field[0] & 1 and len(field) >= 5:  # noqa: PLR2004
        return float(int.from_bytes(field[1:5], "little", signed=True))
    return _local_time(entry.stamp)


@functools.lru_cache(maxsize=4096)
def _local_time(stamp: int) -> float | None:
    day, clock = stamp >> 16, stamp & 0xFFFF
    date = (day >> 9) + 1980, day >> 5 & 0xF, day & 0x1F
    try:
        return time.mktime((*date, clock >> 11, clock >> 5 & 0x3F, (clock & 0x1F) * 2, 0, 0, -1))
    except (ValueError, OverflowError):
        return None
