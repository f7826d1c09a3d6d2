"""Threads that read or write the pieces of a file side by side, and can be left behind.

A write to Drive may hang for minutes. It hangs in one of these threads, which end with the process,
while whoever waits for it can be interrupted.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["IN_FLIGHT", "Lanes"]

R = TypeVar("R")

IN_FLIGHT = 4
"""Pieces of work that wait at a time."""

_MOST = 4


class Lanes:
    """A few daemon threads; use it in a ``with`` statement.

    Args:
        count: How many; None takes as many as there are processors, up to four.
    """

    def __init__(self, count: int | None = None) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._count = 0
        for number in range(count or min(os.cpu_count() or 1, _MOST)):
            try:
                threading.Thread(target=self._run, name=f"colabpanel-lane-{number}", daemon=True).start()
            except RuntimeError:  # there is no memory for another thread
                break
            self._count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let the threads end when they have done what was given to them."""
        for _number in range(self._count):
            self._work.put(None)

    def submit(self, work: Callable[[], R]) -> Future[R]:
        """Do the work, after what was given before; at once and here, where no thread could be had."""
        future: Future[R] = Future()
        if self._count:
            self._work.put((future, work))
        else:
            _fulfil(future, work)
        return future

    def _run(self) -> None:
        while (order := self._work.get()) is not None:
            _fulfil(*order)
            del order  # a thread that waits holds nothing of the user's


def _fulfil(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised where the result is taken
        future.set_exception(error)
