"""Handing batches to workers, and taking what becomes of them, a few batches ahead."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, Literal, NamedTuple, Protocol

from colabpanel.services.staging.crew.batches import Batch
from colabpanel.services.staging.crew.process import ProcessWorker
from colabpanel.services.staging.crew.thread import ThreadWorker
from colabpanel.services.staging.crew.unpacker import Skips, Task

__all__ = ["Event", "Hire", "Mode", "Results", "choose", "hire", "processors", "work"]

Mode = Literal["threads", "processes"]

_LOOK = 0.25
_MANY_FILES = 6_000
_FEW_FILES, _FEW_BYTES = 100, 2 << 20
_MOST_WORKERS = 8


class Event(NamedTuple):
    """What workers tell.

    Attributes:
        written: Bytes of a large member that were written meanwhile.
        batch: The batch that is done, or None.
        skips: Its members that were left out, and why.
    """

    written: int = 0
    batch: Batch | None = None
    skips: Skips = []  # noqa: RUF012 - never changed


class Worker(Protocol):
    """Does one batch after another."""

    def submit(self, batch: Batch) -> None: ...
    def close(self) -> None: ...


Results = queue.SimpleQueue[tuple[Any, Any]]
"""Takes ``(worker, bytes written | skips of a batch | exception)`` from every worker."""

Hire = Callable[[Results], Sequence[Worker]]


def choose(files: int, size: int, workers: int | None) -> tuple[Mode, int]:
    """Return how the work is best shared.

    Threads start at once and are best for a few large members; processes are best for
    many small ones, each of which costs more Python than decoding.

    Args:
        files: How many are to be unpacked.
        size: Their bytes.
        workers: How many workers the user wants; None leaves it to the processors.
    """
    number = workers or min(processors(), _MOST_WORKERS)
    if files <= _FEW_FILES and size <= _FEW_BYTES:
        number = 1
    return ("processes" if files >= _MANY_FILES and number > 1 else "threads"), number


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def hire(task: Task, mode: Mode, number: int, process: Callable[[], Any] = lambda: None) -> Hire:
    """Return what starts so many workers on this machine, with processes that wait already, if there are any."""
    if mode == "threads":
        return lambda results: [ThreadWorker(task, results) for _ in range(number)]

    return lambda results: [ProcessWorker(task, results, process()) for _ in range(number)]


def work(batches: Iterable[Batch], start: Hire, *, credit: int = 3) -> Iterator[Event]:
    """Yield what happens while the batches are unpacked, at least four times a second.

    Args:
        batches: What is to be unpacked.
        start: Starts the workers.
        credit: How many batches a worker has at once, done in turn; its reading goes ahead of its unpacking.

    Raises:
        ColabPanelError: A worker cannot go on.
        OSError: The disk that is written to failed.
    """
    results: Results = queue.SimpleQueue()
    crew = start(results)
    with closing(_Crew(crew)):
        yield from _drive(iter(batches), crew, results, credit)


class _Crew:
    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


def _drive(batches: Iterator[Batch], crew: Sequence[Worker], results: Results, credit: int) -> Iterator[Event]:
    under_way: dict[Worker, list[Batch]] = {worker: [] for worker in crew}

    def feed(worker: Worker) -> None:
        batch = next(batches, None)
        if batch is not None:
            under_way[worker].append(batch)
            worker.submit(batch)

    for _ in range(credit):
        for worker in crew:
            feed(worker)
    while any(under_way.values()):
        try:
            worker, told = results.get(timeout=_LOOK)
        except queue.Empty:
            yield Event()
            continue
        if isinstance(told, Exception):
            raise told
        if isinstance(told, int):
            yield Event(written=told)
            continue
        feed(worker)
        yield Event(batch=under_way[worker].pop(0), skips=told)
