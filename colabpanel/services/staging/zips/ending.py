"""The end of a zip archive, which says where its table of contents lies."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from colabpanel.errors import ArchiveError
from colabpanel.services.sources import Source

__all__ = ["Ending", "find_ending", "unreadable"]

_REACH = 66_000
_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_SIGNATURE, _LOCATOR_SIGNATURE, _SIGNATURE64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_ENTRY_SIGNATURE = b"PK\x01\x02"
_SPLIT = 0xFFFF


class Ending(NamedTuple):
    """What the end of an archive tells.

    Attributes:
        start: Where the table of contents begins in the file.
        size: Its bytes.
        members: How many members it says it lists.
        prefix: Bytes before the archive proper, as in a self-extracting program.
        is_zip64: Whether the figures come from a zip64 record.
    """

    start: int
    size: int
    members: int
    prefix: int
    is_zip64: bool


def unreadable(source: Source) -> ArchiveError:
    """Return the error for an archive whose table of contents makes no sense."""
    return ArchiveError(
        f"{source.name} is a damaged zip archive: its table of contents cannot be read.",
        hint="It may not be completely uploaded or downloaded. Compare its size with the original and copy it again.",
    )


def find_ending(source: Source) -> Ending:
    """Find the end record, which may be followed by a comment that looks like one.

    Raises:
        ArchiveError: There is none that leads to a table of contents, or the archive is split.
    """
    base = max(source.size - _REACH, 0)
    tail = source.read(base, source.size)
    for position in _candidates(tail):
        disk = _END.unpack_from(tail, position)[1]
        if 0 < disk < _SPLIT and not _is_zip64(tail, position):
            raise ArchiveError(
                f"{source.name} is one part of a split zip archive.",
                hint="Join the parts first: zip -s 0 split.zip --out whole.zip",
            )
        ending = _ending(source, tail, base, position)
        if ending is not None:
            return ending
    raise unreadable(source)


def _candidates(tail: bytes) -> Iterator[int]:
    """Yield where the end record may be: first where its comment reaches to the end of the file just so."""
    found, position = [], tail.rfind(_SIGNATURE)
    while position >= 0:
        if position + _END.size <= len(tail):
            found.append(position)
        position = tail.rfind(_SIGNATURE, 0, position)
    exact = [place for place in found if place + _END.size + _END.unpack_from(tail, place)[7] == len(tail)]
    yield from exact
    yield from (place for place in found if place not in exact)


def _is_zip64(tail: bytes, position: int) -> bool:
    return tail.startswith(_LOCATOR_SIGNATURE, max(position - _LOCATOR.size, 0))


def _ending(source: Source, tail: bytes, base: int, position: int) -> Ending | None:
    _, _, _, _, members, size, offset, _ = _END.unpack_from(tail, position)
    end, is_zip64 = base + position, False
    record = _record64(source, tail, position, end)
    if record is not None:
        (members, size, offset), end, is_zip64 = record[:3], record[3], True
    start = end - size
    if start < 0 or start < offset:
        return None
    if members and source.read(start, start + 4) != _ENTRY_SIGNATURE:
        return None
    return Ending(start, size, members, start - offset, is_zip64)


def _record64(source: Source, tail: bytes, position: int, end: int) -> tuple[int, int, int, int] | None:
    """Return members, size and offset of the zip64 record, and where that begins."""
    if position < _LOCATOR.size or not _is_zip64(tail, position):
        return None
    told = _LOCATOR.unpack_from(tail, position - _LOCATOR.size)[2]
    # Where something stands before the archive, the record lies right before its locator instead.
    for place in (end - _LOCATOR.size - _END64.size, told):
        record = source.read(place, place + _END64.size) if place >= 0 else b""
        if len(record) == _END64.size and record.startswith(_SIGNATURE64):
            fields = _END64.unpack(record)
            return fields[7], fields[8], fields[9], place
    return None
