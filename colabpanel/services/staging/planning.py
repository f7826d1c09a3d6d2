"""Planning in the child process: what staging would do, how long it would take, and what would fit."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, PathError, SpaceError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.files import existing_parent, free_bytes
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources import LocalSource, Source
from colabpanel.services.staging.archive import UNKNOWN_SIZE, Kind, Listing
from colabpanel.services.staging.budget import Budget
from colabpanel.services.staging.estimate import cache_share, seconds_for
from colabpanel.services.staging.formats import empty, open_archive
from colabpanel.services.staging.ground import Places, identity_of, insist_on_a_match, no_room
from colabpanel.services.staging.models import Plan
from colabpanel.services.staging.names import Parts
from colabpanel.services.staging.publish import is_used
from colabpanel.services.staging.receipts import Receipts
from colabpanel.services.staging.request import Request
from colabpanel.services.staging.triage import triage
from colabpanel.services.staging.zips.reader import ZipReader
from colabpanel.services.staging.zips.unlock import insist_on_password

__all__ = ["plan_here"]

_SURVEY_SECONDS = 3.0


@disk_errors_in_words()
def plan_here(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Plan in this process; see `colabpanel.plan` for the meaning of it."""
    wanted = Request.from_json(request)
    places = Places(wanted)
    progress.start(None, "Reading the archive")
    source = _opened(places, wanted, progress)
    plan = _of_whole(places, wanted, progress) if source is None else _looked_at(source, places, wanted, progress)
    return {**asdict(plan), "source": str(plan.source), "directory": str(plan.directory)}


def _opened(places: Places, wanted: Request, progress: Progress) -> Source | None:
    """Open the archive; None stands for one elsewhere that is given only whole."""
    if places.source is not None:
        return LocalSource(places.source)
    from colabpanel.services.staging.far import opened_in_ranges  # what is on the disk needs nothing of it

    assert wanted.spec is not None
    return opened_in_ranges(wanted.spec, progress)


def _looked_at(source: Source, places: Places, wanted: Request, progress: Progress) -> Plan:
    with closing(source), closing(open_archive(source, wanted.limits, wanted.password)) as reader:
        used = is_used(places.directory, places.partial)
        identity = identity_of(source, reader, wanted)
        survey = _Survey(places.directory if used else None)
        survey.look(reader, wanted, progress)
        plan = Plan(
            source=places.source or wanted.source,
            directory=places.directory,
            format=reader.format,
            archive_size=source.size,
            files=survey.files,
            size=survey.size,
            free=free_bytes(places.directory),
            existing=survey.existing,
            target_used=used,
            resumable=wanted.resume and places.partial.matches(identity),
            reusable=Receipts(wanted).still_holds(identity, places.directory, reader, wanted),
            encrypted=reader.encrypted,
            cache=cache_share(source),
            seconds=seconds_for(source, survey.files, survey.size),
            skipped=tuple(survey.skipped),
        )
        problem, hint = _problem(plan, wanted, reader, survey)
        return replace(plan, problem=problem, hint=hint)


def _of_whole(places: Places, wanted: Request, progress: Progress) -> Plan:
    """Tell the little that is known of an archive before it is brought whole."""
    from colabpanel.services.sources.addresses import name_of
    from colabpanel.services.staging.far import whole_size

    assert wanted.spec is not None
    size, free = whole_size(wanted.spec, progress), free_bytes(places.directory)
    if size == 0:
        raise empty(name_of(wanted.source))
    plan = Plan(
        source=wanted.source,
        directory=places.directory,
        format=None,
        archive_size=size,
        files=None,
        size=None,
        free=free,
        existing=None,
        target_used=is_used(places.directory, places.partial),
        resumable=False,
        reusable=False,
        encrypted=None,
        cache=size or 0,
        seconds=None,
    )
    try:
        _insist_on_writing(places.directory)
        if size is not None and size > free:
            raise no_room(size, free)
    except InputError as error:
        return replace(plan, problem=error.message, hint=error.hint)
    return plan


class _Survey:
    """Counts what would be unpacked; gives up on counting after a few seconds."""

    def __init__(self, target: Path | None) -> None:
        self._target = target
        self.files: int | None = 0
        self.size: int | None = 0
        self.existing: int | None = 0
        self.skipped: list[Skipped] = []
        self._sizes: dict[Parts, list[int]] = {}

    def look(self, reader: Listing, wanted: Request, progress: Progress) -> None:
        deadline = time.monotonic() + _SURVEY_SECONDS
        files = existing = 0
        size: int | None = 0
        for member, place in triage(reader, wanted, folds_case=False):
            progress.advance(0)
            if isinstance(place, str):
                self.skipped.append(Skipped(member.name, place))
            elif member.kind is not Kind.FOLDER:
                files += 1
                size = None if size is None or member.size == UNKNOWN_SIZE else size + member.size
                self._sizes.setdefault(place[:-1], []).append(max(member.size, 0))
                existing += self._target is not None and os.path.lexists(self._target.joinpath(*place))
            if reader.size is None and time.monotonic() > deadline:
                self.files = self.size = self.existing = None
                return
        self.files, self.size, self.existing = files, size, existing

    def no_room(self, needed: int, free: int) -> SpaceError:
        """Return the error for files that do not fit, with a part of them that would."""
        error = no_room(needed, free)
        fits = self._files_per_folder(free)
        if fits:
            error.hint = f"The first {fits} files of each folder would fit: pass first_per_folder={fits}. {error.hint}"
        return error

    def _files_per_folder(self, free: int) -> int:
        """Return how many files of each folder fit at most."""
        low, high = 0, max(map(len, self._sizes.values()), default=0)
        while low < high:
            middle = (low + high + 1) // 2
            if sum(sum(sizes[:middle]) for sizes in self._sizes.values()) <= free:
                low = middle
            else:
                high = middle - 1
        return low


def _problem(plan: Plan, wanted: Request, reader: Listing, survey: _Survey) -> tuple[str, str]:
    try:
        if isinstance(reader, ZipReader):
            insist_on_password(reader, wanted.password)
        if plan.size is not None:
            Budget(wanted.limits, plan.archive_size or 0).spend(plan.size)
        _insist_on_writing(plan.directory)
        if plan.files == 0:
            insist_on_a_match(wanted, plan.skipped)
        needed = plan.disk
        if needed is not None and needed > plan.free and not (plan.resumable or plan.reusable):
            raise survey.no_room(needed, plan.free)
    except InputError as error:
        return error.message, error.hint
    return "", ""


def _insist_on_writing(directory: Path) -> None:
    if not os.access(existing_parent(directory), os.W_OK):
        raise PathError(f"You may not write to {directory}.", hint="Choose a target folder that you own.")
