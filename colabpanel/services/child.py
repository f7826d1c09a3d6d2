"""The child process of `colabpanel.services.isolated`: one request, beats of progress, one answer.

It is started for every call, so what it imports is little and quick to load.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import sys
import threading
import time
from typing import IO, Any

from colabpanel.errors import ColabPanelError, JobCancelledError
from colabpanel.progress import Progress

__all__ = ["serve_one_call"]

_BEAT = 0.1
_GRACE = 2.4
"""Seconds in which work that is cancelled should end by itself."""

_SWITCH = 0.001
"""Seconds a thread keeps the interpreter while others wait: readers and packers must not wait long for it."""

_COLLECT_EVERY = 100_000
"""Objects after which Python looks for cycles; lists of members make none."""


class _Progress(Progress):
    """Counts in the child; a thread tells the parent ten times a second."""

    def __init__(self, output: IO[str]) -> None:
        self._output, self._lock = output, threading.Lock()
        self._state: dict[str, Any] = {"phase": 0, "total": None, "description": "", "unit": "", "cancellable": True}
        self._done = 0
        self.cancelled = False

    @property
    def cancellable(self) -> bool:
        """Whether the current phase can be stopped."""
        return bool(self._state["cancellable"])

    def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
        self.advance(0)
        phase = self._state["phase"] + 1
        with self._lock:
            self._done = 0
            self._state = {
                "phase": phase,
                "total": total,
                "description": description,
                "unit": unit,
                "cancellable": cancellable,
            }
        self.beat()

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        if self.cancelled and self.cancellable:
            raise JobCancelledError

    def beat(self) -> None:
        """Tell the parent how far the work is."""
        with self._lock:
            if self._state["phase"]:
                self._send({**self._state, "done": self._done})

    def end(self, message: dict[str, Any]) -> None:
        """Tell the outcome, after the last figures of progress."""
        self.beat()
        with self._lock:
            self._send(message)

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._output.write(json.dumps(message) + "\n")
            self._output.flush()
        except OSError:  # the parent is gone
            self.cancelled = True


def serve_one_call() -> None:
    """Be the child: answer one request from standard input."""
    sys.setswitchinterval(_SWITCH)
    gc.set_threshold(_COLLECT_EVERY)
    progress = _Progress(sys.stdout)
    request = json.loads(sys.stdin.readline())
    ended = threading.Event()
    threading.Thread(target=_watch_parent, args=(progress,), daemon=True).start()
    beating = threading.Thread(target=_beat_until, args=(ended, progress), daemon=True)
    beating.start()
    message = _answer(request, progress)
    ended.set()
    beating.join()
    progress.end(message)
    atexit._run_exitfuncs()  # noqa: SLF001 - os._exit leaves them out
    os._exit(0)  # at once: nobody needs the memory tidied up


def _answer(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    module, _, function = request["target"].partition(":")
    try:
        work = getattr(importlib.import_module(module), function)
        return {"result": work(**request["arguments"], progress=progress)}
    except ColabPanelError as error:
        return {"error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}}
    except MemoryError:
        message = "There was not enough memory for this."
        return {"error": {"kind": "StorageError", "message": message, "hint": "Free some memory and try again."}}
    except Exception as error:  # noqa: BLE001 - the parent raises it again with this traceback
        import traceback

        return {"error": {"kind": type(error).__name__, "traceback": traceback.format_exc()}}


def _watch_parent(progress: _Progress) -> None:
    """Stop when the parent closes our input, which a parent that was killed does too.

    Work that hangs in the system cannot stop by itself; it is ended after a grace period,
    but not in the middle of a phase that must not be left half done.
    """
    while sys.stdin.readline():
        pass
    progress.cancelled = True
    time.sleep(_GRACE)
    while not progress.cancellable:
        time.sleep(_BEAT)
    os._exit(1)


def _beat_until(ended: threading.Event, progress: _Progress) -> None:
    while not ended.wait(_BEAT):
        progress.beat()
