"""Running a function in a child process that can be killed.

A read from Drive may hang for minutes, and a thread that hangs in it cannot be
stopped. So whatever touches a path the user chose runs in a child: cancelling or a
deadline kills it, and the kernel's memory and its other threads are left alone. The
child starts with the standard library and the few libraries it needs (about 50 ms), takes one JSON
request, and answers in JSON lines, at least ten a second while it works.
"""

from __future__ import annotations

import contextlib
import functools
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colabpanel import errors
from colabpanel.errors import ColabPanelError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.optional import CHILD_LIBRARIES, folders_of

__all__ = ["ChildFailedError", "bury", "call_isolated"]

_PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
_BOOT = "import sys; sys.path += sys.argv[1:]; from colabpanel.services.child import serve_one_call; serve_one_call()"
_LOOK = 0.25
_GRACE, _AFTER_ANSWER = 3.0, 1.0
"""Seconds in which a child should end by itself: one that is cancelled, and one that has answered."""


class ChildFailedError(Exception):
    """Something unexpected happened in the child; the text is its traceback."""


def call_isolated(
    target: str,
    arguments: Mapping[str, Any],
    *,
    progress: Progress | None = None,
    deadline: float | None = None,
) -> Any:
    """Call ``target(**arguments, progress=...)`` in a child process.

    Args:
        target: ``"package.module:function"``; its result must be JSON.
        arguments: Keyword arguments, as JSON values.
        progress: Receives what the function reports, and may cancel it.
        deadline: Seconds after which the child is killed, or None.

    Raises:
        ColabPanelError: What the function raised, or that the child hung or was killed.
        ChildFailedError: Any other exception of the function.
    """
    until = None if deadline is None else time.monotonic() + deadline
    child, grace = _start(), _GRACE
    try:
        request = {"target": target, "arguments": dict(arguments)}
        answer = _converse(child, request, progress or Progress(), until)
        grace = _AFTER_ANSWER
    except TimeoutError:
        grace = 0.0
        raise StorageError(
            f"No answer within {deadline:g} seconds.",
            hint="The disk or Drive behind this path hangs. Remount it, then try again.",
        ) from None
    except EOFError:
        raise _died(child) from None
    finally:
        _stop(child, grace)
    return answer


@functools.cache
def _library_path() -> list[str]:
    """Return the folders to import from: of this package, and of the few libraries that children use."""
    return [_PACKAGE_PARENT, *(folder for folder in folders_of(*CHILD_LIBRARIES) if folder != _PACKAGE_PARENT)]


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BOOT, *_library_path()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="ascii",
        # An interrupted cell, or Ctrl-C in a terminal, is meant for its parent alone.
        start_new_session=True,
    )


def _stop(child: subprocess.Popen[str], grace: float) -> None:
    """Let the child end by itself (its closed input tells it to), then make it."""
    assert child.stdin is not None
    with contextlib.suppress(OSError):
        child.stdin.close()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        bury(child)


def bury(child: subprocess.Popen[Any]) -> None:
    """Kill a process; one that waits for a hung disk dies when the disk answers, and is waited for by a thread."""
    child.kill()
    try:
        child.wait(_LOOK)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=child.wait, name="colabpanel-undertaker", daemon=True).start()


def _converse(child: subprocess.Popen[str], request: dict[str, Any], progress: Progress, until: float | None) -> Any:
    """Send the request and pass on what comes back, looking for a cancel even while nothing does.

    Raises:
        TimeoutError: The moment has come. A child that waits for a disk cannot even be killed, so it is not waited for.
        EOFError: The child ended.
    """
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(request) + "\n")
        child.stdin.flush()
    relay, messages = _Relay(progress), _listen(child)
    while True:
        left = _LOOK if until is None else until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            message = messages.get(timeout=min(left, _LOOK))
        except queue.Empty:
            progress.advance(0)
            continue
        if message is None:
            raise EOFError
        if "result" in message:
            return message["result"]
        if "error" in message:
            raise _as_error(message["error"])
        relay.pass_on(message)


def _listen(child: subprocess.Popen[str]) -> queue.SimpleQueue[dict[str, Any] | None]:
    """Return a queue of what the child says, and None when it says no more."""
    messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def listen() -> None:
        assert child.stdout is not None
        with child.stdout, contextlib.suppress(ValueError):  # a line cut short by a kill
            for line in child.stdout:
                messages.put(json.loads(line))
        messages.put(None)

    try:
        threading.Thread(target=listen, name="colabpanel-listener", daemon=True).start()
    except RuntimeError:  # Python ends, or there are no more; better no cancelling than not done
        listen()
    return messages


class _Relay:
    """Turns the child's beats into calls on the parent's progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._phase, self._done = 0, 0

    def pass_on(self, beat: dict[str, Any]) -> None:
        if beat["phase"] != self._phase:
            self._phase, self._done = beat["phase"], 0
            options = {"unit": beat["unit"], "cancellable": beat["cancellable"]}
            self._progress.start(beat["total"], beat["description"], **options)
        self._progress.advance(beat["done"] - self._done)
        self._done = beat["done"]


def _as_error(report: dict[str, str]) -> Exception:
    kind = getattr(errors, report["kind"], None)
    if isinstance(kind, type) and issubclass(kind, ColabPanelError):
        return kind(report["message"], hint=report["hint"])
    return ChildFailedError(report["traceback"])


def _died(child: subprocess.Popen[str]) -> StorageError:
    code = child.wait(_GRACE)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return StorageError(
        f"The working process ended unexpectedly ({how}).",
        hint="The machine may be out of memory. What was done so far is kept: run it again to go on.",
    )
