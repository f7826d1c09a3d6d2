"""Cutting an archive into batches: neighbouring members that are read in one go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from colabpanel.services.staging.names import Parts

__all__ = ["LARGE", "Batch", "Job", "cut"]

LARGE = 8 << 20
"""Bytes from which a member, packed or not, is a batch of its own and goes through memory in pieces."""

_MOST_JOBS = 512
_MOST_BYTES = 4 << 20
_WIDEST_GAP = 64 << 10


class Job(NamedTuple):
    """One member to be unpacked.

    Attributes:
        number: Which one it is.
        place: Where it goes.
        size: Its unpacked bytes.
        record: Its entry as it stands in the table of contents; workers read it.
    """

    number: int
    place: Parts
    size: int
    record: bytes


class Batch(NamedTuple):
    """Neighbouring members.

    Attributes:
        start: Where their bytes begin in the archive.
        end: Where they end at the latest.
        jobs: The members; a large one is alone.
        is_large: Whether it is one large member.
    """

    start: int
    end: int
    jobs: Sequence[Job]
    is_large: bool


def cut(jobs: Iterable[tuple[Job, int, int]]) -> Iterator[Batch]:
    """Yield batches of jobs, which come in the order of the archive, each with where it begins and ends."""
    batch: list[Job] = []
    start = end = 0
    for job, job_start, job_end in jobs:
        if job_end - job_start > LARGE or job.size > LARGE:
            yield Batch(job_start, job_end, [job], is_large=True)
            continue
        if batch and (job_end - start > _MOST_BYTES or job_start - end > _WIDEST_GAP or len(batch) == _MOST_JOBS):
            yield Batch(start, end, batch, is_large=False)
            batch = []
        if not batch:
            start = job_start
        batch.append(job)
        end = job_end
    if batch:
        yield Batch(start, end, batch, is_large=False)
