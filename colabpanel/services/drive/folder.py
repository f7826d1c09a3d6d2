"""Where Drive is: mounted by Colab, or a folder that serves in its place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from colabpanel.errors import OutsideRootError, StorageError
from colabpanel.hosts import Host, detect
from colabpanel.services.files import write_atomic
from colabpanel.services.folders import list_folder
from colabpanel.services.mounts import MOUNTS, mounted_at

__all__ = ["DriveFolder", "find_drive", "inspect_drive_folder", "own_folder", "use_drive_folder"]

_OWN_FOLDERS = ("MyDrive", "My Drive")
_MEMORY = "drive-folder.txt"


@dataclass(frozen=True)
class DriveFolder:
    """A folder that holds the user's Drive.

    Attributes:
        root: Where the user's own files are.
        mountpoint: Where it is mounted, or None for a folder that serves in its place.
    """

    root: Path
    mountpoint: Path | None


def find_drive(*, host: Host | None = None, mounts: Path = MOUNTS) -> DriveFolder | None:
    """Return the Drive that is there already: mounted, or the folder that was chosen last; else None.

    Raises:
        ColabPanelError: It is there but does not answer.
    """
    host = host or detect()
    if host.drive_mountpoint is not None:
        if not mounted_at(host.drive_mountpoint, mounts):
            return None
        return DriveFolder(inspect_drive_folder(own_folder(host.drive_mountpoint)), host.drive_mountpoint)
    try:
        chosen = (host.state_dir / _MEMORY).read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None
    try:
        return DriveFolder(inspect_drive_folder(chosen, root=host.root), None)
    except OutsideRootError:  # chosen under another root
        return None


def use_drive_folder(path: str | Path, *, host: Host | None = None) -> DriveFolder:
    """Let a folder serve as Drive, and remember it.

    Raises:
        PathError: It is not a folder, or is outside of the root.
        StorageError: It does not answer in time.
    """
    host = host or detect()
    folder = inspect_drive_folder(path, root=host.root)
    write_atomic(host.state_dir / _MEMORY, os.fsencode(folder))
    return DriveFolder(folder, None)


def own_folder(mountpoint: Path) -> Path:
    """Return the user's own folder on a Drive that is mounted.

    Raises:
        StorageError: It is not there, or Drive does not answer.
    """
    names = {entry.name for entry in list_folder(mountpoint, containing="my").entries if entry.is_folder}
    own = next((name for name in _OWN_FOLDERS if name in names), None)
    if own is None:
        raise StorageError(
            f"Drive is mounted at {mountpoint}, but your own folder is not in it.",
            hint="Unmount Drive and mount it again with the right account.",
        )
    return mountpoint / own


def inspect_drive_folder(path: str | Path, *, root: Path | None = None) -> Path:
    """Return the real path of a folder that shall serve as Drive, after looking whether it answers.

    Raises:
        PathError: It is not a folder, or is outside of the root.
        StorageError: It does not answer in time.
    """
    return list_folder(path, root=root, limit=1, folder_only=True).path
