"""What was saved in this session, and when: told by whoever saved it, for the clock of the session."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SafeSave", "last_save", "note_save", "saves"]

_UNFINISHED = ".part"

_lock = threading.Lock()
_newest: dict[Path, SafeSave] = {}


@dataclass(frozen=True)
class SafeSave:
    """Something that is whole and in its place.

    Attributes:
        path: The file or folder.
        when: When it came there, in seconds since 1970.
    """

    path: Path
    when: float


def note_save(path: Path, when: float | None = None) -> None:
    """Note that something of the user's was saved; the newest of each folder is remembered.

    What lies in a folder called ``.part`` is a piece of another save, which is not whole yet, and is not noted.
    """
    if any(part.endswith(_UNFINISHED) for part in path.parts):
        return
    save = SafeSave(path, time.time() if when is None else when)
    with _lock:
        known = _newest.get(path.parent)
        if known is None or known.when <= save.when:
            _newest[path.parent] = save


def saves() -> list[SafeSave]:
    """Return the newest save of each folder in this session, newest first."""
    with _lock:
        return sorted(_newest.values(), key=lambda save: save.when, reverse=True)


def last_save() -> SafeSave | None:
    """Return the newest save of this session, or None."""
    return next(iter(saves()), None)
