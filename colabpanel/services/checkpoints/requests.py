"""Asking training for a checkpoint: from another thread, or another process that sees the same folder."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

__all__ = ["REQUEST", "Requests"]

REQUEST = ".save-now"
_LOOK_EVERY = 1.0


class Requests:
    """Whether someone asked for a checkpoint; asked after each batch, so it costs next to nothing.

    Args:
        folder: On local disk; see `request_place`.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / REQUEST
        self._is_asked, self._next_look = False, 0.0

    def ask(self) -> None:
        """Ask for one, on this object."""
        self._is_asked = True

    def is_open(self) -> bool:
        """Whether one was asked for and has not been saved since."""
        now = time.monotonic()
        if not self._is_asked and now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            self._is_asked = self._file.exists()
        return self._is_asked

    def done(self) -> None:
        """One was saved."""
        if self._is_asked:
            self._is_asked = False
            with contextlib.suppress(OSError):
                self._file.unlink()
