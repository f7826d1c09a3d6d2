"""The table of contents of a zip archive, kept as the bytes it is: a million members fit."""

from __future__ import annotations

import heapq
import operator
import re
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator

from colabpanel.errors import ArchiveError, LimitError
from colabpanel.services.sources import Source
from colabpanel.services.staging.archive import Kind, Member
from colabpanel.services.staging.request import Limits
from colabpanel.services.staging.streams.codecs import zstd_decoder
from colabpanel.services.staging.zips.decode import DEFLATED, STORED, ZSTD, refused_method
from colabpanel.services.staging.zips.ending import find_ending, unreadable
from colabpanel.services.staging.zips.entries import (
    ENCRYPTED,
    MAX32,
    RECORD,
    SIGNATURE,
    UNIX_LIKE,
    Entry,
    entry_at,
    kind_of,
    name_of,
    with_zip64,
)
from colabpanel.words import count

__all__ = ["ZipReader"]

_LOCAL_HEADER = 30
_LONGEST_NAME = 2 * 65_535
"""Bytes of a name and of extra fields, at the most."""

_NAME_LENGTH = 28
_unusual_in_name = re.compile(rb"\\|\./|//|/\.?\Z|[^ -~]").search
"""Finds what makes a name another one than that of a file in printable ASCII, spelt in the one way."""

_USUAL_METHODS = {STORED, DEFLATED}
_USUAL_MODES = {0, 0o10}
"""Plain files, by the highest bits of their Unix mode; zero says nothing."""

_UNUSUAL, _USUAL, _REPEATED = range(3)
_PIECE = 1 << 20
_PER_MEMBER = 1024
_LATER = "a later member has the same name"


class ZipReader:
    """A zip archive, listed in the order in which its members lie in the file.

    Args:
        source: The archive.
        limits: Refuses more members than these allow.
        expect: Is told how many members the archive says it has, before they are looked at.

    Raises:
        ArchiveError: Its table of contents cannot be read, or its members overlap.
        LimitError: It lists too many members.
    """

    format = "zip"

    def __init__(self, source: Source, limits: Limits, expect: Callable[[int], None] | None = None) -> None:
        self.source = source
        self._ending = find_ending(source)
        _insist_on_limits(self._ending.members, self._ending.size, limits)
        if expect is not None:
            expect(self._ending.members)
        start = self._ending.start
        self._contents = source.read(start, start + self._ending.size)
        self.fingerprint = zlib.crc32(self._contents)
        try:
            self._survey(limits)
        except (ValueError, OverflowError, struct.error):
            raise unreadable(source) from None

    @property
    def prefix(self) -> int:
        """Bytes that stand before what the archive's own offsets count from."""
        return self._ending.prefix

    def _survey(self, limits: Limits) -> None:
        """Look at every entry once: where it is, what it adds up to, and whether a later one has its name."""
        contents, prefix, position, whole = self._contents, self._ending.prefix, 0, len(self._contents)
        read, length = RECORD.unpack_from, RECORD.size
        names: dict[bytes, int] = {}
        starts, lengths, places, packed_sizes, sizes, states = (array(kind) for kind in "QIQQQB")
        combined, methods = 0, set[int]()
        while position < whole:
            found = read(contents, position)
            signature, system, flags, method, _, _, _, packed, size, long, extra_long, comment, attributes, at = found
            name_end = position + length + long
            extra_end = name_end + extra_long
            if signature != SIGNATURE or extra_end + comment > whole:
                raise ValueError
            if MAX32 in (packed, size, at):
                size, packed, at = with_zip64(contents[name_end:extra_end], size, packed, at)
            name = contents[position + length : name_end]
            if method in _USUAL_METHODS and not flags & ENCRYPTED and not _unusual_in_name(name):
                state = _USUAL if attributes >> 28 in _USUAL_MODES or system not in UNIX_LIKE else _UNUSUAL
            else:
                state, name = _UNUSUAL, _plain(name_of(entry_at(contents, position, prefix)))
            number = len(states)
            if names.setdefault(name, number) != number:
                if not name.endswith(b"/"):
                    states[names[name]] = _REPEATED
                names[name] = number
            states.append(state)
            starts.append(position)
            lengths.append(extra_end - position)
            places.append(at + prefix)
            packed_sizes.append(packed)
            sizes.append(size)
            combined |= flags
            methods.add(method)
            position = extra_end + comment
        self._insist_on_the_count(len(states), limits)
        if ZSTD in methods:
            zstd_decoder()  # says now whether a library is missing
        self.encrypted, self.size = bool(combined & ENCRYPTED), sum(sizes)
        columns = _in_order(places, starts, lengths, packed_sizes, sizes, states)
        self._places, self._starts, self._lengths, packed_sizes, self._sizes, self._states = columns
        self._ends = self._ends_of(packed_sizes)

    def _insist_on_the_count(self, found: int, limits: Limits) -> None:
        told = self._ending.members
        _insist_on_limits(found, 0, limits)
        if found != told and (self._ending.is_zip64 or found & 0xFFFF != told):
            raise ValueError

    def _ends_of(self, packed: array[int]) -> array[int]:
        """Return where the members end at the latest, and refuse those that share bytes: only bombs are made so."""
        following = [*self._places[1:], self._ending.start][: len(packed)]
        ends = [place + _LOCAL_HEADER + size for place, size in zip(self._places, packed, strict=True)]
        if any(map(operator.gt, ends, following)):
            raise ArchiveError(
                "This zip archive is refused: its members overlap, as they do in a zip bomb.",
                hint="If you trust where it comes from, unpack it there and zip it again.",
            )
        return array("Q", map(min, following, [end + _LONGEST_NAME for end in ends]))

    def entry(self, number: int) -> Entry:
        """Return the entry of a member."""
        return entry_at(self._contents, self._starts[number], self._ending.prefix)

    def __len__(self) -> int:
        return len(self._starts)

    def located(self, number: int) -> tuple[bytes, int, int]:
        """Return a member's entry as it stands in the table of contents, and where its bytes begin and end.

        They end at the latest where the next member begins.
        """
        start = self._starts[number]
        return self._contents[start : start + self._lengths[number]], self._places[number], self._ends[number]

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """Yield a member's bytes as they stand in the archive."""
        head = self.source.read(entry.offset, entry.offset + _LOCAL_HEADER)
        name, extra = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
        start = entry.offset + _LOCAL_HEADER + name + extra
        for begin in range(start, start + entry.packed, _PIECE):
            yield self.source.read(begin, min(begin + _PIECE, start + entry.packed))

    def smallest_encrypted(self, most: int, count: int) -> list[Entry]:
        """Return so many of the smallest encrypted members that can be decoded and have less than so many bytes."""
        entries = map(self.entry, range(len(self)))
        found = (
            entry
            for entry in entries
            if entry.flags & ENCRYPTED and 0 < entry.size < most and not refused_method(entry)
        )
        return heapq.nsmallest(count, found, key=lambda entry: entry.size)

    def members(self) -> Iterator[Member]:
        """Yield the members in the order in which they lie in the file; the rest of them is in their `entry`."""
        contents = self._contents
        for number, (start, size, state) in enumerate(zip(self._starts, self._sizes, self._states, strict=True)):
            if state == _USUAL:
                begin = start + RECORD.size
                end = begin + contents[start + _NAME_LENGTH] + (contents[start + _NAME_LENGTH + 1] << 8)
                yield Member(number, contents[begin:end].decode("ascii"), Kind.FILE, size)
            else:
                yield self._unusual(number, is_repeated=state == _REPEATED)

    def _unusual(self, number: int, *, is_repeated: bool) -> Member:
        entry = self.entry(number)
        name = name_of(entry)
        kind = kind_of(entry, name)
        trouble = refused_method(entry) if kind is Kind.FILE else ""
        if not trouble and kind is Kind.FILE and is_repeated:
            trouble = _LATER
        return Member(number, name, kind, entry.size, trouble=trouble)

    def close(self) -> None:
        """Let go of the table of contents."""
        self._contents = b""


def _in_order(*columns: array[int]) -> tuple[array[int], ...]:
    """Return columns sorted by the first of them; mostly they are so already."""
    places = columns[0]
    if not any(map(operator.gt, places, places[1:])):
        return columns
    order = sorted(range(len(places)), key=places.__getitem__)
    return tuple(array(column.typecode, map(column.__getitem__, order)) for column in columns)


def _plain(name: str) -> bytes:
    """Return a name as the target will have it, for two spellings may mean one file."""
    if "./" in name or "//" in name or name.endswith("/."):
        name = "/".join(part for part in name.split("/") if part not in {"", "."})
    return name.encode("utf-8", "surrogateescape")


def _insist_on_limits(members: int, size: int, limits: Limits) -> None:
    if members > limits.members or size > limits.members * _PER_MEMBER:
        raise LimitError(
            f"The archive holds more than {count(limits.members)} members.",
            hint="Pass limits=Limits(members=...) if that is what you expect; a million need about 0.3 GB of memory.",
        )
