"""The call of packing. The work is done in a child process, so a hung Drive can be left behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

from colabpanel.errors import InputError
from colabpanel.progress import Progress
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.crew.crew import processors
from colabpanel.services.staging.models import PackedData

__all__ = ["pack"]

_HIGHEST_LEVEL = 19
_SMALLEST_SHARD = 1 << 20


def pack(
    directory: str | Path,
    archive: str | Path,
    *,
    shard_size: int | None = None,
    level: int | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> PackedData:
    """Pack the files of a folder into an archive, for a Drive that is slow with many files.

    The archive is written beside its place, read back, and only then put there. Files that
    an earlier archive of the same name holds, with the same size and time, are taken over
    from it; with shards, those whose files have not changed stay as they are.

    Args:
        directory: The folder.
        archive: The archive to write, ending in ``.zip`` or ``.tar.zst``; one that is there is replaced, and no
            other file.
        shard_size: Bytes of files for each of several archives, ``NAME-00001.zip`` and so on, with
            ``NAME.index.json`` beside them; None writes one archive.
        level: How hard to compress, from 0 (not at all) to 12 for zip or 19 for tar.zst. What does
            not shrink is stored.
        root: Refuse paths outside of this folder.
        progress: Is told the bytes done, and may cancel; the earlier archive stays.

    Returns:
        What was packed. ``status`` is ``partial`` when files were left out, as links are.

    Raises:
        InputError: A path or an option cannot be used.
        StorageError: The disk is full, or did not keep what was written; the earlier archive stays.
        JobCancelledError: ``progress`` cancelled it.
    """
    if shard_size is not None and shard_size < _SMALLEST_SHARD:
        raise InputError(
            "shard_size must be at least 1 MB.", hint="Half a gigabyte is shard_size=500_000_000, or --shard-size 500."
        )
    if level is not None and not 0 <= level <= (12 if str(archive).lower().endswith(".zip") else _HIGHEST_LEVEL):
        raise InputError(f"level cannot be {level}.", hint="Use 0 to 12 for zip, 0 to 19 for tar.zst.")
    started = time.monotonic()
    arguments = {
        "directory": anchored(directory, root),
        "archive": anchored(archive, root),
        "shard_size": shard_size,
        "level": level,
        "workers": processors(),
        "root": None if root is None else os.fspath(root),
    }
    found = call_isolated("colabpanel.services.staging.packing.engine:pack_here", arguments, progress=progress)
    return PackedData(
        status=found["status"],
        archives=tuple(map(Path, found["archives"])),
        files=found["files"],
        size=found["size"],
        packed=found["packed"],
        reused=found["reused"],
        skipped=tuple(Skipped(*pair) for pair in found["skipped"]),
        seconds=time.monotonic() - started,
    )
