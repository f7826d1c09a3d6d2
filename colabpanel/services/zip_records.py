"""The records of a zip archive, as bytes: what stands in front of a member, and the table of contents."""

from __future__ import annotations

import functools
import struct
import time
from typing import NamedTuple

__all__ = ["DEFLATED", "MAX32", "STORED", "MemberRecord", "entry_of", "head_of", "records_of", "tail_of"]

STORED, DEFLATED = 0, 8
MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF
_UTF8, _UNIX, _VERSION, _VERSION64 = 0x800, 3, 20, 45
_REGULAR = 0o100000
_FIRST_YEAR, _LAST_YEAR = 1980, 2107
_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_PADDING = struct.Struct("<HHH")
_TIME = struct.Struct("<HHBI")
_PADDING_ID = 0xD935  # the field that Android's zipalign fills up with zeros


class MemberRecord(NamedTuple):
    """What a zip archive says of a member.

    Attributes:
        name: Its path in the archive.
        method: `STORED` or `DEFLATED`.
        crc: CRC-32 of its unpacked bytes.
        size: Unpacked bytes.
        packed: Bytes in the archive.
        modified: Seconds since the epoch.
        mode: Its permissions.
    """

    name: str
    method: int
    crc: int
    size: int
    packed: int
    modified: int
    mode: int = 0o644


def head_of(member: MemberRecord, *, is_large: bool = False, aligned_from: int | None = None) -> bytes:
    """Return the header in front of a member's bytes.

    Args:
        member: The member; its sizes and checksum may be filled in by writing the header again.
        is_large: Leave room for sizes of 64 bits, whatever they are now.
        aligned_from: Where the header begins, so that zeros in it let the bytes begin at a multiple of 64.
    """
    name, flag = _encoded(member.name)
    is_large = is_large or member.packed >= MAX32 or member.size >= MAX32
    sizes = (MAX32, MAX32) if is_large else (member.packed, member.size)
    extra = _time_field(member) + (struct.pack("<HHQQ", 1, 16, member.size, member.packed) if is_large else b"")
    if aligned_from is not None:
        spare = -(aligned_from + _LOCAL.size + len(name) + len(extra) + _PADDING.size) % 64
        extra += _PADDING.pack(_PADDING_ID, spare + 2, 64) + bytes(spare)
    version = _VERSION64 if is_large else _VERSION
    stamp = _dos_time(member.modified)
    fields = (version, flag, member.method, *stamp, member.crc, *sizes, len(name), len(extra))
    return _LOCAL.pack(b"PK\x03\x04", *fields) + name + extra


def entry_of(member: MemberRecord, start: int) -> bytes:
    """Return what the table of contents says of a member whose header begins at ``start``."""
    (name, flag), extra, values, fields = _encoded(member.name), _time_field(member), [], []
    for value in (member.size, member.packed, start):
        values.append(value) if value >= MAX32 else None
        fields.append(min(value, MAX32))
    if values:
        extra += struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values)
    size, packed, near = fields
    made_by = _UNIX << 8 | (_VERSION64 if values else _VERSION)
    attributes = (_REGULAR | member.mode) << 16
    head = (made_by, made_by & 0xFF, flag, member.method, *_dos_time(member.modified), member.crc, packed, size)
    return _ENTRY.pack(b"PK\x01\x02", *head, len(name), len(extra), 0, 0, 0, attributes, near) + name + extra


def records_of(member: MemberRecord, start: int) -> tuple[bytes, bytes]:
    """Return `head_of` and `entry_of` a member at once, which a hundred thousand small files are glad of."""
    if max(member.size, member.packed, start) >= MAX32:
        return head_of(member), entry_of(member, start)
    (name, flag), extra, stamp = _encoded(member.name), _time_field(member), _dos_time(member.modified)
    sizes = (member.crc, member.packed, member.size, len(name), len(extra))
    tail = name + extra
    head = _LOCAL.pack(b"PK\x03\x04", _VERSION, flag, member.method, *stamp, *sizes) + tail
    made_by, attributes = _UNIX << 8 | _VERSION, (_REGULAR | member.mode) << 16
    entry = _ENTRY.pack(
        b"PK\x01\x02", made_by, _VERSION, flag, member.method, *stamp, *sizes, 0, 0, 0, attributes, start
    )
    return head, entry + tail


def tail_of(count: int, size: int, start: int) -> bytes:
    """Return what follows a table of contents of so many entries and bytes that begins at ``start``."""
    record = b""
    if count >= _MAX16 or start >= MAX32 or size >= MAX32:
        record = _END64.pack(b"PK\x06\x06", _END64.size - 12, _VERSION64, _VERSION64, 0, 0, count, count, size, start)
        record += _LOCATOR.pack(b"PK\x06\x07", 0, start + size, 1)
    few, short, near = min(count, _MAX16), min(size, MAX32), min(start, MAX32)
    return record + _END.pack(b"PK\x05\x06", 0, 0, few, few, short, near, 0)


def _encoded(name: str) -> tuple[bytes, int]:
    """Return a name as bytes, and the flag that says UTF-8: of one that is none, readers would refuse the archive."""
    try:
        return name.encode(), _UTF8
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape"), 0


def _time_field(member: MemberRecord) -> bytes:
    """Return the field that holds a time in whole seconds of UTC, where it fits."""
    if not 0 <= member.modified < 1 << 31:
        return b""
    return _TIME.pack(0x5455, 5, 1, member.modified)


@functools.lru_cache(maxsize=4096)
def _dos_time(modified: int) -> tuple[int, int]:
    """Return time and date as MS-DOS writes them, local and from 1980 on."""
    moment = time.localtime(min(max(modified, 0), 1 << 33))
    if not _FIRST_YEAR <= moment.tm_year <= _LAST_YEAR:
        return 0, 1 << 5 | 1
    clock = moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2
    return clock, (moment.tm_year - _FIRST_YEAR) << 9 | moment.tm_mon << 5 | moment.tm_mday
