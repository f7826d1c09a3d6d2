"""Unpacking members into the partial tree."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from colabpanel.errors import LimitError, PathError, StorageError
from colabpanel.jobs import Progress
from colabpanel.services.files import free_bytes
from colabpanel.services.staging.archive import ArchiveReader, Kind, Member, MemberError
from colabpanel.services.staging.models import Limits, Request, Skipped
from colabpanel.services.staging.names import Parts, safe_parts
from colabpanel.services.staging.partial import Outcome, Partial
from colabpanel.services.staging.tree import Tree
from colabpanel.services.staging.triage import folds_case, triage
from colabpanel.words import count
from colabpanel.words import size as say_size

__all__ = ["FULL", "Budget", "disk_full", "extract"]

_CHUNK = 1 << 20
_MOST_SKIPPED = 100_000
_MUCH = 1 << 20
FULL = {errno.ENOSPC, errno.EDQUOT}
_MEMBER_ONLY = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EEXIST}


class Budget:
    """Refuses an archive that unpacks to more than its limits allow."""

    def __init__(self, limits: Limits, archive_size: int) -> None:
        self._limits, self._archive_size, self._total = limits, archive_size, 0

    def spend(self, size: int) -> None:
        """Count a member's size, before it is written.

        Raises:
            LimitError: It is too much.
        """
        self._total += size
        limits = self._limits
        if limits.total_bytes is not None and self._total > limits.total_bytes:
            raise LimitError(
                f"The archive unpacks to more than {say_size(limits.total_bytes)}.",
                hint="Pass limits=Limits(total_bytes=...) with a higher figure if that is what you expect.",
            )
        if limits.ratio is None or self._total < limits.ratio_from:
            return
        if self._total > limits.ratio * self._archive_size:
            raise LimitError(
                f"The archive is refused as a bomb: it unpacks to more than {limits.ratio:g} times its size.",
                hint="If you trust where it comes from, call colabpanel.stage with limits=Limits(ratio=None).",
            )


class _Meter:
    """Reports progress: unpacked bytes where their sum is known, else archive bytes read."""

    def __init__(self, progress: Progress, reader: ArchiveReader, total: int | None, archive_size: int) -> None:
        self._progress, self._reader = progress, reader
        self._by_position, self._last = total is None, 0
        progress.start(archive_size if total is None else total, "Unpacking")

    def written(self, amount: int) -> None:
        if self._by_position:
            position = self._reader.position()
            amount, self._last = max(position - self._last, 0), max(position, self._last)
        self._progress.advance(amount)


class _Extraction:
    def __init__(self, reader: ArchiveReader, tree: Tree, partial: Partial, meter: _Meter, budget: Budget) -> None:
        self._reader, self._tree, self._partial = reader, tree, partial
        self._meter, self._budget = meter, budget
        self._places: dict[Parts, int] = {}
        self._skipped: list[Skipped] = []
        self._skipped_count = 0

    def take(self, member: Member, place: Parts | str) -> None:
        """Unpack one member, or note why not."""
        if isinstance(place, str):
            self._note_skipped(member.name, place)
        elif member.kind is Kind.FOLDER:
            if place:
                self._tree.make_folder(place)
        else:
            self._take_file(member, place)
        self._meter.written(0)

    def _take_file(self, member: Member, place: Parts) -> None:
        self._budget.spend(member.size)
        if self._is_done(member, place):
            self._places[place] = self._partial.done[member.index]
            self._meter.written(self._places[place])
            return
        try:
            size = self._write(member, place)
        except (MemberError, OSError) as error:
            self._skip(member, place, error)
            return
        self._places[place] = size
        self._partial.note(member.index, size)

    def _is_done(self, member: Member, place: Parts) -> bool:
        size = self._partial.done.get(member.index)
        if size is None:
            return False
        status = self._tree.status(place)
        return status is not None and stat.S_ISREG(status.st_mode) and status.st_size == size

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
                self._meter.written(len(chunk))
            if member.modified is not None:
                with contextlib.suppress(OSError, OverflowError, ValueError):
                    os.utime(
                        handle if os.utime in os.supports_fd else self._partial.files.joinpath(*place),
                        (member.modified, member.modified),
                    )
        finally:
            os.close(handle)
        if not is_link and written != member.size:
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
            if error.errno in FULL:
                raise disk_full(self._partial.folder) from error
            if error.errno not in _MEMBER_ONLY:
                raise _unwritable(self._partial.folder, error) from error
        else:
            self._tree.remove(place)
            self._places.pop(place, None)
        reason = (
            str(error) if isinstance(error, MemberError) else f"it cannot be written: {os.strerror(error.errno or 0)}"
        )
        self._note_skipped(member.name, reason)

    def _note_skipped(self, name: str, reason: str) -> None:
        self._skipped_count += 1
        if self._skipped_count <= _MOST_SKIPPED:
            self._skipped.append(Skipped(name, reason))

    def outcome(self) -> Outcome:
        """Return the sum of it, damage of the archive as a whole included."""
        if self._skipped_count > _MOST_SKIPPED:
            self._skipped.append(
                Skipped("(archive)", f"{count(self._skipped_count - _MOST_SKIPPED)} more were skipped")
            )
        if self._reader.damage:
            self._skipped.append(Skipped("(archive)", self._reader.damage))
        return Outcome(len(self._places), sum(self._places.values()), tuple(self._skipped))


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def disk_full(folder: Path) -> StorageError:
    """Say that a disk has no room, whether for bytes or for files."""
    free = free_bytes(folder)
    left = f"{say_size(free)} are left" if free < _MUCH else "it takes no more files"
    return StorageError(
        f"The disk is full: {left}.",
        hint="Free some space, then stage again: it goes on where it stopped.",
    )


def _unwritable(folder: Path, error: OSError) -> PathError | StorageError:
    reason = os.strerror(error.errno or 0)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return PathError(f"{folder.parent} cannot be written to ({reason}).", hint="Choose another target folder.")
    return StorageError(
        f"Writing to {folder.parent} failed ({reason}).", hint="What was done is kept: stage again to go on."
    )


def extract(
    reader: ArchiveReader,
    partial: Partial,
    request: Request,
    *,
    total: int | None,
    archive_size: int,
    progress: Progress,
) -> Outcome:
    """Unpack every wanted member into the partial tree.

    Args:
        reader: The open archive.
        partial: Opened; members in its ``done`` are not unpacked again.
        request: What is wanted.
        total: Unpacked bytes of the wanted members, or None when unknown.
        archive_size: Bytes of the archive.
        progress: Is told the bytes, and may cancel.
    """
    meter = _Meter(progress, reader, total, archive_size)
    budget = Budget(request.limits, archive_size)
    with Tree(partial.files) as tree:
        extraction = _Extraction(reader, tree, partial, meter, budget)
        try:
            for member, place in triage(reader, request, folds_case=folds_case(partial.folder)):
                extraction.take(member, place)
        finally:
            partial.flush()
        return extraction.outcome()
