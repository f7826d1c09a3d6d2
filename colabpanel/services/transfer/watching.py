"""When a file changes: noticed once it is written to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from colabpanel.errors import ColabPanelError, InputError
from colabpanel.progress import Progress
from colabpanel.services.paths import resolve_inside
from colabpanel.services.waiting import apart

__all__ = ["watch_file"]

_LOOK_EVERY = 1.0
_CANCEL_EVERY = 0.25

State = tuple[int, int, int]
"""Size, time and inode of a file: of a file that is replaced at least one of them changes."""


def watch_file(
    path: str | Path,
    changed: Callable[[Path], object],
    *,
    root: Path | None = None,
    failed: Callable[[ColabPanelError], object] | None = None,
    pause: Callable[[float], object] = time.sleep,
    progress: Progress | None = None,
) -> NoReturn:
    """Look at a file once a second, and call back each time it has changed and stayed the same for a second.

    The file need not exist yet; that it appears is a change.

    Args:
        path: The file.
        changed: Called with its real path, on this thread.
        root: Refuse a path outside of this folder.
        failed: Called when ``changed`` fails with an error for its user, and the watch goes on; None lets it end.
        pause: Waits so many seconds.
        progress: Says that it is watched; cancelling ends it.

    Raises:
        InputError: It is a folder.
        JobCancelledError: ``progress`` cancelled it.
    """
    progress = progress or Progress()
    real = resolve_inside(root, path)
    if apart(lambda _: real.is_dir(), progress):
        raise InputError(f"{path} is a folder.", hint="Name the one file whose changes shall be downloaded.")
    told = before = apart(lambda _: _state(real), progress)
    progress.start(None, f"Watching {real.name}", unit="")
    while True:
        _rest(_LOOK_EVERY, pause, progress)
        now = apart(lambda _: _state(real), progress)
        if now is not None and now == before != told:
            told = now
            _tell(real, changed, failed)
            progress.start(None, f"Watching {real.name}", unit="")
        before = now


def _tell(path: Path, changed: Callable[[Path], object], failed: Callable[[ColabPanelError], object] | None) -> None:
    try:
        changed(path)
    except ColabPanelError as error:
        if failed is None or error.status == "cancelled":
            raise
        failed(error)


def _state(path: Path) -> State | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def _rest(seconds: float, pause: Callable[[float], object], progress: Progress) -> None:
    while seconds > 0:
        progress.advance(0)
        pause(min(seconds, _CANCEL_EVERY))
        seconds -= _CANCEL_EVERY
