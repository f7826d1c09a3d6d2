"""A worker that is a thread of this process."""

from __future__ import annotations

import queue
import threading
from typing import Any

from colabpanel.services.sources import Reading
from colabpanel.services.staging.crew.batches import Batch
from colabpanel.services.staging.crew.unpacker import Task, Unpacker

__all__ = ["ThreadWorker"]


class ThreadWorker:
    """Unpacks on a thread; what it tells goes into a queue that all workers share.

    Args:
        task: What is unpacked.
        results: Receives ``(worker, bytes written | skips of a batch | exception)``.
    """

    def __init__(self, task: Task, results: queue.SimpleQueue[tuple[Any, Any]]) -> None:
        self._results = results
        self._unpacker = Unpacker(task, self._tell)
        self._inbox: queue.SimpleQueue[tuple[Batch, Reading | None] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="colabpanel-unpacker", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        """Take a batch; its bytes are read from now on."""
        self._inbox.put((batch, self._unpacker.begin(batch)))

    def _tell(self, what: Any) -> None:
        if self._closed:
            raise _ClosedError
        self._results.put((self, what))

    def _run(self) -> None:
        try:
            while (item := self._inbox.get()) is not None and not self._closed:
                self._tell(self._unpacker.finish(*item))
        except _ClosedError:
            pass
        except Exception as error:  # noqa: BLE001 - raised again where results are taken
            self._results.put((self, error))
        finally:
            self._unpacker.close()

    def close(self) -> None:
        """End at the next piece of work, without waiting for a source that hangs."""
        self._closed = True
        self._inbox.put(None)
        self._thread.join(timeout=1)


class _ClosedError(Exception):
    """The work was given up while it went on."""
