"""A worker that is a process: it takes none of this process's time for Python, and can be killed.

Both sides speak ``marshal``, which is quick and safe between two runs of the same Python.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import queue
import subprocess
import sys
import threading
from typing import IO, Any

from colabpanel import errors
from colabpanel.errors import ColabPanelError, StorageError
from colabpanel.services.isolated import bury
from colabpanel.services.sources import Reading
from colabpanel.services.staging.crew.batches import Batch
from colabpanel.services.staging.crew.unpacker import Task, Unpacker

__all__ = ["ProcessWorker", "serve"]

_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from colabpanel.services.staging.crew.process import serve; serve()"


class ProcessWorker:
    """Unpacks in a process of its own; what it tells goes into a queue that all workers share.

    Args:
        task: What is unpacked.
        results: Receives ``(worker, bytes written | skips of a batch | exception)``.
    """

    def __init__(self, task: Task, results: queue.SimpleQueue[tuple[Any, Any]]) -> None:
        self._results = results
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BOOT, *filter(None, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._send(tuple(task))
        threading.Thread(target=self._listen, name="colabpanel-listener", daemon=True).start()

    def submit(self, batch: Batch) -> None:
        """Take a batch; its bytes are read from now on."""
        jobs = [(*job[:4], tuple(job.entry)) for job in batch.jobs]
        self._send((batch.start, batch.end, jobs, batch.is_large))

    def _send(self, message: Any) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the listener says why
            _write(self._child.stdin, message)

    def _listen(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as output, contextlib.suppress(EOFError, ValueError, TypeError):
            while True:
                told = _read(output)
                self._results.put((self, _as_error(*told) if isinstance(told, tuple) else told))
        self._results.put((self, _died(self._child)))

    def close(self) -> None:
        """End it now; what it has not yet told is done again later."""
        bury(self._child)
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()


def _write(stream: IO[bytes], message: Any) -> None:
    data = marshal.dumps(message)
    stream.write(len(data).to_bytes(4, "little") + data)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:
    """Return the next message; at the end, or where it was cut short, raise EOFError."""
    length = int.from_bytes(stream.read(4), "little")
    return marshal.loads(stream.read(length))  # noqa: S302 - from a process of ours


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


def serve() -> None:
    """Be the process: unpack the batches that come in until there are no more."""
    inbox: queue.SimpleQueue[tuple[Batch, Reading | None]] = queue.SimpleQueue()
    output = sys.stdout.buffer

    def tell(what: Any) -> None:
        _write(output, what)

    try:
        unpacker = Unpacker(Task(*_read(sys.stdin.buffer)), tell)
        threading.Thread(target=_receive, args=(unpacker, inbox), daemon=True).start()
        while True:
            tell(unpacker.finish(*inbox.get()))
    except Exception as error:  # noqa: BLE001 - raised again by the one who asked
        number = error.errno if isinstance(error, OSError) else None
        tell((type(error).__name__, number, str(error), getattr(error, "hint", "")))


def _receive(unpacker: Unpacker, inbox: queue.SimpleQueue[tuple[Batch, Reading | None]]) -> None:
    """Take batches, and begin to read them; the end of the input ends the process, even where a read hangs."""
    with contextlib.suppress(EOFError, ValueError, TypeError):
        while True:
            batch = Batch(*_read(sys.stdin.buffer))
            inbox.put((batch, unpacker.begin(batch)))
    os._exit(0)
