"""Writing one zip archive of files, taking over what an earlier one holds of them, and verifying it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from colabpanel.errors import ColabPanelError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.fast import fast_zlib
from colabpanel.services.sources import LocalSource
from colabpanel.services.staging.archive import Kind, MemberError
from colabpanel.services.staging.crew.batches import Job, cut
from colabpanel.services.staging.crew.crew import Event, hire, work
from colabpanel.services.staging.crew.unpacker import Task
from colabpanel.services.staging.packing.compress import batches, compressed, pieces
from colabpanel.services.staging.packing.reading import LARGE, UnreadableError
from colabpanel.services.staging.packing.zip_writer import PackedMember, Written, ZipWriter
from colabpanel.services.staging.request import Limits
from colabpanel.services.staging.zips.decode import DAMAGED, checked, method_of, unpacked
from colabpanel.services.staging.zips.entries import ENCRYPTED, Entry, modified_at
from colabpanel.services.staging.zips.reader import ZipReader
from colabpanel.services.walk import FoundFile
from colabpanel.services.zip_records import STORED

__all__ = ["Earlier", "ZipPacking", "verify_zip"]

_READERS = 2
_CHUNK = 512 << 10
_ABOUT_THEN = 3600 * 10**9  # nanoseconds before an archive was done in which it may have been made
_METHOD = 10  # where a member's entry says how it is packed
_NO_LIMITS = Limits(members=100_000_000, ratio=None)


class Earlier:
    """An archive that was packed before, for what has not changed since.

    Args:
        path: Where it would be.

    Attributes:
        taken: How many files were taken over.
    """

    def __init__(self, path: Path) -> None:
        self._entries: dict[tuple[str, int, int], Entry] = {}
        self._source: LocalSource | None = None
        self.taken = 0
        try:
            self._source = LocalSource(path)
            self._reader = ZipReader(self._source, _NO_LIMITS)
        except ColabPanelError:  # there is none, or it is no zip: then all is packed anew
            return
        for member in self._reader.members():
            entry = self._reader.entry(member.number)
            if member.kind is Kind.FILE and not member.trouble and not entry.flags & ENCRYPTED:
                self._entries[member.name, member.size, int(modified_at(entry) or -1)] = entry

    def take(self, file: FoundFile, folder: Path) -> PackedMember | None:
        """Return a file's packed bytes, if it has kept its size and time since and they are still what they were."""
        entry = self._entries.get((file.name, file.size, file.modified))
        if entry is None or entry.packed >= LARGE or not self._is_the_same(file, folder, entry):
            return None
        data = b"".join(self._reader.pieces(entry))
        if not _is_whole(entry, data):
            return None
        self.taken += 1
        return PackedMember(file.name, entry.method, entry.crc, entry.size, data, file.modified, file.mode)

    def _is_the_same(self, file: FoundFile, folder: Path, entry: Entry) -> bool:
        """Whether a file is what was packed: one changed about then may have changed again in the same second."""
        assert self._source is not None
        if file.modified_ns < self._source.modified_ns - _ABOUT_THEN:
            return True
        try:
            with closing(LocalSource(folder / file.name)) as now:
                return _checksum(now) == entry.crc
        except ColabPanelError:
            return False

    def has(self, file: FoundFile) -> bool:
        """Whether `take` would find a file."""
        entry = self._entries.get((file.name, file.size, file.modified))
        return entry is not None and entry.packed < LARGE

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        """Let go of it."""
        if self._source is not None:
            self._source.close()


def _is_whole(entry: Entry, data: bytes) -> bool:
    try:
        for _ in checked(unpacked(method_of(entry), [data]), entry):
            pass
    except MemberError:
        return False
    except DAMAGED:
        return False
    return True


def _checksum(source: LocalSource) -> int:
    crc, buffer = 0, memoryview(bytearray(_CHUNK))
    for start in range(0, source.size, _CHUNK):
        view = buffer[: min(_CHUNK, source.size - start)]
        if source.read_into(view, start) < len(view):
            return -1
        crc = fast_zlib.crc32(view, crc)
    return crc


@dataclass(frozen=True)
class ZipPacking:
    """How the files of a folder go into a zip archive.

    Attributes:
        folder: The folder.
        level: How hard to compress.
        workers: How many threads do.
        progress: Is told the bytes done, and may cancel.
        written: What was written, to be compared with what is read back.
    """

    folder: Path
    level: int
    workers: int
    progress: Progress
    written: list[Written] = field(default_factory=list)

    def write(
        self, stream: IO[bytes], files: Sequence[FoundFile], earlier: Earlier
    ) -> Iterator[tuple[FoundFile, OSError | None]]:
        """Write an archive; yields each file as it is done, with the error that left it out.

        Those that an earlier archive holds come last.
        """
        writer = ZipWriter(stream)
        known = [file for file in files if earlier.has(file)] if len(earlier) else []
        fresh = [file for file in files if not earlier.has(file)] if known else files
        yield from self._packed(writer, fresh)
        changed = []
        for file in known:
            taken = earlier.take(file, self.folder)
            if taken is None:
                changed.append(file)
                continue
            writer.add(taken)
            self.progress.advance(file.size)
            yield file, None
        yield from self._packed(writer, changed)
        writer.close()
        self.written.extend(writer.written)

    def _packed(self, writer: ZipWriter, files: Sequence[FoundFile]) -> Iterator[tuple[FoundFile, OSError | None]]:
        for file, packed in compressed(self.folder, batches(files), self.level, self.workers):
            yield file, packed if isinstance(packed, OSError) else self._add(writer, file, packed)

    def _add(self, writer: ZipWriter, file: FoundFile, packed: PackedMember | None) -> OSError | None:
        if packed is not None:
            writer.add(packed)
            self.progress.advance(file.size)
            return None
        try:
            method, parts = pieces(self.folder, file, self.level)
        except OSError as error:
            return error
        member = PackedMember(file.name, method, 0, 0, b"", file.modified, file.mode)
        try:
            writer.add_large(member, _told(parts, self.progress))
        except UnreadableError as error:
            return error.why
        return None


def _told(parts: Iterable[tuple[bytes, int, int]], progress: Progress) -> Iterator[tuple[bytes, int, int]]:
    before = 0
    for data, size, crc in parts:
        progress.advance(size - before)
        before = size
        yield data, size, crc


def verify_zip(path: Path, expected: int, written: Iterable[Written], workers: int, progress: Progress) -> None:
    """Read an archive back: compare every byte with what was written, and unpack what was compressed, as staging would.

    Raises:
        StorageError: The disk did not keep what was written.
    """
    with closing(LocalSource(path)) as source:
        progress.start(source.size, "Verifying")
        if not (_is_same(source, written, progress) and _unpacks(source, expected, workers, progress)):
            raise StorageError(
                f"{path.name} does not read back as it was written.", hint="Check the disk, and pack again."
            )


def _unpacks(source: LocalSource, expected: int, workers: int, progress: Progress) -> bool:
    reader = ZipReader(source, _NO_LIMITS)
    wrong = sum(len(event.skips) for event in _read_back(reader, workers, progress))
    return not wrong and len(reader) == expected


def _is_same(source: LocalSource, written: Iterable[Written], progress: Progress) -> bool:
    start, buffer = 0, memoryview(bytearray(_CHUNK))
    for length, expected in written:
        end, crc = start + length, 0
        while start < end:
            view = buffer[: end - start]
            if source.read_into(view, start) < len(view):
                return False
            crc = fast_zlib.crc32(view, crc)
            start += len(view)
            progress.advance(len(view))
        if crc != expected:
            return False
    return start == source.size


def _read_back(reader: ZipReader, workers: int, progress: Progress) -> Iterator[Event]:
    progress.start(reader.size, "Unpacking again")
    task = Task(reader.source.reference, "", None, _READERS, reader.prefix)
    for event in work(cut(_jobs(reader)), hire(task, "threads", workers)):
        written = sum(job.size for job in event.batch.jobs) if event.batch and not event.batch.is_large else 0
        progress.advance(event.written + written)
        yield event


def _jobs(reader: ZipReader) -> Iterator[tuple[Job, int, int]]:
    for member in reader.members():
        record, start, end = reader.located(member.number)
        if record[_METHOD] == STORED:
            continue  # its bytes were compared already
        yield Job(member.number, (member.name,), member.size, record), start, end
