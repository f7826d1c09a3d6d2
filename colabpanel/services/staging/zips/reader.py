"""The table of contents of a zip archive, kept as the bytes it is: a million members fit."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator

from colabpanel.errors import ArchiveError, LimitError
from colabpanel.services.sources import LocalSource
from colabpanel.services.staging.archive import Kind, Member
from colabpanel.services.staging.models import Limits
from colabpanel.services.staging.streams.codecs import zstd_decoder
from colabpanel.services.staging.zips.decode import ZSTD, refused_method
from colabpanel.services.staging.zips.ending import find_ending, unreadable
from colabpanel.services.staging.zips.entries import (
    ENCRYPTED,
    Entry,
    entry_at,
    is_executable,
    kind_of,
    modified_at,
    name_of,
)
from colabpanel.words import count

__all__ = ["ZipReader"]

_LOCAL_HEADER = 30
_PIECE = 1 << 20
_PER_MEMBER = 1024
_LATER = "a later member has the same name"


class ZipReader:
    """A zip archive, listed in the order in which its members lie in the file.

    Args:
        source: The archive.
        limits: Refuses more members than these allow.

    Raises:
        ArchiveError: Its table of contents cannot be read, or its members overlap.
        LimitError: It lists too many members.
    """

    format = "zip"

    def __init__(self, source: LocalSource, limits: Limits) -> None:
        self.source = source
        self._ending = find_ending(source)
        _insist_on_limits(self._ending.members, self._ending.size, limits)
        start = self._ending.start
        self._contents = source.read(start, start + self._ending.size)
        self.fingerprint = zlib.crc32(self._contents)
        self._starts, self._repeated = array("Q"), set[int]()
        self.size = 0
        self.encrypted = False
        try:
            self._scan(limits)
        except (ValueError, OverflowError):
            raise unreadable(source) from None

    def _scan(self, limits: Limits) -> None:
        """Look at every entry once: where it stands, what it adds up to, and whether a later one has its name."""
        places, ends = array("Q"), array("Q")  # of each member, by its place in the table of contents
        names: dict[str, int] = {}
        methods: set[int] = set()
        position = size = flags = 0
        while position < len(self._contents):
            entry, following = entry_at(self._contents, position, self._ending.prefix)
            self._starts.append(position)
            places.append(entry.offset)
            ends.append(entry.offset + _LOCAL_HEADER + entry.packed)
            size += entry.size
            flags |= entry.flags
            methods.add(entry.method)
            name = _plain(name_of(entry))
            if name in names and not name.endswith("/"):
                self._repeated.add(names[name])
            names[name] = position
            position = following
        found = len(places)
        _insist_on_limits(found, 0, limits)
        if found != self._ending.members and (self._ending.is_zip64 or found & 0xFFFF != self._ending.members):
            raise ValueError
        self.size, self.encrypted = size, bool(flags & ENCRYPTED)
        if ZSTD in methods:
            zstd_decoder()  # says now whether a library is missing
        self._put_in_order(places, ends)

    def _put_in_order(self, places: array[int], ends: array[int]) -> None:
        """Sort by place in the file, and refuse members that share bytes: only bombs are made so."""
        order = sorted(range(len(places)), key=places.__getitem__)
        if any(index != place for index, place in enumerate(order)):
            self._starts, places, ends = (
                array("Q", map(values.__getitem__, order)) for values in (self._starts, places, ends)
            )
        self._ends = array("Q", [*places[1:], self._ending.start][: len(places)])
        if any(end > following for end, following in zip(ends, self._ends, strict=True)):
            raise ArchiveError(
                "This zip archive is refused: its members overlap, as they do in a zip bomb.",
                hint="If you trust where it comes from, unpack it there and zip it again.",
            )

    def _entry(self, index: int) -> Entry:
        return entry_at(self._contents, self._starts[index], self._ending.prefix)[0]

    def __len__(self) -> int:
        return len(self._starts)

    def end_of(self, index: int) -> int:
        """Return where the bytes of a member end at the latest: the next one begins there."""
        return self._ends[index]

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """Yield a member's bytes as they stand in the archive."""
        head = self.source.read(entry.offset, entry.offset + _LOCAL_HEADER)
        name, extra = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
        start = entry.offset + _LOCAL_HEADER + name + extra
        for begin in range(start, start + entry.packed, _PIECE):
            yield self.source.read(begin, min(begin + _PIECE, start + entry.packed))

    def smallest_encrypted(self, most: int) -> Entry | None:
        """Return the smallest encrypted member that can be decoded, if it has at most so many bytes."""
        found: Entry | None = None
        for index in range(len(self)):
            entry = self._entry(index)
            if (
                entry.flags & ENCRYPTED
                and 0 < entry.size < (found.size if found else most)
                and not refused_method(entry)
            ):
                found = entry
        return found

    def members(self) -> Iterator[Member]:
        """Yield the members in the order in which they lie in the file; ``origin`` is the entry."""
        for index, start in enumerate(self._starts):
            entry = self._entry(index)
            name = name_of(entry)
            kind = kind_of(entry, name)
            trouble = refused_method(entry) if kind is Kind.FILE else ""
            if not trouble and kind is Kind.FILE and start in self._repeated:
                trouble = _LATER
            yield Member(index, name, kind, entry.size, modified_at(entry), is_executable(entry), "", trouble, entry)

    def close(self) -> None:
        """Let go of the table of contents."""
        self._contents = b""


def _plain(name: str) -> str:
    """Return a name as the target will have it, for two spellings may mean one file."""
    if "./" in name or "//" in name:
        return "/".join(part for part in name.split("/") if part not in {"", "."})
    return name


def _insist_on_limits(members: int, size: int, limits: Limits) -> None:
    if members > limits.members or size > limits.members * _PER_MEMBER:
        raise LimitError(
            f"The archive holds more than {count(limits.members)} members.",
            hint="Pass limits=Limits(members=...) if that is what you expect; a million need about 0.3 GB of memory.",
        )
