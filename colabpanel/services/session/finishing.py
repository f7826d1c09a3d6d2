"""Finishing a session: once all work is done and what was saved is safe, the runtime is released."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from colabpanel.errors import ColabPanelError, HostError, InputError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.session.safety import SafetyCheck, insist_on_safety, look_whether_safe
from colabpanel.services.waiting import result_of

__all__ = ["Finished", "Waited", "finish"]

_LOOKS_PER_SECOND = 4
_LONGEST_COUNTDOWN = 3600.0


class Waited(Protocol):
    """Work that can be waited for: a job or a future."""

    def done(self) -> bool: ...
    def exception(self, timeout: float | None = None) -> BaseException | None: ...


@dataclass(frozen=True)
class Finished:
    """The runtime was released.

    Attributes:
        checks: What was looked at before.
    """

    checks: tuple[SafetyCheck, ...]


def finish(
    *,
    jobs: Iterable[Waited] | Callable[[], Iterable[Waited]] = (),
    countdown: float = 60.0,
    anyway: bool = False,
    changed_since: Callable[[], float | None] = lambda: None,
    looked: Callable[[Sequence[SafetyCheck]], None] = lambda _: None,
    host: Host | None = None,
    progress: Progress | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> Finished:
    """Wait until nothing runs, look whether everything is safe, count down, and release the runtime. On Colab only.

    Drive is written out and unmounted first. The disk of the machine goes with the runtime: what lies on it and was
    not copied is lost. A cell or a job that begins during the countdown is waited for, and all begins anew.

    Args:
        jobs: Work to wait for besides cells; a function is asked again and again.
        countdown: Seconds in which it can still be cancelled through ``progress``, or by interrupting the cell.
        anyway: Release the runtime even though something may be lost or cannot be told; never when something failed.
        changed_since: Tells when the last cell began, in seconds since 1970, or None where that is not known.
        looked: Is told what was looked at, before anything is decided.
        host: The notebook host; None detects it.
        progress: Is told what is waited for.
        pause: Waits for so many seconds.

    Raises:
        HostError: The host does not release its runtime, this is the dashboard, or Drive could not be written out.
        InputError: The countdown is none.
        ColabPanelError: Work failed or was cancelled, or something is not safe; nothing was released.
        JobCancelledError: ``progress`` cancelled it; nothing was released.
    """
    host = host or detect()
    _insist_on_runtime(host)
    if not 0 <= countdown <= _LONGEST_COUNTDOWN:
        raise InputError("A countdown takes from 0 to 3,600 seconds.", hint="Write 60 for a minute.")
    given = jobs if callable(jobs) else tuple(jobs)
    ending = _Ending(host, given if callable(given) else lambda: given, progress or Progress(), pause)
    try:
        while True:
            ending.wait()
            checks = look_whether_safe(host, changed_since=changed_since(), progress=ending.progress)
            looked(checks)
            insist_on_safety(checks, anyway=anyway)
            if ending.count_down(math.ceil(countdown)) and ending.release():
                return Finished(checks)
    finally:
        ending.close()


def _insist_on_runtime(host: Host) -> None:
    if host.is_served:
        raise HostError("The dashboard does not end the machine it runs on.", hint="Ask whoever serves it.")
    if not host.releases_runtime:
        raise HostError(
            f"{host.name} cannot release the machine.", hint="Shut the kernel down: that frees what it holds."
        )


class _Ending:
    """Waits for work, and notices what begins meanwhile.

    Args:
        host: The notebook host.
        jobs: Tells the jobs that run.
        progress: Is told what is waited for, and may cancel it.
        pause: Waits for so many seconds.
    """

    def __init__(
        self,
        host: Host,
        jobs: Callable[[], Iterable[Waited]],
        progress: Progress,
        pause: Callable[[float], object],
    ) -> None:
        self._host, self._jobs, self.progress, self._pause = host, jobs, progress, pause
        self._known: dict[int, Waited] = {}
        self._cell_began, self._is_apart = False, threading.current_thread() is not threading.main_thread()
        self.close = host.on_cell(self._note_cell, lambda: None)

    def _note_cell(self) -> None:
        self._cell_began = True

    def wait(self) -> None:
        """Wait until no cell and no job runs.

        Raises:
            ColabPanelError: A job failed or was cancelled.
        """
        self.progress.start(None, "Waiting until no cell and no job runs", unit="seconds")
        self._note_jobs()
        while True:
            result_of(self._host.on_main_thread(self._forget_cells), self.progress)
            if not self._is_disturbed():
                return
            self._rest()

    def _note_jobs(self) -> None:
        self._known.update({id(job): job for job in self._jobs()})

    def _forget_cells(self) -> None:
        self._cell_began = False

    def _is_disturbed(self) -> bool:
        """Whether a job or, apart from one that finishes itself, a cell runs, or has begun since it was waited for."""
        self._note_jobs()
        ended = [job for job in self._known.values() if job.done()]
        for job in ended:
            _insist_on_success(job)
        runs_cell = self._is_apart and self._host.runs_cell  # it may await, and leave the main thread free
        return runs_cell or self._cell_began or len(ended) < len(self._known)

    def _rest(self) -> None:
        self._pause(1 / _LOOKS_PER_SECOND)
        self.progress.advance(0)

    def count_down(self, seconds: int) -> bool:
        """Let seconds pass in which it can be cancelled; returns False when something began meanwhile."""
        self.progress.start(seconds, "Releasing the runtime, unless you cancel", unit="seconds")
        for _ in range(seconds):
            for _ in range(_LOOKS_PER_SECOND):
                self._rest()
                if self._is_disturbed():
                    return False
            self.progress.advance(1)
        return True

    def release(self) -> bool:
        """Release the runtime once no cell runs; returns False when something began meanwhile."""
        self.progress.start(None, "Waiting until no cell runs", unit="seconds")
        return result_of(self._host.on_main_thread(self._let_go), self.progress)

    def _let_go(self) -> bool:
        if self._is_disturbed():
            return False
        self.progress.start(None, "Writing out Drive, and releasing the runtime", unit="seconds", cancellable=False)
        if self._host.drive_mountpoint is not None:
            self._host.unmount_drive()
        self._host.release_runtime()
        return True


def _insist_on_success(job: Waited) -> None:
    try:
        error = job.exception(0)
    except Exception as cancelled:  # noqa: BLE001 - a future raises that it was cancelled
        error = cancelled
    if error is not None:
        reason = str(error).rstrip(".") or type(error).__name__
        raise ColabPanelError(
            f"Work that was waited for did not succeed: {reason}. Nothing was released.",
            hint="See to it, then finish again.",
        )
