"""Bringing a file over one connection, from front to back, where a server gives no parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from colabpanel.errors import SourceLostError
from colabpanel.progress import Progress
from colabpanel.services.files import write_at
from colabpanel.services.web.answers import version_of
from colabpanel.services.web.opening import PASSING, Opened, Pauses, wait

__all__ = ["bring_in_one"]

_CHUNK = 256 << 10


def bring_in_one(
    opened: Opened, part: Path, open_anew: Callable[[], Opened], progress: Progress, *, doing: str = "Fetching from"
) -> tuple[int, bool]:
    """Write all of an answer to a file; one that breaks off is asked for anew, from its first byte.

    Args:
        opened: The answer, all of a file, of which nothing is read yet.
        part: The file to write.
        open_anew: Asks again.
        progress: Is told the bytes, and may cancel.
        doing: How that is called; the host follows.

    Returns:
        The bytes that came, and whether the server has told where they end.

    Raises:
        SourceLostError: It broke off too often.
        OSError: The disk refused.
    """
    pauses = Pauses()
    while True:
        progress.start(version_of(opened.response).size, f"{doing} {opened.address.host}")
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        try:
            written = _copied(opened, handle, progress)
        finally:
            os.close(handle)
            opened.line.close()
        if written is not None:
            return written, opened.body.knows_its_end
        pause = pauses.after_failure()
        if pauses.spent:
            raise SourceLostError(
                f"{opened.address.host} breaks off, and gives no part of a file.", hint="Try again later."
            )
        wait(pause, progress)
        opened = open_anew()


def _copied(opened: Opened, handle: int, progress: Progress) -> int | None:
    """Return how many bytes were written, or None if the connection broke."""
    written = 0
    while True:
        try:
            data = opened.body.some(_CHUNK)
        except PASSING:
            return None
        if not data:
            return written
        write_at(handle, data, written)
        written += len(data)
        progress.advance(len(data))
