"""What runs on the workers of a cluster. Everything here takes and returns plain values."""

from __future__ import annotations

import contextlib
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from colabpanel.errors import JobBusyError, JobCancelledError
from colabpanel.progress import Progress
from colabpanel.services.staging.crew.batches import Batch, Job
from colabpanel.services.staging.crew.unpacker import Skips, Task, Unpacker

__all__ = ["sees", "stage_replica", "stop", "unpack_shard"]

_TELL_EVERY, _WAIT = 0.2, 0.5
_stopped: set[str] = set()


def stop(run: str) -> None:
    """Make the tasks of a run end at their next step."""
    _stopped.add(run)


def sees(source: str, size: int, mark: str, content: bytes) -> bool:
    """Whether this worker finds the same archive, and the same folder to unpack into."""
    with contextlib.suppress(OSError):
        return Path(source).stat().st_size == size and Path(mark).read_bytes() == content
    return False


def unpack_shard(run: str, task: tuple[Any, ...], shard: tuple[int, int, list[tuple[Any, ...]], bool]) -> Skips:
    """Unpack one batch; returns which members were left out, and why."""
    start, end, jobs, is_large = shard
    batch = Batch(start, end, [Job(*job) for job in jobs], is_large)
    insist_on_going_on(run)
    with closing(Unpacker(Task(*task), lambda _: insist_on_going_on(run))) as unpacker:
        return unpacker.finish(batch, unpacker.begin(batch))


def insist_on_going_on(run: str) -> None:
    """Raise when the run was cancelled."""
    if run in _stopped:
        raise JobCancelledError


class EventProgress(Progress):
    """Tells the scheduler how far a replica is, a few times a second.

    Args:
        run: The run, which is the topic of the events, too.
    """

    def __init__(self, run: str) -> None:
        from distributed import get_worker

        self._worker, self._run = get_worker(), run
        self._total: int | None = None
        self._done, self._told = 0, 0.0

    def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
        self.advance(0)
        self._total, self._done = (total if unit == "bytes" else None), 0

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        if time.monotonic() - self._told > _TELL_EVERY and self._total:
            self._told = time.monotonic()
            self._worker.log_event(self._run, {"host": self._worker.address, "done": self._done, "total": self._total})
        insist_on_going_on(self._run)


def stage_replica(run: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Stage on this machine; returns the fields of `StagedData` as plain values."""
    from colabpanel.services.staging.service import stage

    while True:
        try:
            staged = stage(**arguments, progress=EventProgress(run))
        except JobBusyError:  # a machine that shares this one's disk is at it
            insist_on_going_on(run)
            time.sleep(_WAIT)
        else:
            return {**vars(staged), "directory": str(staged.directory)}
