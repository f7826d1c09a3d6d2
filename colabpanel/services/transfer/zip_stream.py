"""A zip archive that is sent while it is made: nothing of it is written twice, or to a disk."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.packing.compress import batches, compressed, pieces
from colabpanel.services.staging.packing.reading import UnreadableError, unreadable
from colabpanel.services.staging.packing.zip_writer import PackedMember
from colabpanel.services.walk import FoundFile
from colabpanel.services.zip_records import DEFLATED, STORED, entry_of, head_of, records_of, tail_of

__all__ = ["FAST", "zip_stream"]

FAST = 1
"""The level of compression: sending is slower than deflate at its quickest, and faster than any other."""

_WORKERS = 2
_SIZES_FOLLOW = 0x08  # in the flags: sizes and checksum stand behind the bytes
_HEAD_FLAGS, _ENTRY_FLAGS = 6, 8
_FOLLOWING = struct.Struct("<4sIQQ")

Chunk = tuple[bytes, int]
"""Bytes of the archive, and how many bytes of files are in it."""


def zip_stream(
    folder: Path, files: Iterable[FoundFile], skipped: list[Skipped], *, level: int = FAST
) -> Iterator[Chunk]:
    """Yield a zip archive piece by piece.

    Small files are packed side by side by threads. A large one is read once: what does not shrink
    goes through deflate unpacked, for a reader of streams could not tell where stored bytes end.

    Args:
        folder: What the names of the files count from.
        files: The files, in the order of the archive.
        skipped: Receives files that cannot be read, and why.
        level: How hard to compress, from 0 to 12.
    """
    entries: list[bytes] = []
    place = 0
    for file, packed in compressed(folder, batches(files), level, _WORKERS):
        if isinstance(packed, OSError):
            skipped.append(unreadable(file, packed))
            continue
        chunks = _small(packed, place, entries) if packed is not None else _large(folder, file, level, place, entries)
        try:
            for data, amount in chunks:
                place += len(data)
                yield data, amount
        except UnreadableError as error:  # what was sent of it stands in no table of contents
            skipped.append(unreadable(file, error.why))
    size = sum(map(len, entries))
    yield b"".join(entries) + tail_of(len(entries), size, place), 0


def _small(member: PackedMember, place: int, entries: list[bytes]) -> Iterator[Chunk]:
    head, entry = records_of(member.record, place)
    entries.append(entry)
    yield head + member.packed, member.size


def _large(folder: Path, file: FoundFile, level: int, place: int, entries: list[bytes]) -> Iterator[Chunk]:
    try:
        method, parts = pieces(folder, file, level)
    except OSError as error:
        raise UnreadableError(file, error) from error
    record = PackedMember(file.name, DEFLATED, 0, 0, b"", file.modified, file.mode).record
    yield _flagged(head_of(record, is_large=True), _HEAD_FLAGS), 0
    length = size = crc = before = 0
    for data, size, crc in _as_deflate(method, parts):  # noqa: B007 - the last sum counts
        length += len(data)
        yield data, size - before
        before = size
    yield _FOLLOWING.pack(b"PK\x07\x08", crc, length, size), 0
    entry = entry_of(record._replace(crc=crc, size=size, packed=length), place)
    entries.append(_flagged(entry, _ENTRY_FLAGS))


def _as_deflate(method: int, parts: Iterator[tuple[bytes, int, int]]) -> Iterator[tuple[bytes, int, int]]:
    if method != STORED:
        yield from parts
        return
    packer = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
    size = crc = 0
    for data, size, crc in parts:
        yield packer.compress(data), size, crc
    yield packer.flush(), size, crc


def _flagged(record: bytes, place: int) -> bytes:
    return record[:place] + bytes([record[place] | _SIZES_FOLLOW]) + record[place + 1 :]
