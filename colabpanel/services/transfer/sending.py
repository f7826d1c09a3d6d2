"""Sending through the notebook: numbered pieces, a few of them on their way, each acknowledged.

The page is told ``begin`` and answers ``ready``; each ``piece`` is answered by ``ack`` with the number of the last
one it has in order; ``end`` carries the SHA-256 of all bytes, and the page saves the file where its own sum, taken
piece by piece of what arrived, is the same. What is not answered is sent again; a piece that comes twice does no harm.
"""

from __future__ import annotations

import hashlib
from collections import deque

from colabpanel.errors import StorageError
from colabpanel.progress import Progress
from colabpanel.services.transfer.link import Link, Patience, Talk
from colabpanel.services.transfer.outgoing import Outgoing, Piece

__all__ = ["WINDOW", "send"]

WINDOW = 4
"""Pieces on their way at once."""

_DISK_FROM = 64 << 20
_MOST_IN_MEMORY = 2 << 30
"""Bytes from which the page saves by way of the browser's own disk, and what it takes without one."""


def send(
    link: Link, source: Outgoing, progress: Progress, *, patience: Patience | None = None, window: int = WINDOW
) -> tuple[int, str]:
    """Send to the page, which saves it.

    Args:
        link: The line to the page.
        source: What to send.
        progress: Is told the bytes of the files that arrived, and may cancel.
        patience: How long the page may be silent.
        window: Pieces on their way at once.

    Returns:
        The bytes that were sent, and their SHA-256 in hexadecimal.

    Raises:
        HostError: The page does not answer, or cannot hold so much.
        StorageError: A file cannot be read, or what arrived is not what was sent.
    """
    progress.start(source.amount, "Downloading")
    with Talk(link, patience=patience) as talk:
        sending = _Sending(talk, progress, window)
        expected = source.size if source.size is not None else source.amount
        talk.ask(
            "begin",
            ["ready"],
            progress,
            name=source.name,
            size=expected,
            on_disk=expected > _DISK_FROM,
            most_in_memory=_MOST_IN_MEMORY,
        )
        for piece in source.pieces(progress):
            sending.send(piece)
        sending.drain()
        digest = sending.sha256.hexdigest()
        heard = talk.ask("end", ["saved"], progress, sha256=digest)
        if heard.get("sha256") != digest or heard.get("size") != sending.size:
            raise StorageError(
                f"{source.name} arrived in the browser with other bytes than were sent, and was not saved.",
                hint="Download it again.",
            )
        talk.say("close")
    return sending.size, digest


class _Sending:
    """The pieces on their way, and the sum of all so far."""

    def __init__(self, talk: Talk, progress: Progress, window: int) -> None:
        self._talk, self._progress, self._window = talk, progress, window
        self._waiting: deque[tuple[int, Piece]] = deque()
        self._next = self.size = 0
        self.sha256 = hashlib.sha256()

    def send(self, piece: Piece) -> None:
        """Send a piece, once there is room for it on the way."""
        while len(self._waiting) >= self._window:
            self._take_answer()
        self.sha256.update(piece.data)
        self.size += len(piece.data)
        self._waiting.append((self._next, piece))
        self._say(self._next, piece)
        self._next += 1

    def drain(self) -> None:
        """Wait until every piece has arrived."""
        while self._waiting:
            self._take_answer()

    def _say(self, number: int, piece: Piece) -> None:
        self._talk.say("piece", piece.data, number=number)

    def _say_all(self) -> None:
        for number, piece in self._waiting:
            self._say(number, piece)

    def _take_answer(self) -> None:
        number = self._talk.wait(["ack"], self._progress, self._say_all).message.get("number")
        while self._waiting and isinstance(number, int) and self._waiting[0][0] <= number:
            self._progress.advance(self._waiting.popleft()[1].amount)
