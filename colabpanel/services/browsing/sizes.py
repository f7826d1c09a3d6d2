"""What a folder holds, counted on demand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from colabpanel.progress import Progress
from colabpanel.services.browsing.models import Entry, FolderSize
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored
from colabpanel.services.skipped import Skipped

__all__ = ["Measure", "add_up", "folder_size"]

_HANGS_AFTER = 5.0


class Measure(Protocol):
    """Counts what a folder holds, as `Place.measure` does."""

    def __call__(self, entry: str, /, *, progress: Progress | None = None) -> FolderSize: ...


def folder_size(
    path: str | Path,
    *,
    seconds: float = 60.0,
    most: int = 1_000_000,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> FolderSize:
    """Add up the files of a folder, its own folders included; links are not followed.

    Args:
        path: The folder, or a file.
        seconds: How long to count at most; what was counted by then is the answer, and not ``complete``.
        most: How many files to count at most, likewise.
        root: Refuse a folder outside of this one.
        progress: Is told the files, and may cancel it.

    Raises:
        PathError: It does not exist, or is outside the root.
        StorageError: The disk or Drive hangs.
    """
    arguments = {
        "path": anchored(path, root),
        "seconds": seconds,
        "most": most,
        "root": None if root is None else os.fspath(root),
    }
    target = "colabpanel.services.browsing.sizes_here:measure_here"
    found = call_isolated(target, arguments, progress=progress, deadline=seconds + _HANGS_AFTER)
    found["skipped"] = tuple(Skipped(*pair) for pair in found["skipped"])
    return FolderSize(**found)


def add_up(measure: Measure, entries: Sequence[Entry], progress: Progress) -> FolderSize:
    """Add up entries: of folders what they hold, of files what is known already; links hold nothing."""
    files = size = 0
    complete, skipped = True, list[Skipped]()
    for entry in entries:
        if entry.kind in {"folder", "unknown"}:
            found = measure(entry.address, progress=progress)
        else:
            held = entry.size or 0 if entry.kind == "file" else 0
            found = FolderSize(1, held, complete=entry.kind != "file" or entry.size is not None)
        files, size, complete = files + found.files, size + found.size, complete and found.complete
        skipped += found.skipped
    return FolderSize(files, size, complete, tuple(skipped))
