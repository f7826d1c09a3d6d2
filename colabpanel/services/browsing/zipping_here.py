"""Packing some of what is in a folder, in the child process."""

from __future__ import annotations

import os
from typing import Any

from colabpanel.errors import PathError
from colabpanel.progress import Progress
from colabpanel.services.browsing.listing_here import on_drive
from colabpanel.services.browsing.naming import check_name
from colabpanel.services.browsing.spots import entry_at, folder_at
from colabpanel.services.staging.packing.engine import pack_here

__all__ = ["zip_here"]


def zip_here(
    folder: str, names: list[str], archive: str, *, workers: int, root: str | None, progress: Progress
) -> dict[str, Any]:
    """Pack some of what is in a folder into an archive beside it."""
    above = folder_at(root, folder)
    name = archive if archive.lower().endswith(".zip") else f"{archive.strip()}.zip"
    target = above / check_name(name, on_drive=on_drive(above))
    if os.path.lexists(target):
        raise PathError(f"{target.name} is there already.", hint="Choose another name for the archive.")
    for chosen in names:
        if "/" in chosen:
            raise PathError(f"{chosen} is no name in {above}.", hint="Choose entries of one folder.")
        entry_at(root, f"{above}/{chosen}")
    return pack_here(
        str(above),
        str(target),
        shard_size=None,
        level=None,
        workers=workers,
        root=root,
        only=names,
        progress=progress,
    )
