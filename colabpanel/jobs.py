"""Long work: how it reports progress, how it is cancelled, and who runs it.

A service takes a `Progress` and calls ``start`` once and ``advance`` often; every
``advance`` is also the place where a cancelled job stops. Whoever shows the work
holds the `Job` and reads `Job.snapshot` whenever it likes.
"""

from __future__ import annotations

import contextlib
import enum
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from colabpanel.errors import JobBusyError, JobCancelledError
from colabpanel.progress import Progress

__all__ = ["Job", "JobRunner", "JobSnapshot", "JobState", "Spawn", "spawn_thread"]

T = TypeVar("T")
P = ParamSpec("P")

Spawn = Callable[[Callable[[], None], str], None]

_RATE_WINDOW = 5.0


class JobState(enum.Enum):
    """Where a job is in its life."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


@dataclass(frozen=True)
class JobSnapshot:
    """A job at one moment.

    Attributes:
        state: Where the job is in its life.
        description: What the current phase does.
        done: Units finished in this phase.
        total: Units of this phase, or None when unknown.
        unit: ``bytes``, or a plural noun.
        rate: Units per second over the last seconds, or None when unknown.
        elapsed: Seconds since the job began to run.
        cancelling: Whether it was asked to stop and has not stopped yet.
        cancellable: Whether the current phase can be stopped.
    """

    state: JobState
    description: str
    done: int
    total: int | None
    unit: str
    rate: float | None
    elapsed: float
    cancelling: bool
    cancellable: bool = True

    @property
    def fraction(self) -> float | None:
        """The finished share from 0 to 1, or None when the total is unknown."""
        if self.total is None:
            return None
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """The expected rest in seconds, or None when it cannot be told."""
        if self.total is None or not self.rate:
            return None
        return max(self.total - self.done, 0) / self.rate


class Job(Progress, Generic[T]):
    """One piece of long work, with the method names of ``concurrent.futures.Future``.

    Args:
        name: What it is called.
        is_look: Whether it is a short look at something, whose end nobody has to wait for.
        clock: Tells the time in seconds.
    """

    def __init__(self, name: str, *, is_look: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.is_look = name, is_look
        self.traceback = ""
        self._clock = clock
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._cancel_asked, self._cancellable = False, True
        self._state = JobState.PENDING
        self._description, self._unit = name, "bytes"
        self._done, self._total = 0, None  # type: int, int | None
        self._samples: deque[tuple[float, int]] = deque()
        self._began = self._ended = clock()
        self._result: T | None = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Job[T]], None]] = []

    def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
        """Begin a phase; see `Progress.start`."""
        self.advance(0)
        with self._lock:
            self._total, self._description, self._unit, self._done = total, description, unit, 0
            self._cancellable = cancellable
            self._samples.clear()
            self._samples.append((self._clock(), 0))

    def advance(self, amount: int = 1) -> None:
        """Count finished units, or stop here when cancelled; see `Progress.advance`."""
        with self._lock:
            self._done += amount
        if self._cancel_asked and self._cancellable:
            raise JobCancelledError

    def snapshot(self) -> JobSnapshot:
        """Return the job as it stands; cheap, and safe on any thread."""
        with self._lock:
            now = self._ended if self._state.finished else self._clock()
            return JobSnapshot(
                state=self._state,
                description=self._description,
                done=self._done,
                total=self._total,
                unit=self._unit,
                rate=self._rate(now),
                elapsed=now - self._began,
                cancelling=self._cancel_asked and not self._state.finished,
                cancellable=self._cancellable,
            )

    def _rate(self, now: float) -> float | None:
        samples = self._samples
        if not samples:
            return None
        if now > samples[-1][0]:
            samples.append((now, self._done))
        while len(samples) > 2 and now - samples[1][0] > _RATE_WINDOW:  # noqa: PLR2004 - keep a span
            samples.popleft()
        (then, before), (last, done) = samples[0], samples[-1]
        return (done - before) / (last - then) if last > then else None

    def cancel(self) -> bool:
        """Ask the job to stop at its next `advance`; False when it is over already."""
        with self._lock:
            self._cancel_asked = not self._state.finished
            return self._cancel_asked

    def cancelled(self) -> bool:
        """Whether the job ended because it was cancelled."""
        return self._state is JobState.CANCELLED

    def running(self) -> bool:
        """Whether the job is at work."""
        return self._state is JobState.RUNNING

    def done(self) -> bool:
        """Whether the job is over, however it ended."""
        return self._finished.is_set()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end and return the error, or None if there was none.

        Raises:
            TimeoutError: The job still runs after ``timeout`` seconds.
        """
        if not self._finished.wait(timeout):
            raise TimeoutError(f"{self.name} still runs")
        return self._error

    def result(self, timeout: float | None = None) -> T:
        """Wait for the end and return what the work returned.

        Raises:
            TimeoutError: The job still runs after ``timeout`` seconds.
            BaseException: Whatever the work raised.
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self._result  # type: ignore[return-value]  # a finished job has its result

    def add_done_callback(self, callback: Callable[[Job[T]], None]) -> None:
        """Call ``callback(job)`` when the job is over, at once if it is already."""
        with self._lock:
            if not self._state.finished:
                self._callbacks.append(callback)
                return
        callback(self)

    def run(self, work: Callable[[], T]) -> None:
        """Do the work on this thread and keep its outcome."""
        with self._lock:
            self._state, self._began = JobState.RUNNING, self._clock()
        state = JobState.SUCCEEDED
        try:
            self.advance(0)
            self._result = work()
        except JobCancelledError as error:
            state, self._error = JobState.CANCELLED, error
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller of result()
            state, self._error = JobState.FAILED, error
            self.traceback = traceback.format_exc()
        with self._lock:
            self._state, self._ended = state, self._clock()
            callbacks, self._callbacks = self._callbacks, []
        self._finished.set()
        for callback in callbacks:
            callback(self)


def spawn_thread(work: Callable[[], None], name: str) -> None:
    """Run work on a daemon thread: one that hangs cannot hold up the end of the kernel."""
    threading.Thread(target=work, name=name, daemon=True).start()


class JobRunner:
    """Starts jobs and can cancel all of them.

    Args:
        spawn: Runs a function somewhere; tests pass one that runs it at once.
    """

    def __init__(self, spawn: Spawn = spawn_thread) -> None:
        self._spawn = spawn
        self._lock = threading.Lock()
        self._jobs: dict[Job[Any], None] = {}
        self._noting: list[list[Job[Any]]] = []
        self._closed = False

    def submit(
        self, name: str, work: Callable[Concatenate[Progress, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Job[T]:
        """Start ``work(job, *args, **kwargs)`` and return its job.

        Raises:
            JobBusyError: The runner was closed, or the machine starts no more threads.
        """
        job: Job[T] = Job(name)
        return self._begin(job, lambda: work(job, *args, **kwargs))

    def look(self, name: str, work: Callable[[Progress], T]) -> Job[T]:
        """Start a short look at something, whose end nobody has to wait for.

        Raises:
            JobBusyError: As for `submit`.
        """
        job: Job[T] = Job(name, is_look=True)
        return self._begin(job, lambda: work(job))

    def _begin(self, job: Job[T], work: Callable[[], T]) -> Job[T]:
        with self._lock:
            if self._closed:
                raise JobBusyError("This panel is closed.", hint="Run colabpanel.show() again.")
            self._jobs[job] = None
            for noted in self._noting:
                noted.append(job)
        job.add_done_callback(self._forget)
        try:
            self._spawn(lambda: job.run(work), f"colabpanel-{job.name}")
        except RuntimeError as error:
            self._forget(job)
            raise JobBusyError(
                "This machine starts no more threads.", hint="End what runs there, or restart the kernel."
            ) from error
        return job

    def __iter__(self) -> Iterator[Job[Any]]:
        with self._lock:
            return iter(list(self._jobs))

    @contextlib.contextmanager
    def noting(self) -> Iterator[list[Job[Any]]]:
        """Keep a list of what runs and of what begins within the context; what has ended meanwhile stays in it."""
        with self._lock:
            noted = list(self._jobs)
            self._noting.append(noted)
        try:
            yield noted
        finally:
            with self._lock:
                self._noting = [one for one in self._noting if one is not noted]

    def _forget(self, job: Job[Any]) -> None:
        with self._lock:
            self._jobs.pop(job, None)

    def close(self, timeout: float = 5.0) -> None:
        """Cancel every job, accept no new one, and wait up to ``timeout`` seconds for them."""
        with self._lock:
            self._closed = True
        deadline = time.monotonic() + timeout
        jobs = list(self)
        for job in jobs:
            job.cancel()
        for job in jobs:
            with contextlib.suppress(TimeoutError):
                job.exception(max(deadline - time.monotonic(), 0))
                self._forget(job)  # its own thread may not have come to that yet
