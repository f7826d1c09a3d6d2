"""The workers of a cluster as a crew: each batch of an archive is a task of its own.

The archive and the target must be on disks that every worker sees under the same paths. A
worker that dies is no loss: its tasks are done again by others.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError
from colabpanel.services.staging.cluster import tasks
from colabpanel.services.staging.cluster.address import connect, no_workers, words_of
from colabpanel.services.staging.crew.batches import Batch
from colabpanel.services.staging.crew.crew import Hire, Results
from colabpanel.services.staging.crew.unpacker import Task

__all__ = ["cluster_crew"]

_TASKS_PER_THREAD = 2
"""Tasks a thread of the cluster has at once: one it does, one that waits for it."""

_RETRIES = 3
_LOOK_FOR_WORKERS = 5.0
_GIVE_UP_AFTER = 12
"""Looks in a row that found no worker."""


@contextmanager
def cluster_crew(where: dict[str, Any], task: Task, mark: Path) -> Iterator[Hire]:
    """Connect to a cluster, and give what starts one worker for each place of its threads.

    Args:
        where: The scheduler, from `address.address_of`.
        task: What is unpacked.
        mark: A file beside the target by which its workers show that they see the same disk.

    Raises:
        InputError: A worker does not see the archive or the target, or has no colabpanel.
        StorageError: The scheduler does not answer, or has no workers.
    """
    run = f"colabpanel-{uuid.uuid4().hex}"
    with connect(where) as client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise no_workers()
        _insist_on_one_disk(client, task, mark)

        def start(results: Results) -> list[_ClusterWorker]:
            watch = _Watch(client, results)
            places = range(threads * _TASKS_PER_THREAD)
            return [_ClusterWorker(client, run, task, results, watch.close) for _ in places]

        try:
            yield start
        except BaseException:
            with contextlib.suppress(Exception):  # the cluster may be gone
                client.run(tasks.stop, run)
            raise


def _insist_on_one_disk(client: Any, task: Task, mark: Path) -> None:
    size = Path(task.source).stat().st_size
    try:
        answers = client.run(tasks.sees, task.source, size, str(mark), mark.read_bytes())
    except Exception as error:
        raise words_of(error) from error
    blind = sorted(worker for worker, sees in answers.items() if not sees)
    if blind:
        raise InputError(
            f"{len(blind)} of {len(answers)} workers do not see the archive and the target, as {blind[0]}.",
            hint='Put both on a disk that all of them share, or pass mode="replica" for a copy on each machine.',
        )


class _Watch:
    """Looks now and then whether the cluster still has workers."""

    def __init__(self, client: Any, results: Results) -> None:
        self._client, self._results = client, results
        self._closed = threading.Event()
        threading.Thread(target=self._look, name="colabpanel-cluster", daemon=True).start()

    def _look(self) -> None:
        alone = 0
        while not self._closed.wait(_LOOK_FOR_WORKERS):
            with contextlib.suppress(Exception):  # then it has none
                alone = -1 if self._client.nthreads() else alone
            alone += 1
            if alone >= _GIVE_UP_AFTER:
                self._results.put((self, no_workers()))
                return

    def close(self) -> None:
        self._closed.set()


class _ClusterWorker:
    """A place for one task at a time, wherever the scheduler lets it run."""

    def __init__(self, client: Any, run: str, task: Task, results: Results, closed: Callable[[], None]) -> None:
        self._client, self._run, self._task, self._results, self._closed = client, run, tuple(task), results, closed
        self._future: Any = None

    def submit(self, batch: Batch) -> None:
        """Make a batch a task of the cluster."""
        shard = (batch.start, batch.end, [tuple(job) for job in batch.jobs], batch.is_large)
        written = batch.jobs[0].size if batch.is_large else 0
        self._future = self._client.submit(
            tasks.unpack_shard, self._run, self._task, shard, pure=False, retries=_RETRIES
        )
        self._future.add_done_callback(lambda future: self._done(future, written))

    def _done(self, future: Any, written: int) -> None:
        try:
            skips = [tuple(skip) for skip in future.result()]
        except BaseException as error:  # noqa: BLE001 - raised again where results are taken
            self._results.put((self, words_of(error)))
        else:
            if written:
                self._results.put((self, written))
            self._results.put((self, skips))

    def close(self) -> None:
        """Let go of the task."""
        self._closed()
        if self._future is not None:
            self._future.release()
