"""Listing a folder of any size, on any disk, within seconds."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colabpanel.errors import PathError
from colabpanel.progress import Progress
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import resolve_inside
from colabpanel.services.scanning import scan, unlistable

__all__ = ["LIST_DEADLINE", "READ_FOR", "Entry", "Listing", "has_parent", "list_folder", "list_nearest"]

_NEAREST = 6  # folders above one that does not exist
LIST_DEADLINE, READ_FOR = 4.5, 3.2
"""Seconds until a listing is given up, and until it is cut and shows what it has."""


@dataclass(frozen=True)
class Entry:
    """One name in a folder."""

    name: str
    is_folder: bool


@dataclass(frozen=True)
class Listing:
    """A folder's entries, folders first, at most as many as were asked for.

    Attributes:
        path: The real path of the folder.
        parent: The folder above, or None at the root.
        entries: The entries shown.
        total: How many entries matched.
        complete: False when counting stopped before the end of the folder.
    """

    path: Path
    parent: Path | None
    entries: tuple[Entry, ...]
    total: int
    complete: bool


def list_folder(
    path: Path | str,
    *,
    root: Path | None = None,
    containing: str = "",
    limit: int = 500,
    folder_only: bool = False,
    progress: Progress | None = None,
) -> Listing:
    """List a folder, in a child process, within five seconds: as far as it came by then.

    Args:
        path: The folder; of a file, its folder is listed, unless ``folder_only``.
        root: The folder outside of which nothing is listed, or None.
        containing: Only names with this text in them, in any case.
        limit: How many entries to return.
        folder_only: Whether a file is an error.
        progress: May cancel the listing.

    Raises:
        PathError: It does not exist, is outside the root, or may not be read.
        StorageError: The disk or Drive did not answer in time.
    """
    arguments = {
        "path": os.fspath(path),
        "root": root and os.fspath(root),
        "containing": containing,
        "limit": limit,
        "folder_only": folder_only,
    }
    target = "colabpanel.services.folders:_list_here"
    found = call_isolated(target, arguments, progress=progress, deadline=LIST_DEADLINE)
    return Listing(
        path=Path(found["path"]),
        parent=Path(found["parent"]) if found["parent"] else None,
        entries=tuple(Entry(name, is_folder) for name, is_folder in found["entries"]),
        total=found["total"],
        complete=found["complete"],
    )


def _list_here(
    path: str, root: str | None, containing: str, limit: int, *, folder_only: bool, progress: Progress
) -> dict[str, Any]:
    until = time.monotonic() + READ_FOR
    folder = resolve_inside(root, path)
    try:
        if not folder_only and stat.S_ISREG(folder.stat().st_mode):
            folder = folder.parent
    except OSError as error:
        raise unlistable(path, error) from None
    found, wanted = scan(folder, until=until, progress=progress), containing.casefold()
    names = sorted(
        (kind not in "dD", name.casefold(), name)
        for name, kind in zip(found.names, found.kinds, strict=True)
        if wanted in name.casefold()
    )
    return {
        "path": str(folder),
        "parent": str(folder.parent) if has_parent(folder, root) else None,
        "entries": [(name, not is_file) for is_file, _, name in names[:limit]],
        "total": len(names),
        "complete": found.complete,
    }


def has_parent(folder: Path, root: str | None) -> bool:
    """Whether a real folder lies in another one that may be looked at."""
    return folder != folder.parent and (root is None or folder != resolve_inside(None, root))


def list_nearest(
    path: Path | str,
    *,
    otherwise: Path,
    root: Path | None = None,
    containing: str = "",
    progress: Progress | None = None,
) -> tuple[Listing, str]:
    """List a folder, or where there is none of that name the nearest above it; also returns why it is another one.

    Args:
        path: The folder, an address, or a path that shall be made.
        otherwise: What is listed where there is none above it either.
        root: Refuse paths outside of this folder.
        containing: See `list_folder`.
        progress: May cancel it.

    Raises:
        PathError: None of them can be listed.
        StorageError: The disk or Drive does not answer.
    """
    above = [] if "://" in str(path) else list(Path(path).parents)[:_NEAREST]
    first: PathError | None = None
    for folder in (path, *above, otherwise):
        try:
            found = list_folder(folder, root=root, containing=containing if first is None else "", progress=progress)
        except PathError as error:
            first = first or error
        else:
            return found, "" if first is None else first.message
    assert first is not None
    raise first
