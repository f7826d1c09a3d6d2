"""Waiting for what another thread does, without being deaf to a cancel or an interrupt."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, TypeVar, cast

from colabpanel.errors import ColabPanelError, JobCancelledError
from colabpanel.progress import Progress

if TYPE_CHECKING:
    import subprocess

    from colabpanel.hosts import Host

__all__ = ["apart", "between_cells", "result_of", "wait_or_kill"]

T = TypeVar("T")

_LOOK_EVERY = 0.1
_GRACE = 3.0


def result_of(future: Future[T], progress: Progress) -> T:
    """Wait for a result; cancelling stops the waiting, and the call if it has not begun.

    Raises:
        JobCancelledError: ``progress`` cancelled it.
        BaseException: Whatever the call raised.
    """
    while True:
        try:
            return future.result(timeout=_LOOK_EVERY)
        except FutureTimeoutError:
            if future.done():  # it ended just now, or it raised a timeout of its own
                return future.result()
        try:
            progress.advance(0)
        except BaseException:
            future.cancel()
            raise


def between_cells(host: Host, work: Callable[[], T], progress: Progress) -> T:
    """Do work on the main thread once no cell runs, not even one that awaits and leaves that thread to others.

    Raises:
        JobCancelledError: ``progress`` cancelled it; nothing was done.
        BaseException: Whatever the work raised, or that there is no main thread to do it on.
    """

    def unless_a_cell_runs() -> tuple[bool, T | None]:
        return (False, None) if is_apart and host.runs_cell else (True, work())

    is_apart = threading.current_thread() is not threading.main_thread()
    while True:
        is_done, result = result_of(host.on_main_thread(unless_a_cell_runs), progress)
        if is_done:
            return cast("T", result)
        time.sleep(_LOOK_EVERY)
        progress.advance(0)


def wait_or_kill(process: subprocess.Popen[Any], seconds: float, progress: Progress, late: ColabPanelError) -> None:
    """Wait for a process to end; one that takes longer, or is cancelled, is killed.

    Raises:
        ColabPanelError: ``late``, where it did not end in so many seconds.
        JobCancelledError: ``progress`` cancelled it.
    """
    until = time.monotonic() + seconds
    try:
        while process.poll() is None:
            progress.advance(0)
            if time.monotonic() > until:
                raise late
            time.sleep(_LOOK_EVERY)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def apart(work: Callable[[Progress], T], progress: Progress) -> T:
    """Do work that a hung Drive may hold up on a thread of its own, which is left behind when it does not end.

    Args:
        work: Is given the progress to report to; it is told to stop when whoever waits is interrupted.
        progress: Is told how it goes on, and may cancel it.

    Raises:
        JobCancelledError: ``progress`` cancelled it.
        BaseException: Whatever the work raised.
    """
    future: Future[T] = Future()
    relay = _Relay(progress)
    try:
        threading.Thread(target=_fulfil, args=(future, work, relay), name="colabpanel-apart", daemon=True).start()
    except RuntimeError:  # there is no memory for another thread; better held up by Drive than not done
        return work(progress)
    try:
        return result_of(future, progress)
    except BaseException:
        relay.stopped = True
        with contextlib.suppress(FutureTimeoutError):
            future.exception(timeout=_GRACE)  # let it tidy up
        raise


def _fulfil(future: Future[T], work: Callable[[Progress], T], relay: _Relay) -> None:
    future.set_running_or_notify_cancel()
    try:
        future.set_result(work(relay))
    except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
        future.set_exception(error)


class _Relay(Progress):
    """Passes on what work reports, until it is stopped."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._cancellable = progress, True
        self.stopped = False

    def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
        self.advance(0)
        self._cancellable = cancellable
        self._progress.start(total, description, unit=unit, cancellable=cancellable)

    def advance(self, amount: int = 1) -> None:
        if self.stopped and self._cancellable:
            raise JobCancelledError
        self._progress.advance(amount)
