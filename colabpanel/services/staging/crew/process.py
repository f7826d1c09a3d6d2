"""A worker that is a process: it takes none of this process's time for Python, and can be killed."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
from typing import Any

from colabpanel import errors
from colabpanel.errors import ColabPanelError, StorageError
from colabpanel.services.isolated import bury
from colabpanel.services.staging.crew.batches import Batch
from colabpanel.services.staging.crew.served import receive, send
from colabpanel.services.staging.crew.unpacker import Task

__all__ = ["ProcessWorker", "start_process"]

_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from colabpanel.services.staging.crew.served import serve; serve()"


def start_process() -> subprocess.Popen[bytes]:
    """Start a process that waits for its task."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BOOT, *filter(None, sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


class ProcessWorker:
    """Unpacks in a process of its own; what it tells goes into a queue that all workers share.

    Args:
        task: What is unpacked.
        results: Receives ``(worker, bytes written | skips of a batch | exception)``.
        process: One that was started before, or None to start one.
    """

    def __init__(
        self, task: Task, results: queue.SimpleQueue[tuple[Any, Any]], process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self._results = results
        self._child = process or start_process()
        self._send(tuple(task))
        threading.Thread(target=self._listen, name="colabpanel-listener", daemon=True).start()

    def submit(self, batch: Batch) -> None:
        """Take a batch; its bytes are read from now on."""
        self._send((batch.start, batch.end, [tuple(job) for job in batch.jobs], batch.is_large))

    def _send(self, message: Any) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the listener says why
            send(self._child.stdin, message)

    def _listen(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as output, contextlib.suppress(EOFError, ValueError, TypeError):
            while True:
                told = receive(output)
                self._results.put((self, _as_error(*told) if isinstance(told, tuple) else told))
        self._results.put((self, _died(self._child)))

    def close(self) -> None:
        """End it now; what it has not yet told is done again later."""
        bury(self._child)
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()


def _as_error(kind: str, number: int | None, message: str, hint: str) -> Exception:
    if number is not None:
        return OSError(number, message)
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, ColabPanelError):
        return known(message, hint=hint)
    return RuntimeError(f"{kind}: {message}")


def _died(child: subprocess.Popen[bytes]) -> StorageError:
    return StorageError(
        f"A working process ended unexpectedly (exit code {child.wait()}).",
        hint="The machine may be out of memory. What was done so far is kept: run it again to go on.",
    )
