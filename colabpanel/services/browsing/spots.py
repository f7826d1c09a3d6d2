"""Where an entry is, and whether it may be changed; runs in the child process."""

from __future__ import annotations

import os
from pathlib import Path

from colabpanel.errors import PathError
from colabpanel.services.mounts import DRIVE, insist_on_drive
from colabpanel.services.paths import resolve_inside

__all__ = ["entry_at", "folder_at", "insist_changeable"]

_OF_DRIVE = {"MyDrive", "My Drive", "Shareddrives", "Othercomputers", ".shortcut-targets-by-id", ".Trash-0"}


def entry_at(root: str | None, path: str) -> Path:
    """Return an entry by its real folder and its name: a link stays the link it is.

    Raises:
        PathError: It names no entry of a folder, or does not exist.
        OutsideRootError: Its folder lies outside of the root.
    """
    above, name = os.path.split(path.rstrip("/"))
    if name in {"", ".", ".."} or "\0" in path:
        raise PathError(f"{path or 'That'} is no entry of a folder.", hint="Choose a file or a folder by its name.")
    entry = resolve_inside(root, above or ".") / name
    if not os.path.lexists(entry):
        raise PathError(f"{path} does not exist.", hint="Press Refresh: somebody may have moved it.")
    return entry


def folder_at(root: str | None, path: str) -> Path:
    """Return the real path of a folder that something is to be put into.

    Raises:
        PathError: There is none.
        OutsideRootError: It lies outside of the root.
        StorageError: It is on a Drive that is not mounted.
    """
    folder = resolve_inside(root, path)
    insist_on_drive(folder)
    if not folder.is_dir():
        raise PathError(f"{path} is not a folder.", hint="Choose a folder that exists.")
    return folder


def insist_changeable(entry: Path, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Refuse to move or delete what a system, a Drive or a notebook stands on.

    Raises:
        PathError: It is a mount point or holds one, a home folder, the folder that the notebook works in or one
            above it, or one of Drive's own folders.
    """
    if entry.is_symlink():
        return
    for path, what in ((Path.cwd(), "the folder that the notebook works in"), (Path.home(), "a home folder")):
        if _holds(entry, Path(os.path.realpath(path))):
            raise PathError(f"{entry} is or holds {what}.", hint="Choose something inside of it.")
    if any(_holds(entry, point) for point in _mount_points(mounts)) or os.path.ismount(entry):
        raise PathError(f"A disk is mounted at or below {entry}.", hint="Choose something inside of it.")
    if entry.name in _OF_DRIVE and (entry.parent == DRIVE or os.path.ismount(entry.parent)):
        raise PathError(f"{entry} belongs to Drive itself.", hint="Choose something inside of it.")


def _holds(entry: Path, path: Path) -> bool:
    return entry == path or entry in path.parents


def _mount_points(mounts: Path) -> list[Path]:
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [Path(line.split(" ")[1].replace("\\040", " ")) for line in lines if " " in line]
