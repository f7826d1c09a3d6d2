"""What one worker does: read batches ahead, decode, verify, write.

A member is verified before its file is made, so nothing wrong is ever written; large ones
are verified while they are written, and removed when they prove wrong.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

from colabpanel.errors import PasswordError, SourceLostError, UnreadableError
from colabpanel.services.sources import LocalSource, ReadAhead, Reading, Source
from colabpanel.services.staging.archive import MemberError
from colabpanel.services.staging.crew.batches import Batch, Job
from colabpanel.services.staging.names import Parts
from colabpanel.services.staging.zips.decode import (
    DAMAGED,
    DEFLATED,
    STORED,
    checked,
    fast_zlib,
    inflated,
    method_of,
    unpacked,
    wrong_length,
)
from colabpanel.services.staging.zips.entries import ENCRYPTED, Entry, entry_at, is_executable, modified_at
from colabpanel.services.staging.zips.locks import crc_counts, decrypted
from colabpanel.services.tree import MEMBER_ONLY, Tree

__all__ = ["Skips", "Task", "Unpacker"]

_LOCAL_HEADER = b"PK\x03\x04"
_HEADER_SIZE = 30
_LENGTHS = Struct("<HH").unpack_from
_PIECE = 1 << 20
_AHEAD = 6
_LAST_TRIES = 2
_MOST_LOST = 3
_MISPLACED = "it is damaged: its header is not where the table of contents says"
_CUT = "it is damaged: the archive ends within it"
_WRONG_SUM = "it is damaged: its checksum does not match"


class Task(NamedTuple):
    """What a worker needs to know beforehand; it crosses to a process as a plain tuple.

    Attributes:
        source: What the archive is opened by: a path, or the specification of one elsewhere.
        files: The folder to unpack into; an empty one verifies the members and writes nothing.
        password: For encrypted members.
        readers: Reads under way at once.
        prefix: Bytes that stand before what the archive's own offsets count from.
    """

    source: Any
    files: str
    password: str | None
    readers: int
    prefix: int


Skips = list[tuple[int, str]]


class Unpacker:
    """Unpacks batches, one after another; several of them work side by side.

    Args:
        task: What is unpacked, and where to.
        report: Is told the bytes of large members as they are written.
    """

    def __init__(self, task: Task, report: Callable[[int], None]) -> None:
        self._source = _opened(task.source)
        self._ahead = ReadAhead(self._source, threads=task.readers)
        self._tree = Tree(Path(task.files)) if task.files else None
        self._password, self._prefix, self._report = task.password, task.prefix, report
        self._lost = 0

    def begin(self, batch: Batch) -> Reading | None:
        """Begin to read a batch, which is to be unpacked soon."""
        return None if batch.is_large else self._ahead.request(batch.start, batch.end)

    def finish(self, batch: Batch, reading: Reading | None) -> Skips:
        """Unpack a batch; returns which members were left out, and why.

        Raises:
            SourceLostError: The archive went away, or batch after batch of it cannot be read.
                OSError: The disk that is written to failed.
        """
        if reading is None:
            return self._each(batch, self._unpack_large)
        try:
            view = reading.wait()
        except UnreadableError:
            return self._unpack_what_can_be_read(batch)
        self._lost = 0
        skips = self._each(batch, lambda job: self._unpack_small(job, view, batch.start))
        self._ahead.release(reading)
        return skips

    def _each(self, batch: Batch, unpack: Callable[[Job], None]) -> Skips:
        skips: Skips = []
        for job in batch.jobs:
            try:
                unpack(job)
            except MemberError as error:
                skips.append((job.number, str(error)))
            except PasswordError:
                skips.append((job.number, "its password is another one"))
            except UnreadableError as error:
                skips.append((job.number, f"it cannot be read: {error.message}"))
            except DAMAGED as error:
                number = error.errno if isinstance(error, OSError) else None  # those of decoders have none
                if number is not None and number not in MEMBER_ONLY:
                    raise
                reason = f"it cannot be written: {os.strerror(number)}" if number else "it is damaged"
                skips.append((job.number, reason))
        return skips

    def _unpack_what_can_be_read(self, batch: Batch) -> Skips:
        """Go on member by member where a part of the archive is unreadable."""
        source = self._source.again(tries=_LAST_TRIES)

        def unpack(job: Job) -> None:
            entry = entry_at(job.record, 0, self._prefix)
            head = source.read(entry.offset, entry.offset + _HEADER_SIZE)
            if len(head) < _HEADER_SIZE:
                raise MemberError(_CUT)
            end = entry.offset + _HEADER_SIZE + sum(_LENGTHS(head, 26)) + entry.packed
            self._unpack_small(job, memoryview(source.read(entry.offset, end)), entry.offset)

        try:
            skips = self._each(batch, unpack)
        finally:
            source.close()
        self._lost = self._lost + 1 if len(skips) == len(batch.jobs) else 0
        if self._lost >= _MOST_LOST:
            raise SourceLostError(
                f"{self._source.shown} cannot be read any more.",
                hint="Wait a minute, or mount Drive again, and stage again: it goes on where it stopped.",
            )
        return skips

    def _unpack_small(self, job: Job, view: memoryview, base: int) -> None:
        entry = entry_at(job.record, 0, self._prefix)
        offset, method, flags, crc, packed, size = entry[:6]
        at = offset - base
        if view[at : at + 4] != _LOCAL_HEADER:
            raise MemberError(_MISPLACED if len(view) >= at + _HEADER_SIZE else _CUT)
        name, extra = _LENGTHS(view, at + 26)
        begin = at + _HEADER_SIZE + name + extra
        data = view[begin : begin + packed]
        if len(data) < packed:
            raise MemberError(_CUT)
        if method == DEFLATED and not flags & ENCRYPTED:
            found: Any = inflated(data, size)
        elif method == STORED and not flags & ENCRYPTED:
            found = data
            if packed != size:
                raise wrong_length(longer=packed > size)
        else:
            found = b"".join(self._decoded(entry, [data]))
            crc = fast_zlib.crc32(found)
        if fast_zlib.crc32(found) != crc:
            raise MemberError(_WRONG_SUM)
        if self._tree is not None:
            _write_small(self._tree, job.place, entry, found)

    def _decoded(self, entry: Entry, pieces: Any) -> Iterator[Any]:
        counts = True
        if entry.flags & ENCRYPTED:
            pieces = decrypted(entry, self._password or "", pieces)
            counts = crc_counts(entry)
        return checked(unpacked(method_of(entry), pieces), entry, crc_counts=counts)

    def _unpack_large(self, job: Job) -> None:
        place, entry = job.place, entry_at(job.record, 0, self._prefix)
        chunks = self._decoded(entry, self._pieces(entry))
        if self._tree is None:
            for chunk in chunks:
                self._report(len(chunk))
            return
        handle = self._tree.create(place, executable=is_executable(entry))
        try:
            for chunk in chunks:
                view = memoryview(chunk)
                while view:
                    view = view[os.write(handle, view) :]
                self._report(len(chunk))
            _set_time(self._tree, handle, place, entry)
        except BaseException:
            self._tree.remove(place)
            raise
        finally:
            os.close(handle)

    def _pieces(self, entry: Entry) -> Iterator[memoryview]:
        """Yield a large member's compressed bytes, the next pieces being read meanwhile."""
        head = self._source.read(entry.offset, entry.offset + _HEADER_SIZE)
        if not head.startswith(_LOCAL_HEADER) or len(head) < _HEADER_SIZE:
            raise MemberError(_MISPLACED)
        start = entry.offset + _HEADER_SIZE + sum(_LENGTHS(head, 26))
        end = start + entry.packed
        readings: list[tuple[Reading, int]] = []
        while start < end or readings:
            while start < end and len(readings) < _AHEAD:
                length = min(_PIECE, end - start)
                readings.append((self._ahead.request(start, start + length), length))
                start += length
            reading, length = readings.pop(0)
            view = reading.wait()
            if len(view) < length:
                raise MemberError(_CUT)
            yield view
            self._ahead.release(reading)

    def close(self) -> None:
        """Let go of files and threads."""
        if self._tree is not None:
            self._tree.close()
        self._ahead.close()
        self._source.close()


def _opened(source: Any) -> Source:
    if isinstance(source, str):
        return LocalSource(Path(source))
    from colabpanel.services.sources.spec import open_source  # what is on the disk needs nothing of it

    return open_source(source)


def _write_small(tree: Tree, place: Parts, entry: Entry, found: Any) -> None:
    handle = tree.create(place, executable=is_executable(entry))
    try:
        written = os.write(handle, found)
        while written < entry.size:
            written += os.write(handle, found[written:])
        _set_time(tree, handle, place, entry)
    finally:
        os.close(handle)


def _set_time(tree: Tree, handle: int, place: Parts, entry: Entry) -> None:
    modified = modified_at(entry)
    if modified is None:
        return
    try:
        os.utime(handle if _UTIME_BY_HANDLE else tree.path(place), (modified, modified))
    except (OSError, OverflowError, ValueError):
        return


_UTIME_BY_HANDLE = os.utime in os.supports_fd
