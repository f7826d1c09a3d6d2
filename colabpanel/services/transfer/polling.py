"""A line for hosts without widgets of our own: the page calls, and takes what is waiting for it along.

On Colab a page can call a function of the kernel and gets what that returns; nothing more. Each call brings what the
page has to say and takes away what was said to it, so the same talk goes over it as over a widget's channel.
"""

from __future__ import annotations

import base64
import binascii
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from colabpanel.services.transfer.link import Listener

__all__ = ["PollingLink"]

_WAIT = 0.2
"""Seconds a call waits for something to take along; it holds the kernel's main thread meanwhile."""

_MOST = 1 << 10
"""Messages that wait for a page that has stopped calling; older ones are dropped, as a closed page would."""


class PollingLink:
    """A line of which each call of the page is both directions at once.

    Args:
        wait: Seconds a call waits for something to take along.
    """

    def __init__(self, *, wait: float = _WAIT) -> None:
        self._wait = wait
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()

    def say(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Keep a message until the page calls.

        Raises:
            ValueError: There are bytes with it: a page takes none this way.
        """
        if buffers:
            raise ValueError("no bytes go to the page this way")
        while self._waiting.qsize() >= _MOST:
            self._waiting.get_nowait()
        self._waiting.put(message)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(message, buffers)`` for each message of the page; returns what ends it."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def call(self, messages: Sequence[tuple[dict[str, Any], Sequence[str]]]) -> list[dict[str, Any]]:
        """Take the messages of the page, each with its bytes in base64; returns what was said to it."""
        for message, texts in messages:
            try:
                buffers = [base64.b64decode(text, validate=True) for text in texts]
            except (binascii.Error, TypeError, ValueError):
                continue  # it will be asked for again
            with self._lock:
                listeners = list(self._listeners)
            for listener in listeners:
                listener(dict(message), buffers)
        return self._taken()

    def _taken(self) -> list[dict[str, Any]]:
        try:
            taken = [self._waiting.get(timeout=self._wait)]
        except queue.Empty:
            return []
        while not self._waiting.empty():
            taken.append(self._waiting.get_nowait())
        return taken
