"""Interrupting what the main thread does."""

from __future__ import annotations

import signal
import sys
import threading
import time

__all__ = ["interrupt_main_thread"]

_PAUSES = (0.005, 0.05, 0.5)


def interrupt_main_thread() -> None:
    """Raise KeyboardInterrupt in the main thread, also while it sleeps or waits for a lock; on any thread.

    A signal that comes when the main thread is about to wait, but does not yet, is noticed only after the wait. So it
    is sent again while the main thread has not come on; until Python sees it, several signals count as one.
    """
    main = threading.main_thread().ident
    if main == threading.get_ident() or main is None or not hasattr(signal, "pthread_kill"):
        signal.raise_signal(signal.SIGINT)
        return
    before = _place_of(main)
    signal.pthread_kill(main, signal.SIGINT)  # to that thread, for only its own signals end its waits
    for pause in _PAUSES:
        time.sleep(pause)
        if _place_of(main) != before:
            return
        signal.pthread_kill(main, signal.SIGINT)


def _place_of(thread: int) -> tuple[int, int]:
    """Return what tells whether a thread has come on."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - documented, in spite of its name
    return (id(frame), frame.f_lasti) if frame is not None else (0, 0)
