"""What can be done with the entries of folders. The work is done in a child process, so a hung Drive can be left."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError
from colabpanel.hosts import state_dir
from colabpanel.progress import Progress
from colabpanel.services.browsing.models import Done, Overwrite
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.crew.crew import processors

__all__ = ["copy_entries", "delete_entries", "make_folder", "move_entries", "rename_entry", "zip_entries"]

_HERE = "colabpanel.services.browsing"
_SHORT = 10.0
"""Seconds that naming or making one thing may take."""

_PathLike = str | Path


def copy_entries(
    entries: Sequence[_PathLike],
    folder: _PathLike,
    *,
    overwrite: Overwrite = "ask",
    root: _PathLike | None = None,
    progress: Progress | None = None,
) -> Done:
    """Copy files and folders into a folder, and verify them.

    A file, or a folder that is not there yet, is copied under a hidden name beside its place, read back, and then
    renamed to it: killed at any moment, nothing half stands under its name. A link is followed if it was chosen
    itself, inside the root; those inside of a folder are left out.

    Args:
        entries: What to copy.
        folder: The folder to copy into.
        overwrite: What happens to names that are taken: ``ask`` does nothing at all and answers which
            (status ``taken``); ``rename`` copies under free names as ``photo (2).jpg``; ``replace`` replaces
            files, and puts what a folder holds into the one that is there, in which nothing is deleted.
        root: Refuse paths outside of this folder.
        progress: Is told the bytes, and may cancel; what was copied by then stays.

    Raises:
        InputError: A path cannot be used, or there is no room.
        JobBusyError: Something is being copied or moved into that folder already.
        StorageError: The disk or Drive failed; nothing half stands under its name.
    """
    return _carry(entries, folder, overwrite, root, progress, moving=False)


def move_entries(
    entries: Sequence[_PathLike],
    folder: _PathLike,
    *,
    overwrite: Overwrite = "ask",
    root: _PathLike | None = None,
    progress: Progress | None = None,
) -> Done:
    """Move files and folders into a folder; links are moved as links.

    On one disk they are renamed. To another disk they are copied as by `copy_entries`, and a file is deleted only
    where its copy stands and has its size, and only if it did not change since; what was left out stays. A folder
    that is put into one of the same name is always copied.

    Args:
        entries: What to move.
        folder: The folder to move into.
        overwrite: See `copy_entries`.
        root: Refuse paths outside of this folder.
        progress: Is told the bytes, and may cancel; nothing is lost.

    Raises:
        InputError: A path cannot be used, there is no room, or the notebook stands on one of them.
        JobBusyError: Something is being copied or moved into that folder already.
        StorageError: The disk or Drive failed; nothing is lost.
    """
    return _carry(entries, folder, overwrite, root, progress, moving=True)


def _carry(
    entries: Sequence[_PathLike],
    folder: _PathLike,
    overwrite: Overwrite,
    root: _PathLike | None,
    progress: Progress | None,
    *,
    moving: bool,
) -> Done:
    if overwrite not in {"ask", "rename", "replace"}:
        raise InputError(f"overwrite cannot be {overwrite!r}.", hint="Use 'ask', 'rename' or 'replace'.")
    arguments = {
        "entries": _chosen(entries, root),
        "folder": anchored(folder, root),
        "overwrite": overwrite,
        "moving": moving,
        "state_dir": os.fspath(state_dir()),
    }
    return _done("carrying_here:carry_here", arguments, root, progress)


def delete_entries(
    entries: Sequence[_PathLike],
    *,
    truncate_first: bool = False,
    root: _PathLike | None = None,
    progress: Progress | None = None,
) -> Done:
    """Delete files, links and folders with all that is in them. Links are not followed, other disks not entered.

    On Drive, what is deleted goes to the Trash, where it takes room until that is emptied; elsewhere it is gone.

    Args:
        entries: What to delete.
        truncate_first: Whether to empty each file before, so that it takes no room in the Trash; nothing
            can bring it back then.
        root: Refuse paths outside of this folder.
        progress: Is told the files, and may cancel; what is deleted by then is gone.

    Returns:
        What was deleted. ``status`` is ``partial`` when something could not be.

    Raises:
        InputError: One of them is not there, or the system, Drive or the notebook stands on it; nothing
            was deleted.
    """
    arguments = {"entries": _chosen(entries, root), "truncate_first": truncate_first}
    return _done("removing_here:delete_here", arguments, root, progress)


def rename_entry(
    entry: _PathLike, name: str, *, root: _PathLike | None = None, progress: Progress | None = None
) -> Path:
    """Give a file, link or folder another name in its folder; returns its new path.

    Raises:
        PathError: The name cannot be, is taken, or Drive would not keep it.
        StorageError: The disk or Drive does not answer.
    """
    arguments = {"entry": anchored(entry, root), "name": name}
    return Path(_call("changing_here:rename_here", arguments, root, progress, deadline=_SHORT))


def make_folder(
    folder: _PathLike, name: str, *, root: _PathLike | None = None, progress: Progress | None = None
) -> Path:
    """Make a folder in a folder; returns its path.

    Raises:
        PathError: The name cannot be, is taken, or Drive would not keep it.
        StorageError: The disk or Drive does not answer.
    """
    arguments = {"folder": anchored(folder, root), "name": name}
    return Path(_call("changing_here:make_folder_here", arguments, root, progress, deadline=_SHORT))


def zip_entries(
    folder: _PathLike,
    names: Sequence[str],
    archive: str,
    *,
    root: _PathLike | None = None,
    progress: Progress | None = None,
) -> Done:
    """Pack some of what is in a folder into a zip archive in the same folder, as `colabpanel.pack` does.

    Args:
        folder: The folder.
        names: Names in it; folders are packed with all that is in them, links are left out.
        archive: The name of the archive; ``.zip`` is added if it is not there.
        root: Refuse paths outside of this folder.
        progress: Is told the bytes, and may cancel.

    Raises:
        InputError: A name is taken or is not there, or there is nothing to pack.
        StorageError: The disk is full, or did not keep what was written.
    """
    if not names:
        raise InputError("Nothing is chosen.", hint="Choose files or folders first.")
    arguments = {"folder": anchored(folder, root), "names": list(names), "archive": archive, "workers": processors()}
    return _done("zipping_here:zip_here", arguments, root, progress)


def _chosen(entries: Sequence[_PathLike], root: _PathLike | None) -> list[str]:
    if not entries:
        raise InputError("Nothing is chosen.", hint="Choose files or folders first.")
    return [anchored(entry, root) for entry in entries]


def _call(
    target: str,
    arguments: Mapping[str, Any],
    root: _PathLike | None,
    progress: Progress | None,
    *,
    deadline: float | None = None,
) -> Any:
    bounded = {**arguments, "root": None if root is None else os.fspath(root)}
    return call_isolated(f"{_HERE}.{target}", bounded, progress=progress, deadline=deadline)


def _done(target: str, arguments: Mapping[str, Any], root: _PathLike | None, progress: Progress | None) -> Done:
    started = time.monotonic()
    found = _call(target, arguments, root, progress)
    return Done(
        status=found["status"],
        entries=found.get("entries", 0),
        files=found.get("files", 0),
        size=found.get("size"),
        made=tuple(found.get("made") or found.get("archives") or ()),
        taken=tuple(found.get("taken", ())),
        skipped=tuple(Skipped(*pair) for pair in found.get("skipped", ())),
        seconds=time.monotonic() - started,
    )
