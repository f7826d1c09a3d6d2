"""Google Drive as a folder: mounted by Colab, or any folder that serves in its place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from colabpanel.errors import HostError, OutsideRootError, StorageError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.files import write_atomic
from colabpanel.services.folders import list_folder
from colabpanel.services.paths import resolve_inside
from colabpanel.services.waiting import result_of

__all__ = [
    "DriveFolder",
    "find_drive",
    "inspect_drive_folder",
    "mount_drive",
    "unmount_drive",
    "use_drive_folder",
]

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


def mount_drive(
    mountpoint: str | Path | None = None,
    *,
    readonly: bool = False,
    force: bool = False,
    host: Host | None = None,
    progress: Progress | None = None,
) -> DriveFolder:
    """Mount Google Drive; the host asks the user for consent. On Colab only.

    It runs on the main thread, so from another thread it waits until no cell runs.

    Args:
        mountpoint: An empty folder; None takes the host's usual one (``/content/drive``).
        readonly: Whether to refuse writing.
        force: Whether to mount anew if it is mounted already.
        host: The notebook host; None detects it.
        progress: Is told what it waits for, and may stop the waiting.

    Raises:
        HostError: The host cannot, or Drive refused; the hint says what to do.
        StorageError: It mounted, but its folder does not answer.
    """
    host = host or detect()
    place = Path(mountpoint) if mountpoint is not None else host.drive_mountpoint
    if place is None:
        raise HostError(
            f"{host.name} cannot mount Google Drive by itself.",
            hint="Choose a folder that serves as Drive, such as the one Google Drive for desktop makes.",
        )
    if mountpoint is not None and host.root is not None:
        resolve_inside(host.root, mountpoint)
    progress = progress or Progress()
    progress.start(None, "Mounting Drive: allow it in the window that opens, once no cell runs", unit="seconds")
    mounting = host.on_main_thread(lambda: host.mount_drive(place, readonly=readonly, force=force))
    result_of(mounting, progress)
    return DriveFolder(inspect_drive_folder(_own_folder(place)), place)


def unmount_drive(*, host: Host | None = None, progress: Progress | None = None) -> None:
    """Write out what is pending and unmount Google Drive. On Colab only.

    Raises:
        HostError: The host cannot, or not everything could be written out.
    """
    host = host or detect()
    progress = progress or Progress()
    progress.start(None, "Writing out and unmounting Drive", unit="seconds")
    result_of(host.on_main_thread(host.unmount_drive), progress)


def find_drive(*, host: Host | None = None, mounts: Path = Path("/proc/self/mounts")) -> DriveFolder | None:
    """Return the Drive that is there already: mounted, or the folder that was chosen last; else None.

    Raises:
        ColabPanelError: It is there but does not answer.
    """
    host = host or detect()
    if host.drive_mountpoint is not None:
        if not _is_mounted(host.drive_mountpoint, mounts):
            return None
        return DriveFolder(inspect_drive_folder(_own_folder(host.drive_mountpoint)), host.drive_mountpoint)
    try:
        chosen = (host.state_dir / _MEMORY).read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None
    try:
        return DriveFolder(inspect_drive_folder(chosen, root=host.root), None)
    except OutsideRootError:  # chosen under another root
        return None


def _is_mounted(mountpoint: Path, mounts: Path) -> bool:
    """Look into the list of mounts, which answers even while the mount itself hangs."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return False
    return any(line.split(" ")[1:2] == [str(mountpoint)] for line in lines)


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


def _own_folder(mountpoint: Path) -> Path:
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
