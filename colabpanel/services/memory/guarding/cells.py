"""Whether a cell of the user's runs, and interrupting that one and nothing else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType

from colabpanel.hosts import Host

__all__ = ["RunningCell"]


class RunningCell:
    """Knows whether a cell runs on the main thread, from `start` on; those of subshells take no signals.

    Args:
        host: Tells when cells start and end.
        on_start: Is called when a cell starts.

    Attributes:
        running: Whether one runs.
        count: How many have run; grows when one starts.
    """

    def __init__(self, host: Host, on_start: Callable[[], None]) -> None:
        self._host, self._on_start = host, on_start
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self.running, self.count = False, 0

    def start(self) -> None:
        """Begin to listen; the cell that does so counts as running."""
        if self._stop is None:
            self._stop = self._host.on_cell(self._started, self._ended)
            with self._lock:  # so that the cell does not end while it is looked for
                self.running = self.running or _runs_a_cell()

    def stop(self) -> None:
        """Listen no more."""
        stop, self._stop, self.running = self._stop, None, False
        if stop is not None:
            stop()

    def interrupt(self) -> bool:
        """Interrupt the cell that runs; False where none does.

        Raises:
            HostError: The host cannot.
        """
        with self._lock:  # so that the cell does not end meanwhile, and what comes after it is not interrupted
            if self.running:
                self._host.interrupt_cell()
            return self.running

    def _started(self) -> None:
        self.running, self.count = True, self.count + 1
        self._on_start()

    def _ended(self) -> None:
        try:
            with self._lock:
                self.running = False
        except KeyboardInterrupt:  # it was meant for the cell, which has ended by itself just now
            self.running = False


def _runs_a_cell() -> bool:
    """Whether the main thread is inside a cell now; only needed for the one that switches the guard on."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001
    while frame is not None:
        if frame.f_code.co_name == "run_code" and frame.f_globals.get("__name__") == "IPython.core.interactiveshell":
            return True
        frame = frame.f_back
    return False
