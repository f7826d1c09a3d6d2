"""The line between the kernel and the page: a widget whose messages carry files both ways."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from colabpanel.widgets.transfer_script import transfer_script

__all__ = ["BrowserLink"]

Listener = Callable[[dict[str, Any], Sequence[Any]], None]


class BrowserLink(anywidget.AnyWidget):
    """A line to the page.

    It must be part of a widget that is shown. The page never speaks first, unless somebody chooses files.

    Args:
        chooser: Whether it shows buttons to choose files for an upload; else it shows nothing.
    """

    _esm = transfer_script("browser_link.js")
    key = traitlets.Unicode().tag(sync=True)
    chooser = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, *, chooser: bool = False) -> None:
        self._listeners: list[Listener] = []
        super().__init__(key=uuid.uuid4().hex, chooser=chooser)
        self.on_msg(self._heard)

    def say(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send a message; callable on any thread."""
        self.send(message, list(buffers))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(message, buffers)`` for each message of the page; returns what ends it."""
        self._listeners = [*self._listeners, listener]

        def stop() -> None:
            self._listeners = [other for other in self._listeners if other is not listener]

        return stop

    def _heard(self, _: object, message: dict[str, Any], buffers: Sequence[Any] | None) -> None:
        for listener in self._listeners:
            listener(message, buffers or [])
