"""Transfers one after another, in an order that can be changed; each can be paused, cancelled and tried again."""

from __future__ import annotations

import itertools
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from colabpanel.errors import ColabPanelError, InputError
from colabpanel.jobs import Job, JobSnapshot
from colabpanel.progress import Progress
from colabpanel.services.transfer.history import PastTransfer, TransferHistory

__all__ = ["Outcome", "QueuedTransfer", "Submit", "Transfer", "TransferQueue"]

_LOG = logging.getLogger("colabpanel")
_LOOK = 0.1
_MOST_ENDED = 50


@dataclass(frozen=True)
class Outcome:
    """How a transfer ended.

    Attributes:
        status: ``ok`` or ``partial``.
        message: A sentence.
        size: Bytes, or None.
        hint: What to do next.
        link: Where to find what was transferred, or empty.
        details: What was left out, and why.
    """

    status: str
    message: str
    size: int | None = None
    hint: str = ""
    link: str = ""
    details: str = ""


@dataclass(frozen=True)
class Transfer:
    """Something to be transferred.

    Attributes:
        kind: ``download`` or ``upload``.
        title: What it is, in a few words.
        work: Does it, and returns how it ended.
        paths: What on this machine it touches.
        page: The page whose files it takes, or empty.
        again: What it takes to do it again from the history: keyword arguments, as JSON.
    """

    kind: str
    title: str
    work: Callable[[Progress], Outcome]
    paths: tuple[str, ...] = ()
    page: str = ""
    again: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class QueuedTransfer:
    """A transfer of the queue, at one moment.

    Attributes:
        key: Names it in calls of the queue.
        transfer: What it is.
        status: ``waiting``, ``running``, ``paused``, or how it ended.
        message: How it ended, in one sentence.
        hint: What to do about it.
        details: More about it: what was left out, or a traceback.
        link: Where to find what was transferred.
        snapshot: How far it is, while it runs.
    """

    key: str
    transfer: Transfer
    status: str
    message: str = ""
    hint: str = ""
    details: str = ""
    link: str = ""
    snapshot: JobSnapshot | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.status not in {"waiting", "running", "paused"}


class Submit(Protocol):
    """What starts a job, as `colabpanel.jobs.JobRunner.submit`."""

    def __call__(self, name: str, work: Callable[[Progress], None], /) -> Job[None]: ...


class TransferQueue:
    """Runs transfers in order, so many at once.

    Args:
        submit: Starts a job.
        history: Is told how each ended.
        at_once: How many run at the same time.
        clock: Tells the time, in seconds since the epoch.
    """

    def __init__(
        self,
        submit: Submit,
        history: TransferHistory,
        *,
        at_once: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._submit, self._history, self._at_once, self._clock = submit, history, at_once, clock
        self._lock = threading.RLock()
        self._items: list[_Item] = []

    def add(self, transfer: Transfer) -> str:
        """Put a transfer at the end, and start it when its turn comes; returns its key."""
        item = _Item(transfer)
        with self._lock:
            ended = [old for old in self._items if old.ended]
            for old in ended[: max(len(ended) - _MOST_ENDED, 0)]:
                self._items.remove(old)
            self._items.append(item)
        self._start_next()
        return item.key

    def items(self) -> tuple[QueuedTransfer, ...]:
        """Return all of them, in their order."""
        with self._lock:
            return tuple(item.seen() for item in self._items)

    def pause(self, key: str) -> None:
        """Hold a transfer: one that runs stops where it is, one that waits is passed over."""
        with self._lock:
            item = self._item(key)
            if not item.ended:
                item.gate.clear()
        self._start_next()

    def resume(self, key: str) -> None:
        """Let a transfer go on."""
        with self._lock:
            self._item(key).gate.set()
        self._start_next()

    def cancel(self, key: str) -> None:
        """Stop a transfer, or take one that waits out of the queue."""
        with self._lock:
            item = self._item(key)
            if item.running:
                item.is_unwanted = True
                item.gate.set()
                if item.job is not None:
                    item.job.cancel()
            elif not item.ended:
                item.end(Outcome("cancelled", "Cancelled."))
        self._start_next()

    def retry(self, key: str) -> str:
        """Put a transfer that has ended back to the end of the queue; returns its new key.

        Raises:
            InputError: It has not ended.
        """
        with self._lock:
            item = self._item(key)
            if not item.ended:
                raise InputError("This transfer has not ended yet.", hint="Cancel it first.")
            self._items.remove(item)
        return self.add(item.transfer)

    def move(self, key: str, by: int) -> None:
        """Move a transfer up (negative) or down among those that have not ended."""
        with self._lock:
            item = self._item(key)
            waiting = [other for other in self._items if not other.ended]
            if item not in waiting:
                return
            place = min(max(waiting.index(item) + by, 0), len(waiting) - 1)
            waiting.remove(item)
            waiting.insert(place, item)
            self._items = [other for other in self._items if other.ended] + waiting

    def remove(self, key: str) -> None:
        """Forget a transfer that has ended."""
        with self._lock:
            item = self._item(key)
            if item.ended:
                self._items.remove(item)

    def _item(self, key: str) -> _Item:
        for item in self._items:
            if item.key == key:
                return item
        raise InputError("This transfer is not in the queue any more.")

    def _start_next(self) -> None:
        with self._lock:
            running = sum(item.running and item.gate.is_set() for item in self._items)
            waiting = [item for item in self._items if item.status == "waiting" and item.gate.is_set()]
            starting = list(itertools.islice(waiting, max(self._at_once - running, 0)))
            for item in starting:
                item.status = "running"
        for item in starting:
            try:
                job = self._submit("transfer", item.run)
            except ColabPanelError as error:  # it would stand in the way of all others
                with self._lock:
                    item.end(Outcome("failed", error.message, hint=error.hint))
                continue
            with self._lock:
                item.job = None if job.done() else job
                if item.is_unwanted:  # it was cancelled before there was a job
                    job.cancel()
            job.add_done_callback(lambda job, item=item: self._ended(item, job))  # type: ignore[misc]  # bound now

    def _ended(self, item: _Item, job: Job[None]) -> None:
        with self._lock:
            item.finish(job)
        transfer, outcome = item.transfer, item.outcome
        assert outcome is not None
        self._history.add(
            PastTransfer(
                key=item.key,
                kind=transfer.kind,
                title=transfer.title,
                ended=self._clock(),
                status=outcome.status,
                message=outcome.message,
                size=outcome.size,
                paths=list(transfer.paths),
                again=transfer.again,
            )
        )
        self._start_next()


class _Item:
    """A transfer of the queue, and its gate, which is closed while it is paused."""

    def __init__(self, transfer: Transfer) -> None:
        self.key, self.transfer = uuid.uuid4().hex, transfer
        self.status, self.is_unwanted = "waiting", False
        self.job: Job[None] | None = None
        self.outcome: Outcome | None = None
        self.gate = threading.Event()
        self.gate.set()

    @property
    def running(self) -> bool:
        return self.status == "running"

    @property
    def ended(self) -> bool:
        return self.status not in {"waiting", "running"}

    def run(self, progress: Progress) -> None:
        self.outcome = self.transfer.work(_Gated(progress, self.gate))

    def end(self, outcome: Outcome) -> None:
        self.job, self.outcome, self.status = None, outcome, outcome.status

    def finish(self, job: Job[None]) -> None:
        error, outcome = job.exception(), self.outcome
        if isinstance(error, ColabPanelError):
            outcome = Outcome(error.status, error.message, hint=error.hint)
        elif error is not None or outcome is None:
            _LOG.error("Unexpected error", exc_info=error)
            outcome = Outcome("failed", "Unexpected error.", details=job.traceback)
        self.end(outcome)

    def seen(self) -> QueuedTransfer:
        paused = not self.ended and not self.gate.is_set()
        status = "paused" if paused else self.status
        if self.ended and self.outcome is not None:
            ended = self.outcome
            return QueuedTransfer(self.key, self.transfer, status, ended.message, ended.hint, ended.details, ended.link)
        snapshot = self.job.snapshot() if self.job is not None else None
        return QueuedTransfer(self.key, self.transfer, status, snapshot=snapshot)


class _Gated(Progress):
    """Stops the work at its next `advance` while the gate is closed."""

    def __init__(self, progress: Progress, gate: threading.Event) -> None:
        self._progress, self._gate = progress, gate

    def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
        self.advance(0)
        self._progress.start(total, description, unit=unit, cancellable=cancellable)

    def advance(self, amount: int = 1) -> None:
        self._progress.advance(amount)
        while not self._gate.wait(_LOOK):
            self._progress.advance(0)
