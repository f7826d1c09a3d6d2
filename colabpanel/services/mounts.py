"""Which disk a path lies on."""

from __future__ import annotations

import os
from pathlib import Path

from colabpanel.errors import StorageError

__all__ = [
    "DRIVE",
    "MOUNTS",
    "insist_on_drive",
    "insist_on_mount",
    "is_remote",
    "mount_of",
    "mounted_at",
    "remote_mount",
]

DRIVE = Path("/content/drive")
"""Where Colab mounts Google Drive."""

MOUNTS = Path("/proc/self/mounts")
"""The list of mounts, which answers even while a mount itself hangs."""

_REMOTE = ("fuse", "drive", "nfs", "cifs", "smb", "9p", "sshfs", "davfs")


def mount_of(path: Path) -> tuple[str, str]:
    """Return the mount point of a path and the kind of its file system; empty where the system does not tell."""
    real, best, kind = os.path.realpath(path), "", ""
    try:
        with open("/proc/mounts", encoding="utf-8", errors="surrogateescape") as mounts:  # noqa: PTH123
            for line in mounts:
                _, point, found, *_ = line.split(" ")
                point = point.replace("\\040", " ")
                if len(point) > len(best) and (real == point or real.startswith(point.rstrip("/") + "/")):
                    best, kind = point, found
    except OSError:
        return "", ""
    return best, kind


def mounted_at(mountpoint: Path, mounts: Path = MOUNTS) -> str:
    """Return the kind of file system that is mounted at exactly this place, or nothing where none is."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    rows = [line.split(" ") for line in lines]
    return next((row[2] for row in reversed(rows) if row[1].replace("\\040", " ") == str(mountpoint)), "")


def insist_on_drive(path: Path) -> None:
    """Refuse a path on Google Drive while Drive is not mounted: a folder of that name would be made on the local disk.

    Raises:
        StorageError: It is not mounted.
    """
    if path != DRIVE and DRIVE not in path.parents:
        return
    below = path.relative_to(DRIVE).parts or ("MyDrive",)
    if not (DRIVE / below[0]).exists():
        raise StorageError(
            f"Google Drive is not mounted at {DRIVE}.", hint="Mount it in the Drive tab, then try again."
        )


def is_remote(path: Path) -> bool:
    """Whether a path lies on Drive, on a network, or on anything else that is mounted by a program."""
    return mount_of(path)[1].startswith(_REMOTE)


def remote_mount(path: Path) -> str:
    """Return where the drive or network that a path lies on is mounted, or nothing for a local disk."""
    point, kind = mount_of(path)
    return point if kind.startswith(_REMOTE) else ""


def insist_on_mount(path: Path, earlier: str) -> None:
    """Refuse a path that was on a mounted drive and now is not: what is written there would not be safe.

    Args:
        path: A folder.
        earlier: What `remote_mount` returned for it.

    Raises:
        StorageError: It is not mounted any more.
    """
    if earlier and remote_mount(path) != earlier:
        raise StorageError(
            f"{path} was on {earlier}, which is not mounted any more.", hint="Mount it again, then try again."
        )
