"""Cutting an archive into batches: neighbouring members that are read in one go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from colabpanel.services.staging.names import Parts
from colabpanel.services.staging.zips.entries import Entry

__all__ = ["LARGE", "Batch", "Job", "cut"]

LARGE = 8 << 20
"""Bytes from which a member, packed or not, is a batch of its own and goes through memory in pieces."""

_MOST_JOBS = 512
_MOST_BYTES = 4 << 20
_WIDEST_GAP = 64 << 10
_LONGEST_HEADER = 30 + 2 * 65_535


class Job(NamedTuple):
    """One member to be unpacked. Workers get it as a plain tuple, with the entry as another."""

    number: int
    place: Parts
    executable: bool
    modified: float | None
    entry: Entry


class Batch(NamedTuple):
    """Neighbouring members.

    Attributes:
        start: Where their bytes begin in the archive.
        end: Where they end.
        jobs: The members; a large one is alone.
        is_large: Whether it is one large member.
    """

    start: int
    end: int
    jobs: tuple[Job, ...]
    is_large: bool


def cut(jobs: Iterable[tuple[Job, int]]) -> Iterator[Batch]:
    """Yield batches of jobs, which come in the order of the archive, each with where it ends at the latest."""
    batch: list[Job] = []
    start = end = 0
    for job, limit in jobs:
        entry = job.entry
        job_end = min(limit, entry.offset + _LONGEST_HEADER + entry.packed)
        if entry.packed > LARGE or entry.size > LARGE:
            yield Batch(entry.offset, job_end, (job,), is_large=True)
            continue
        too_wide = entry.offset - end > _WIDEST_GAP or job_end - start > _MOST_BYTES
        if batch and (too_wide or len(batch) == _MOST_JOBS):
            yield Batch(start, end, tuple(batch), is_large=False)
            batch = []
        if not batch:
            start = entry.offset
        batch.append(job)
        end = job_end
    if batch:
        yield Batch(start, end, tuple(batch), is_large=False)
