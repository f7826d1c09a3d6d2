"""Processes that decode images: started for a piece of work, killed where one hangs, replaced where one dies."""

from __future__ import annotations

import contextlib
import itertools
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from colabpanel import errors
from colabpanel.errors import ColabPanelError, InputError, MissingLibraryError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.isolated import bury
from colabpanel.services.staging.crew.crew import processors
from colabpanel.services.staging.crew.served import receive, send

__all__ = ["DEADLINE", "Answer", "Request", "ask", "ask_all", "error_of"]

Request = Mapping[str, Any]
Answer = dict[str, Any]

_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from colabpanel.services.images.worker import serve; serve()"
_LOOK = 0.1
DEADLINE = 20.0
_MOST_WORKERS = 4
_EACH = 8
"""Images for which one more process is worth its start."""

_Told = queue.SimpleQueue[tuple["_Worker", Answer | None]]


class _Worker:
    """A process, and the request it is at."""

    def __init__(self, told: _Told) -> None:
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BOOT, *filter(None, sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interrupted cell is meant for its parent alone
            )
        except OSError as error:
            raise StorageError(
                f"No process could be started to look at images ({error.strerror}).", hint="Free some memory."
            ) from error
        self._told = told
        self.at: int | None = None
        self.since = 0.0
        threading.Thread(target=self._listen, name="colabpanel-listener", daemon=True).start()

    def begin(self, number: int, request: Request) -> None:
        """Hand over a request."""
        self.at, self.since = number, time.monotonic()
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the listener tells
            send(self._child.stdin, dict(request))

    def _listen(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as output, contextlib.suppress(EOFError, ValueError, TypeError):
            while True:
                self._told.put((self, receive(output)))
        self._told.put((self, None))

    def close(self) -> None:
        """End it now."""
        bury(self._child)
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()


def ask(request: Request, *, progress: Progress | None = None, deadline: float = DEADLINE) -> Any:
    """Return the answer to one request.

    Raises:
        ColabPanelError: The image cannot be shown, or decoding it took too long.
        JobCancelledError: ``progress`` cancelled it.
    """
    ((_, answer),) = ask_all([request], progress=progress, deadline=deadline)
    if "answer" not in answer:
        raise error_of(answer)
    return answer["answer"]


def error_of(answer: Answer) -> ColabPanelError:
    """Return what went wrong as an error."""
    if answer["kind"] == "library":
        return MissingLibraryError(answer["trouble"], hint=answer["hint"])
    kind = getattr(errors, answer["kind"], InputError)
    return kind(answer["trouble"], hint=answer["hint"])


def ask_all(
    requests: Sequence[Request],
    *,
    progress: Progress | None = None,
    deadline: float = DEADLINE,
    workers: int | None = None,
) -> Iterator[tuple[int, Answer]]:
    """Yield the position of each request and its answer, in the order in which they come.

    Args:
        requests: What is asked for; see `worker`.
        progress: Is looked at ten times a second, and may cancel.
        deadline: Seconds for one request, after which its process is killed.
        workers: How many processes; None chooses by the number of requests.

    Raises:
        JobCancelledError: ``progress`` cancelled it.
        StorageError: No process could be started.
    """
    wanted = workers or min(processors(), _MOST_WORKERS, -(-len(requests) // _EACH))
    told: _Told = queue.SimpleQueue()
    waiting = iter(enumerate(requests))
    crew: list[_Worker] = []
    try:
        for number, request in itertools.islice(waiting, wanted):
            crew.append(_Worker(told))
            crew[-1].begin(number, request)
        for _ in range(len(requests)):
            worker, answer = _next(told, crew, progress or Progress(), deadline)
            number, worker.at = cast("int", worker.at), None
            following = next(waiting, None)
            lost: Answer = {}
            if answer is None:
                lost = _lost(requests[number], seconds=time.monotonic() - worker.since, deadline=deadline)
                worker.close()
                crew.remove(worker)
                if following is not None:
                    worker = _Worker(told)
                    crew.append(worker)
            if following is not None:
                worker.begin(*following)
            yield number, answer or lost
    finally:
        for worker in crew:
            worker.close()


def _next(told: _Told, crew: list[_Worker], progress: Progress, deadline: float) -> tuple[_Worker, Answer | None]:
    """Wait for the next answer; one that is late is made by killing its process."""
    while True:
        progress.advance(0)
        try:
            worker, answer = told.get(timeout=_LOOK)
        except queue.Empty:
            now = time.monotonic()
            for late in crew:
                if late.at is not None and now - late.since > deadline:
                    return late, None
            continue
        if worker in crew and worker.at is not None:
            return worker, answer


def _lost(request: Request, *, seconds: float, deadline: float) -> Answer:
    """Say what became of an image whose process hung or died."""
    if seconds > deadline:
        return {
            "trouble": f"{request['name']} was given up after {deadline:g} seconds.",
            "hint": "Either its disk or Drive hangs, or it is made to take forever.",
            "kind": StorageError.__name__,
        }
    return {
        "trouble": f"{request['name']} cannot be decoded: the process that tried it ended.",
        "hint": "It is damaged, or needs more memory than there is.",
        "kind": InputError.__name__,
    }
