"""The line to the page, and a talk over it that notices when nobody answers."""

from __future__ import annotations

import contextlib
import queue
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from colabpanel.errors import HostError
from colabpanel.progress import Progress

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

__all__ = ["Heard", "Link", "Listener", "Patience", "Talk"]

_LOOK = 0.1
_LONGEST_REASON = 500

Listener = Callable[[dict[str, Any], "Sequence[Buffer]"], None]


class Link(Protocol):
    """What carries messages between this process and a page of the browser, in order."""

    def say(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send a message; callable on any thread, and never waits for the page."""
        ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(message, buffers)`` for each message of the page; returns what ends it."""
        ...


@dataclass(frozen=True)
class Patience:
    """How long a page may be silent.

    Attributes:
        again: Seconds of silence after which what is unanswered is said again.
        greeting: The same for the first words of a transfer: a page that is just loading may miss them.
        silence: Seconds of silence that end a transfer.
        deaf: Tells whether messages of the page cannot be heard now, as while a cell runs on some kernels;
            such a time does not count as silence.
    """

    again: float = 30.0
    greeting: float = 1.0
    silence: float = 120.0
    deaf: Callable[[], bool] = lambda: False


class Heard(NamedTuple):
    """A message of the page."""

    message: dict[str, Any]
    buffers: Sequence[Buffer]


class Talk:
    """One transfer's messages over a link that others use too.

    The first page that answers is the one that is talked to.

    Args:
        link: The line.
        transfer: What names this transfer; None makes a name.
        page: The page to talk to, or None for the first that answers.
        patience: How long the page may be silent.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        link: Link,
        *,
        transfer: str | None = None,
        page: str | None = None,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transfer, self.page = transfer or uuid.uuid4().hex, page
        self._link, self._patience, self._clock = link, patience or Patience(), clock
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._hang_up = link.listen(self._hear)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up; the page is told when the transfer did not come to its end."""
        self._hang_up()
        if error is not None:
            with contextlib.suppress(Exception):  # the page may be what failed
                self.say("cancel")

    def say(self, kind: str, *buffers: bytes, **fields: Any) -> None:
        """Send a message of this transfer."""
        self._link.say({"kind": kind, "transfer": self.transfer, "page": self.page, **fields}, buffers)

    def _hear(self, message: dict[str, Any], buffers: Sequence[Buffer]) -> None:
        if message.get("transfer") == self.transfer:
            self._heard.put(Heard(message, buffers))

    def ask(self, kind: str, answers: Sequence[str], progress: Progress, **fields: Any) -> dict[str, Any]:
        """Say something, every second if need be, until the page answers; returns what it says."""

        def say() -> None:
            self.say(kind, **fields)

        say()
        return self.wait(answers, progress, say, every=self._patience.greeting).message

    def wait(
        self, kinds: Sequence[str], progress: Progress, again: Callable[[], object], *, every: float | None = None
    ) -> Heard:
        """Return the next message of one of these kinds.

        Args:
            kinds: What is waited for; other messages are dropped.
            progress: May cancel the waiting.
            again: Says once more what the page has not answered.
            every: Seconds of silence after which it is called; None takes those of the patience.

        Raises:
            HostError: The page is silent, or says that it cannot.
            JobCancelledError: ``progress`` cancelled it.
        """
        every = self._patience.again if every is None else every
        since = said = self._clock()
        while True:
            try:
                heard = self._heard.get(timeout=min(_LOOK, every))
            except queue.Empty:
                before = self._clock()
                progress.advance(0)  # may pause
                now = self._clock()
                since, said = since + (now - before), said + (now - before)
                if self._patience.deaf():
                    since = said = now
                if now - since >= self._patience.silence:
                    raise _silent() from None
                if now - said >= every:
                    said = now
                    again()
                continue
            if self._is_for_us(heard.message, kinds):
                return heard

    def _is_for_us(self, message: dict[str, Any], kinds: Sequence[str]) -> bool:
        page = str(message.get("page"))
        if self.page is None:
            self.page = page
        elif page != self.page:
            return False
        if message.get("kind") == "error":
            sentence = str(message.get("message"))[:_LONGEST_REASON]
            raise HostError(f"The browser cannot do this: {sentence}", hint=_HINT)
        return message.get("kind") in kinds


_HINT = "Try Chrome, Edge or Firefox on a computer, or choose another route."


def _silent() -> HostError:
    return HostError(
        "The page in the browser does not answer.",
        hint="Keep the page with the panel open while a transfer runs. If it is open, reload it and try again.",
    )
