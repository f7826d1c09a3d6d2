"""A page of the browser, played in this process: the other end of a line, as `browser_transfer.js` behaves.

Messages are answered one after another on a thread of its own, so that nothing is answered before it was said.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from colabpanel.services.transfer.link import Listener
from colabpanel.services.transfer.models import OfferedFile

PAGE = "page"


@dataclass
class FakePage:
    """Saves what is sent, and hands out what was chosen.

    Attributes:
        lose: Tells, for a message to or from the page, whether it is lost.
        files: The files that were chosen, by their place in the list.
        saved: What arrived whole, by name.
        heard: The kinds of all messages to the page.
        refuses: What it says that it cannot, or empty.
        silent: Whether it never answers.
        spoils: Whether a byte of what it gets, or gives, is wrong.
        unreadable: Places of files that cannot be read any more.
        has_address: Whether it finds the file at the server's address.
        largest: Bytes of the largest message it has sent.
        forgotten: The uploads it was told to forget.
    """

    lose: Callable[[dict[str, Any]], bool] = lambda _: False
    files: list[tuple[OfferedFile, bytes]] = field(default_factory=list)
    saved: dict[str, bytes] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    refuses: str = ""
    spoils: bool = False
    silent: bool = False
    unreadable: frozenset[int] = frozenset()
    has_address: bool = True
    largest: int = 0
    forgotten: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listeners: list[Listener] = []
        self._running: dict[str, tuple[str, list[bytes]]] = {}
        self._messages: queue.SimpleQueue[tuple[dict[str, Any], list[bytes]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def say(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        self._messages.put((message, [bytes(data) for data in buffers]))

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, message: dict[str, Any], *buffers: bytes) -> None:
        """Say something to the kernel."""
        if not self.lose(message):
            for listener in list(self._listeners):
                listener(message, [memoryview(data) for data in buffers])

    def close(self) -> None:
        """End the thread, once everything said so far was handled."""
        self._messages.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        while (item := self._messages.get()) is not None:
            message, buffers = item
            self.heard.append(message["kind"])
            if not self.silent and not self.lose(message):
                getattr(self, f"_{message['kind'].replace(' ', '_')}")(message, buffers)

    def _answer(self, to: dict[str, Any], kind: str, *buffers: bytes, **fields: Any) -> None:
        self.tell({"kind": kind, "transfer": to["transfer"], "page": PAGE, **fields}, *buffers)

    def _begin(self, message: dict[str, Any], _: list[bytes]) -> None:
        if self.refuses:
            self._answer(message, "error", message=self.refuses)
            return
        self._running.setdefault(message["transfer"], (message["name"], []))
        self._answer(message, "ready")

    def _piece(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        _, parts = self._running[message["transfer"]]
        if message["number"] == len(parts):
            parts.append(bytes(len(buffers[0])) if self.spoils else buffers[0])
        self._answer(message, "ack", number=len(parts) - 1)

    def _end(self, message: dict[str, Any], _: list[bytes]) -> None:
        name, parts = self._running[message["transfer"]]
        data = b"".join(parts)
        digest = hashlib.sha256(data).hexdigest()
        if digest == message["sha256"]:
            self.saved[name] = data
        self._answer(message, "saved", sha256=digest, size=len(data))

    def _close(self, message: dict[str, Any], _: list[bytes]) -> None:
        self._running.pop(message["transfer"])

    def _cancel(self, message: dict[str, Any], _: list[bytes]) -> None:
        self._running.pop(message["transfer"], None)

    def _forget(self, message: dict[str, Any], _: list[bytes]) -> None:
        self.forgotten.append(message["transfer"])

    def _address(self, message: dict[str, Any], _: list[bytes]) -> None:
        self._answer(message, "opened" if self.has_address else "no address")

    def _want(self, message: dict[str, Any], _: list[bytes]) -> None:
        sums: list[str | None] = []
        buffers = []
        for index, start, length in message["parts"]:
            _, data = self.files[index]
            part = data[start : start + length]
            ends = start + length >= len(data)
            sums.append(
                "unreadable" if index in self.unreadable else hashlib.sha256(data).hexdigest() if ends else None
            )
            buffers.append(bytes(len(part)) if self.spoils else part)
        self.largest = max(self.largest, sum(map(len, buffers)))
        self._answer(message, "parts", *buffers, number=message["number"], sums=sums)
