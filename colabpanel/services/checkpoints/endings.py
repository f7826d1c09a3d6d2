"""What is still on its way when Python ends: it is waited for, a minute at most, and what fails is said."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable

__all__ = ["say_at_the_end", "start_pending"]

_LONGEST = 60.0

_pending: dict[threading.Thread, int] = {}
_unsaid: dict[int, tuple[int, BaseException]] = {}


def start_pending(work: Callable[[], None], name: str) -> threading.Thread:
    """Do work on a thread that the end of this process, not of those forked off it, waits for.

    Raises:
        RuntimeError: No thread can be started: the machine has no more, or Python ends.
    """

    def run() -> None:
        try:
            work()
        finally:
            _pending.pop(thread, None)

    thread = threading.Thread(target=run, name=name, daemon=True)
    _pending[thread] = os.getpid()
    try:
        thread.start()
    except RuntimeError:
        del _pending[thread]
        raise
    return thread


def say_at_the_end(owner: object, error: BaseException | None) -> None:
    """Let the end of this process say what failed, unless it is told before: then pass None."""
    _unsaid.pop(id(owner), None)
    if error is not None:
        _unsaid[id(owner)] = (os.getpid(), error)


def _end() -> None:
    deadline = time.monotonic() + _LONGEST
    while (threads := _still_running()) and time.monotonic() < deadline:  # one may begin another
        threads[0].join(max(deadline - time.monotonic(), 0))
    if threads:
        sys.stderr.write("colabpanel: a checkpoint did not reach its place before Python ended.\n")
    for process, error in _unsaid.values():
        if process == os.getpid():
            sys.stderr.write(f"colabpanel: a checkpoint was not saved: {error}\n")


def _still_running() -> list[threading.Thread]:
    here = os.getpid()
    return [thread for thread, process in list(_pending.items()) if process == here and thread.is_alive()]


atexit.register(_end)
