"""Unpacking an archive that is read from front to back into the partial tree."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from colabpanel.errors import PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.disks import FULL, disk_full
from colabpanel.services.staging.archive import UNKNOWN_SIZE, Kind, Member, MemberError, StreamReader
from colabpanel.services.staging.budget import Budget, SkipList
from colabpanel.services.staging.names import Parts, safe_parts
from colabpanel.services.staging.partial import Outcome, Partial
from colabpanel.services.staging.request import Request
from colabpanel.services.staging.triage import folds_case, triage
from colabpanel.services.tree import MEMBER_ONLY, Tree

__all__ = ["extract", "in_words", "is_done"]

_CHUNK = 1 << 20


class _Meter:
    """Reports progress in bytes of the archive, for nobody knows what they unpack to."""

    def __init__(self, progress: Progress, reader: StreamReader, archive_size: int) -> None:
        self._progress, self._reader, self._last = progress, reader, 0
        progress.start(archive_size, "Unpacking")

    def look(self) -> None:
        """Report how far the archive was read."""
        position = self._reader.position()
        self._progress.advance(max(position - self._last, 0))
        self._last = max(position, self._last)


class _Extraction:
    def __init__(self, reader: StreamReader, tree: Tree, partial: Partial, meter: _Meter, budget: Budget) -> None:
        self._reader, self._tree, self._partial = reader, tree, partial
        self._meter, self._budget = meter, budget
        self._places: dict[Parts, int] = {}
        self._times: dict[Parts, float | None] = {}
        self._skips = SkipList()

    def take(self, member: Member, place: Parts | str) -> None:
        """Unpack one member, or note why not."""
        if isinstance(place, str):
            self._skips.add(member.name, place)
        elif member.kind is Kind.FOLDER:
            if place:
                self._tree.make_folder(place)
        else:
            self._take_file(member, place)
        self._meter.look()

    def _take_file(self, member: Member, place: Parts) -> None:
        self._budget.spend(max(member.size, 0))
        self._times[place] = member.modified
        if is_done(self._partial, self._tree, member.number, place):
            self._places[place] = self._partial.done[member.number]
            return
        try:
            size = self._write(member, place)
        except (MemberError, OSError) as error:
            self._skip(member, place, error)
            return
        self._places[place] = size
        self._partial.note(member.number, size)

    def _write(self, member: Member, place: Parts) -> int:
        is_link = member.kind is Kind.HARDLINK
        if is_link and safe_parts(member.link) == place in self._places:
            return self._places[place]
        chunks = self._copied(member) if is_link else self._reader.chunks(member)
        handle = self._tree.create(place, executable=member.executable)
        written = 0
        try:
            for chunk in chunks:
                _write_all(handle, chunk)
                written += len(chunk)
                if member.size == UNKNOWN_SIZE:
                    self._budget.spend(len(chunk))
                self._meter.look()
            if member.modified is not None:
                with contextlib.suppress(OSError, OverflowError, ValueError):
                    os.utime(
                        handle if os.utime in os.supports_fd else self._partial.files.joinpath(*place),
                        (member.modified, member.modified),
                    )
        finally:
            os.close(handle)
        if not is_link and written != member.size != UNKNOWN_SIZE:
            raise MemberError(f"it is cut short: {written} of {member.size} bytes")
        return written

    def _copied(self, member: Member) -> Iterator[bytes]:
        """Yield the bytes of the earlier member that a hard link stands for; no link is made."""
        origin = safe_parts(member.link)
        if isinstance(origin, str) or origin not in self._places:
            raise MemberError("it is a hard link to a member that was not unpacked")
        self._budget.spend(self._places[origin])
        handle = self._tree.open(origin)
        try:
            while chunk := os.read(handle, _CHUNK):
                yield chunk
        finally:
            os.close(handle)

    def _skip(self, member: Member, place: Parts, error: MemberError | OSError) -> None:
        if isinstance(error, OSError):
            if error.errno not in MEMBER_ONLY:
                raise in_words(error, self._partial.folder) from error
        else:
            self._tree.remove(place)
            self._places.pop(place, None)
        reason = (
            str(error) if isinstance(error, MemberError) else f"it cannot be written: {os.strerror(error.errno or 0)}"
        )
        self._skips.add(member.name, reason)

    def outcome(self) -> Outcome:
        """Return the sum of it, damage of the archive as a whole included."""
        if self._reader.damage:
            self._skips.add("(archive)", self._reader.damage)
        listing = tuple(("/".join(place), size, self._times.get(place)) for place, size in self._places.items())
        return Outcome(len(self._places), sum(self._places.values()), self._skips.all(), listing)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def in_words(error: OSError, folder: Path) -> PathError | StorageError:
    """Say why a disk cannot be written to."""
    if error.errno in FULL:
        return disk_full(folder, "Free some space, then stage again: it goes on where it stopped.")
    reason = os.strerror(error.errno or 0)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return PathError(f"{folder.parent} cannot be written to ({reason}).", hint="Choose another target folder.")
    return StorageError(
        f"Writing to {folder.parent} failed ({reason}).", hint="What was done is kept: stage again to go on."
    )


def is_done(partial: Partial, tree: Tree, index: int, place: Parts) -> bool:
    """Whether an earlier run unpacked a member, and it still has its size, here or where it was moved to."""
    size = partial.done.get(index)
    if size is None:
        return False
    return _has(tree, place, size) or (partial.target is not None and _has(partial.target, place, size))


def _has(tree: Tree, place: Parts, size: int) -> bool:
    try:
        status = tree.status(place)
    except OSError:  # a folder above it is missing, or a link
        return False
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size == size


def extract(
    reader: StreamReader,
    partial: Partial,
    request: Request,
    *,
    archive_size: int,
    progress: Progress,
) -> Outcome:
    """Unpack every wanted member into the partial tree.

    Args:
        reader: The open archive.
        partial: Opened; members in its ``done`` are not unpacked again.
        request: What is wanted.
        archive_size: Bytes of the archive.
        progress: Is told the bytes of the archive that were read, and may cancel.
    """
    meter = _Meter(progress, reader, archive_size)
    budget = Budget(request.limits, archive_size)
    with Tree(partial.files) as tree:
        extraction = _Extraction(reader, tree, partial, meter, budget)
        try:
            for member, place in triage(reader, request, folds_case=folds_case(partial.folder)):
                extraction.take(member, place)
        finally:
            partial.flush()
        return extraction.outcome()
