"""The one thread that updates views from jobs and gauges.

Views are never updated through the kernel's event loop, which stands still while a cell
runs. Handlers of clicks and the refresher hold the same lock, so a view changes from one
place at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

__all__ = ["Refresher"]

_LOG = logging.getLogger("colabpanel")
_REST = 10.0  # seconds


class Refresher:
    """Calls functions at intervals, on a thread of its own.

    Args:
        clock: Tells the time in seconds; tests pass one they can set.
        interval: Seconds between two looks.

    Attributes:
        lock: To be held by whoever changes a view.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, interval: float = 0.25) -> None:
        self.lock = threading.RLock()
        self._clock, self._interval = clock, interval
        self._calls: dict[Callable[[], None], tuple[float, float]] = {}
        self._failing: set[Callable[[], None]] = set()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def every(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """Call a function at every tick that is at least so many seconds after the last call.

        Returns:
            A function that stops it.
        """
        with self.lock:
            self._calls[function] = (seconds, float("-inf"))

        def stop() -> None:
            with self.lock:
                self._calls.pop(function, None)
                self._failing.discard(function)

        return stop

    def tick(self) -> None:
        """Call what is due; one that fails is logged once, and called again after a rest."""
        now = self._clock()
        with self.lock:
            for function, (seconds, last) in list(self._calls.items()):
                if now - last < seconds:
                    continue
                self._calls[function] = (seconds, now)
                try:
                    function()
                except Exception:  # noqa: BLE001 - one view must not stop the others
                    self._let_rest(function, now + _REST)
                else:
                    self._failing.discard(function)

    def _let_rest(self, function: Callable[[], None], until: float) -> None:
        if function not in self._failing:
            _LOG.exception("A view could not be refreshed")
            self._failing.add(function)
        if function in self._calls:
            self._calls[function] = (self._calls[function][0], until)

    def start(self) -> None:
        """Start the thread; once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="colabpanel-refresher", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            self.tick()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
