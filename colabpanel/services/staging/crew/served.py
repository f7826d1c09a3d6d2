"""The process that `process.ProcessWorker` starts, and the language both speak.

That is ``marshal``, which is quick, and safe between two processes of the same Python.
"""

from __future__ import annotations

import contextlib
import gc
import marshal
import os
import queue
import sys
import threading
from typing import IO, Any

from colabpanel.services.sources import Reading
from colabpanel.services.staging.crew.batches import Batch, Job
from colabpanel.services.staging.crew.unpacker import Task, Unpacker

__all__ = ["receive", "send", "serve"]


def send(stream: IO[bytes], message: Any) -> None:
    """Write a message."""
    data = marshal.dumps(message)
    stream.write(len(data).to_bytes(4, "little") + data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Return the next message; at the end, or where it was cut short, raise EOFError."""
    length = int.from_bytes(stream.read(4), "little")
    return marshal.loads(stream.read(length))  # noqa: S302 - from a process of ours


def serve() -> None:
    """Be the process: unpack the batches that come in until there are no more."""
    gc.disable()  # nothing here makes cycles
    inbox: queue.SimpleQueue[tuple[Batch, Reading | None]] = queue.SimpleQueue()
    output = sys.stdout.buffer

    def tell(what: Any) -> None:
        send(output, what)

    try:
        unpacker = Unpacker(Task(*receive(sys.stdin.buffer)), tell)
        threading.Thread(target=_take_in, args=(unpacker, inbox), daemon=True).start()
        while True:
            tell(unpacker.finish(*inbox.get()))
    except Exception as error:  # noqa: BLE001 - raised again by the one who asked
        number = error.errno if isinstance(error, OSError) else None
        tell((type(error).__name__, number, str(error), getattr(error, "hint", "")))


def _take_in(unpacker: Unpacker, inbox: queue.SimpleQueue[tuple[Batch, Reading | None]]) -> None:
    """Take batches, and begin to read them; the end of the input ends the process, even where a read hangs."""
    with contextlib.suppress(EOFError, ValueError, TypeError):
        while True:
            start, end, jobs, is_large = receive(sys.stdin.buffer)
            batch = Batch(start, end, [Job(*job) for job in jobs], is_large)
            inbox.put((batch, unpacker.begin(batch)))
    os._exit(0)
