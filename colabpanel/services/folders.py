"""Listing a folder of any size, on any disk, within seconds."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colabpanel.errors import ColabPanelError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import resolve_inside

__all__ = ["Entry", "Listing", "list_folder"]

_LIST_DEADLINE = 5.0
_MOST_SEEN = 500_000
_ENTRIES_PER_LOOK = 4096


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
    """List a folder, in a child process with a deadline of five seconds.

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
    found = call_isolated(target, arguments, progress=progress, deadline=_LIST_DEADLINE)
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
    folder = resolve_inside(root, path)
    try:
        if not folder_only and stat.S_ISREG(folder.stat().st_mode):
            folder = folder.parent
        names, complete = _scan(folder, containing.casefold(), progress)
    except OSError as error:
        raise _unlistable(path, error) from None
    names.sort()
    at_root = folder == folder.parent or (root is not None and folder == resolve_inside(None, root))
    return {
        "path": str(folder),
        "parent": None if at_root else str(folder.parent),
        "entries": [(name, not is_file) for is_file, _, name in names[:limit]],
        "total": len(names),
        "complete": complete,
    }


def _unlistable(path: str, error: OSError) -> ColabPanelError:
    if isinstance(error, FileNotFoundError):
        return PathError(f"{path} does not exist.", hint="Check the spelling, or browse to it.")
    if isinstance(error, PermissionError):
        return PathError(f"You may not read {path}.", hint="Choose another folder.")
    if isinstance(error, NotADirectoryError):
        return PathError(f"{path} is not a folder.", hint="Choose a folder.")
    return StorageError(
        f"{path} does not answer ({os.strerror(error.errno or 0)}).",
        hint="If it is on Drive, unmount Drive and mount it again.",
    )


def _scan(folder: Path, containing: str, progress: Progress) -> tuple[list[tuple[bool, str, str]], bool]:
    """Return sortable (is_file, folded name, name), and whether that is all of the folder."""
    names: list[tuple[bool, str, str]] = []
    with os.scandir(folder) as entries:
        for seen, entry in enumerate(entries):
            if seen % _ENTRIES_PER_LOOK == 0:
                progress.advance(0)
            if seen >= _MOST_SEEN:
                return names, False
            folded = entry.name.casefold()
            if containing in folded:
                names.append((not _is_folder(entry), folded, entry.name))
    return names, True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
