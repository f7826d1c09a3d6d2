"""What runs in the child process: staging and planning from a request to a JSON result."""

from __future__ import annotations

import errno
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, LimitError, PathError, SpaceError, StorageError
from colabpanel.jobs import Progress
from colabpanel.services.files import existing_parent, free_bytes
from colabpanel.services.paths import resolve_inside
from colabpanel.services.sources import LocalSource
from colabpanel.services.staging.archive import Kind, Listing, Member
from colabpanel.services.staging.budget import Budget
from colabpanel.services.staging.extract import FULL, disk_full, extract
from colabpanel.services.staging.extract_zip import extract_zip
from colabpanel.services.staging.formats import open_archive
from colabpanel.services.staging.models import Plan, Request, Skipped
from colabpanel.services.staging.names import Parts
from colabpanel.services.staging.partial import Outcome, Partial
from colabpanel.services.staging.publish import is_used, publish
from colabpanel.services.staging.triage import triage
from colabpanel.services.staging.zips.reader import ZipReader
from colabpanel.services.staging.zips.unlock import insist_on_password
from colabpanel.words import size as say_size

__all__ = ["discard_here", "plan_here", "stage_here"]

_IDENTITY_REACH = 1 << 20
_SURVEY_SECONDS = 3.0
_NOT_USABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EINVAL,
}


class _Places:
    """The two paths of a request, checked against its root."""

    def __init__(self, request: Request) -> None:
        root = Path(os.path.realpath(request.root)) if request.root else None
        self.source = resolve_inside(root, request.source)
        self.directory = resolve_inside(root, request.directory)
        self.partial = Partial(self.directory, root)
        if self.source == self.directory:
            raise PathError("The source and the target are the same path.", hint="Choose another target folder.")


def _identity(source: LocalSource, reader: Listing, request: Request) -> list[Any]:
    """Return what tells one archive, and one choice of its members, from another."""
    head = source.read(0, min(source.size, _IDENTITY_REACH))
    tail = source.read(max(source.size - _IDENTITY_REACH, 0), source.size)
    content = [zlib.crc32(head), zlib.crc32(tail), reader.fingerprint]
    return [source.size, source.modified_ns, *content, request.choice()]


@contextmanager
def _disk_errors_in_words() -> Iterator[None]:
    """Turn what a disk says anywhere into a sentence; places that know more say more."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        reason = f"{os.strerror(error.errno or 0)}{where}."
        if error.errno in FULL:
            raise disk_full(Path(error.filename or "/")) from error
        if error.errno in _NOT_USABLE:
            raise PathError(f"A path cannot be used: {reason}", hint="Choose another target folder.") from error
        raise StorageError(f"The disk failed: {reason}", hint="What was done is kept: stage again to go on.") from error


@_disk_errors_in_words()
def stage_here(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Stage in this process; see `colabpanel.stage` for the meaning of it."""
    wanted = Request.from_json(request)
    places = _Places(wanted)
    with closing(LocalSource(places.source)) as source:
        is_used(places.directory, places.partial)
        with closing(places.partial):
            outcome = _unpack(source, wanted, places, progress)
            if not outcome.files:
                _insist_on_a_match(wanted, outcome.skipped, places.partial)
            places.partial.begin_publishing(outcome)
            published = publish(places.partial, places.directory, wanted.overwrite, progress, source=places.source)
    skipped = [*outcome.skipped, *published.skipped]
    return {
        "status": "partial" if skipped else "ok",
        "directory": str(places.directory),
        "files": outcome.files - published.lost_files,
        "size": outcome.size - published.lost_bytes,
        "kept": published.kept,
        "skipped": skipped,
    }


def _unpack(source: LocalSource, wanted: Request, places: _Places, progress: Progress) -> Outcome:
    partial = places.partial
    progress.start(None, "Reading the archive")
    with closing(open_archive(source, wanted.limits)) as reader:
        identity = _identity(source, reader, wanted)
        if isinstance(reader, ZipReader):
            insist_on_password(reader, wanted.password)
            total, files = _insist_on_room(reader, wanted, places, resuming=wanted.resume and partial.matches(identity))
        partial.open(identity, resume=wanted.resume)
        if partial.published:
            return partial.published
        try:
            if isinstance(reader, ZipReader):
                return extract_zip(reader, partial, wanted, total=total, files=files, progress=progress)
            return extract(reader, partial, wanted, archive_size=source.size, progress=progress)
        except LimitError:
            partial.remove()
            raise


def _insist_on_a_match(wanted: Request, skipped: Sequence[Skipped], partial: Partial | None = None) -> None:
    """Refuse patterns that nothing matches, once no file was found; an empty partial is removed."""
    if skipped or not (wanted.include or wanted.exclude):
        return
    if partial:
        partial.remove()
    raise InputError(
        "No file of the archive matches the patterns.",
        hint="A pattern with a slash is matched against the whole path, one without against the file name.",
    )


def _insist_on_room(reader: ZipReader, wanted: Request, places: _Places, *, resuming: bool) -> tuple[int, int]:
    """Return the bytes and the number of the wanted files, and refuse what cannot fit."""
    free, total, files = free_bytes(places.directory), reader.size, len(reader)
    if not wanted.wants_everything or total > free:
        sizes = [member.size for member, place in triage(reader, wanted, folds_case=False) if _is_file(member, place)]
        total, files = sum(sizes), len(sizes)
    Budget(wanted.limits, reader.source.size).spend(total)
    if total > free and not resuming:
        raise no_room(total, free)
    return total, files


def _is_file(member: Member, place: Parts | str) -> bool:
    return member.kind is Kind.FILE and not isinstance(place, str)


def no_room(total: int, free: int) -> SpaceError:
    """Return the error for files that do not fit."""
    return SpaceError(
        f"The files need {say_size(total)}, and {say_size(free)} are free.",
        hint="Free some space, choose another target, or stage a part with include or first_per_folder.",
    )


@_disk_errors_in_words()
def discard_here(directory: str, root: str | None, progress: Progress) -> None:
    """Delete the unfinished staging of a target."""
    progress.start(None, "Discarding")
    real_root = Path(os.path.realpath(root)) if root else None
    with closing(Partial(resolve_inside(real_root, directory), real_root)) as partial:
        partial.discard()


@_disk_errors_in_words()
def plan_here(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Plan in this process; see `colabpanel.plan` for the meaning of it."""
    wanted = Request.from_json(request)
    places = _Places(wanted)
    progress.start(None, "Reading the archive")
    with closing(LocalSource(places.source)) as source:
        used = is_used(places.directory, places.partial)
        with closing(open_archive(source, wanted.limits)) as reader:
            resumable = wanted.resume and places.partial.matches(_identity(source, reader, wanted))
            survey = _Survey(places.directory if used else None)
            survey.look(reader, wanted, progress)
            plan = Plan(
                source=places.source,
                directory=places.directory,
                format=reader.format,
                archive_size=source.size,
                files=survey.files,
                size=survey.size,
                free=free_bytes(places.directory),
                existing=survey.existing,
                target_used=used,
                resumable=resumable,
                encrypted=reader.encrypted,
                skipped=tuple(survey.skipped),
            )
            problem, hint = _problem(plan, wanted, reader)
    return {
        **asdict(plan),
        "source": str(plan.source),
        "directory": str(plan.directory),
        "problem": problem,
        "hint": hint,
    }


class _Survey:
    """Counts what would be unpacked; gives up on counting after a few seconds."""

    def __init__(self, target: Path | None) -> None:
        self._target = target
        self.files: int | None = 0
        self.size: int | None = 0
        self.existing: int | None = 0
        self.skipped: list[Skipped] = []

    def look(self, reader: Listing, wanted: Request, progress: Progress) -> None:
        deadline = time.monotonic() + _SURVEY_SECONDS
        files = size = existing = 0
        for member, place in triage(reader, wanted, folds_case=False):
            progress.advance(0)
            if isinstance(place, str):
                self.skipped.append(Skipped(member.name, place))
            elif member.kind is not Kind.FOLDER:
                files, size = files + 1, size + member.size
                existing += self._target is not None and os.path.lexists(self._target.joinpath(*place))
            if reader.size is None and time.monotonic() > deadline:
                self.files = self.size = self.existing = None
                return
        self.files, self.size, self.existing = files, size, existing


def _problem(plan: Plan, wanted: Request, reader: Listing) -> tuple[str, str]:
    try:
        if isinstance(reader, ZipReader):
            insist_on_password(reader, wanted.password)
        if plan.size is not None:
            Budget(wanted.limits, plan.archive_size).spend(plan.size)
        if not os.access(existing_parent(plan.directory), os.W_OK):
            raise PathError(f"You may not write to {plan.directory}.", hint="Choose a target folder that you own.")
        if plan.files == 0:
            _insist_on_a_match(wanted, plan.skipped)
        if plan.size is not None and plan.size > plan.free and not plan.resumable:
            raise no_room(plan.size, plan.free)
    except InputError as error:
        return error.message, error.hint
    return "", ""
