"""Unpacking a zip archive into the partial tree, with workers side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from colabpanel.progress import Progress
from colabpanel.services.sources import AT_ONCE
from colabpanel.services.staging.archive import Kind, Member
from colabpanel.services.staging.budget import Budget, SkipList
from colabpanel.services.staging.crew.batches import Batch, Job, cut
from colabpanel.services.staging.crew.crew import Hire, Mode, choose, hire, work
from colabpanel.services.staging.crew.early import EarlyProcesses
from colabpanel.services.staging.crew.unpacker import Skips, Task
from colabpanel.services.staging.extract import in_words, is_done
from colabpanel.services.staging.names import Parts
from colabpanel.services.staging.partial import Outcome, Partial
from colabpanel.services.staging.request import Request
from colabpanel.services.staging.triage import folds_case, triage
from colabpanel.services.staging.zips.reader import ZipReader
from colabpanel.services.tree import Tree

__all__ = ["extract_zip"]

_READERS = 3
"""Reads under way at once, for each worker; of a far archive, several for all of them together."""

_AHEAD = 3
"""Batches a worker has at once: one it unpacks, the others being read."""


def extract_zip(
    reader: ZipReader,
    partial: Partial,
    request: Request,
    *,
    total: int,
    files: int,
    early: EarlyProcesses,
    progress: Progress,
) -> Outcome:
    """Unpack every wanted member into the partial tree.

    Args:
        reader: The archive.
        partial: Opened; members in its ``done`` are not unpacked again.
        request: What is wanted.
        total: Unpacked bytes of the wanted members.
        files: How many they are.
        early: Processes that wait for work.
        progress: Is told the bytes, and may cancel.
    """
    progress.start(total, "Unpacking")
    chosen = choose(files, total, request.workers)
    readers = max(_READERS, -(-AT_ONCE // chosen[1])) if reader.source.is_far else _READERS
    task = Task(reader.source.reference, str(partial.files), request.password, readers, reader.prefix)
    with closing(Tree(partial.files)) as tree:
        extraction = _Extraction(reader, tree, partial, request, progress)
        try:
            with _crew(task, partial, request, chosen, early) as (start, credit):
                for event in work(cut(extraction.jobs()), start, credit=credit):
                    progress.advance(event.written)
                    if event.batch is not None:
                        extraction.note(event.batch, event.skips)
        except OSError as error:
            raise in_words(error, partial.folder) from error
        finally:
            partial.flush()
    return extraction.outcome()


@contextmanager
def _crew(
    task: Task, partial: Partial, request: Request, chosen: tuple[Mode, int], early: EarlyProcesses
) -> Iterator[tuple[Hire, int]]:
    """Give workers of this machine, or those of the cluster, and how many batches each may have at once."""
    if request.cluster is None:
        yield hire(task, *chosen, early.take), _AHEAD
        return
    from colabpanel.services.staging.cluster.crew import cluster_crew

    with cluster_crew(request.cluster, task, partial.mark) as start:
        yield start, 1


class _Extraction:
    def __init__(self, reader: ZipReader, tree: Tree, partial: Partial, request: Request, progress: Progress) -> None:
        self._reader, self._tree, self._partial, self._request = reader, tree, partial, request
        self._progress = progress
        self._budget = Budget(request.limits, reader.source.size)
        self._skips = SkipList()
        self._files = self._size = 0

    def jobs(self) -> Iterator[tuple[Job, int, int]]:
        """Yield what is still to be unpacked, and where it begins and ends; folders are made on the way."""
        for member, place in triage(self._reader, self._request, folds_case=folds_case(self._partial.folder)):
            if isinstance(place, str):
                self._skips.add(member.name, place)
            elif member.kind is Kind.FOLDER:
                if place:
                    self._tree.make_folder(place)
            elif not self._is_done(member, place):
                record, start, end = self._reader.located(member.number)
                yield Job(member.number, place, member.size, record), start, end

    def _is_done(self, member: Member, place: Parts) -> bool:
        """Count a member's size, and whether an earlier run unpacked it."""
        self._budget.spend(member.size)
        if not (self._partial.done and is_done(self._partial, self._tree, member.number, place)):
            return False
        self._files += 1
        self._size += member.size
        self._progress.advance(member.size)
        return True

    def note(self, batch: Batch, skips: Skips) -> None:
        """Take down what became of a batch."""
        left_out = dict(skips)
        done = [(job.number, job.size) for job in batch.jobs if job.number not in left_out]
        for job in batch.jobs if left_out else ():
            if job.number in left_out:
                self._skips.add("/".join(job.place), left_out[job.number])
        self._partial.note_all(done)
        self._files += len(done)
        self._size += sum(size for _, size in done)
        self._progress.advance(0 if batch.is_large else sum(job.size for job in batch.jobs))

    def outcome(self) -> Outcome:
        """Return the sum of it."""
        return Outcome(self._files, self._size, self._skips.all())
