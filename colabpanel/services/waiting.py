"""Waiting for what another thread does, without being deaf to a cancel."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from colabpanel.progress import Progress

__all__ = ["result_of"]

T = TypeVar("T")

_LOOK_EVERY = 0.1


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
            if future.done():
                raise
        try:
            progress.advance(0)
        except BaseException:
            future.cancel()
            raise
