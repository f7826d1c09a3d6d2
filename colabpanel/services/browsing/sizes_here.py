"""Counting what a folder holds, in the child process."""

from __future__ import annotations

import time
from typing import Any

from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.paths import resolve_inside
from colabpanel.services.scanning import unlistable
from colabpanel.services.skipped import Skipped
from colabpanel.services.walk import files_below

__all__ = ["measure_here"]

_MOST_TOLD = 100


@disk_errors_in_words()
def measure_here(path: str, *, seconds: float, most: int, root: str | None, progress: Progress) -> dict[str, Any]:
    """Count files and bytes until the time is over; see `folder_size`."""
    until = time.monotonic() + seconds
    folder, skipped = resolve_inside(root, path), list[Skipped]()
    try:
        status = folder.stat()
    except OSError as error:
        raise unlistable(path, error) from None
    if not folder.is_dir():
        return {"files": 1, "size": status.st_size, "complete": True, "skipped": []}
    progress.start(None, "Adding up", unit="files")
    files = size = 0
    complete = True
    for file in files_below(folder, set(), skipped):
        files += 1
        size += file.size
        progress.advance(1)
        if files >= most or time.monotonic() > until:
            complete = False
            break
    return {"files": files, "size": size, "complete": complete, "skipped": skipped[:_MOST_TOLD]}
