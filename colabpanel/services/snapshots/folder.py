"""Snapshots beside each other in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from colabpanel.errors import ArchiveError, StorageError
from colabpanel.services.disks import errors_about
from colabpanel.services.snapshots.manifest import Manifest, read_manifest

__all__ = ["SUFFIX", "dependents_of", "snapshot_of", "snapshots_in"]

SUFFIX = ".snapshot.zip"
_MOST = 1_000


def snapshots_in(folder: Path, *, most: int | None = _MOST) -> list[Path]:
    """Return the snapshots of a folder, newest first; at most a thousand are looked for, or so many, or all for None.

    Raises:
        OSError: The folder cannot be listed.
    """
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX) and not entry.name.startswith(".") and entry.is_file():
                found.append((entry.stat().st_mtime, Path(entry.path)))
                if len(found) == most:
                    break
    return [path for _, path in sorted(found, key=lambda pair: (-pair[0], pair[1].name))]


def dependents_of(path: Path) -> list[Path]:
    """Return the snapshots beside one that refer to leaves in it; files that are no snapshots do not.

    Raises:
        StorageError: One of the files cannot be read, so it is not known.
    """
    try:
        identity = _manifest(path).id
        return [other for other in snapshots_in(path.parent, most=None) if other != path and _needs(other, identity)]
    except ArchiveError:
        return []
    except OSError as error:
        raise StorageError(
            f"It cannot be told what builds on {path.name}: {os.strerror(error.errno or 0)} ({error.filename}).",
            hint=f"{path.name} was left as it is: try again when that can be read.",
        ) from error


def snapshot_of(folder: Path, identity: str) -> Path | None:
    """Return the snapshot in a folder that has an identity, whatever it is called; None if there is none."""
    try:
        return next((path for path in snapshots_in(folder) if _is(path, identity)), None)
    except OSError:
        return None


def _is(path: Path, identity: str) -> bool:
    try:
        return _manifest(path).id == identity
    except (ArchiveError, OSError):
        return False


def _needs(path: Path, identity: str) -> bool:
    try:
        return any(known == identity for _, known in _manifest(path).bases)
    except ArchiveError:
        return False


def _manifest(path: Path) -> Manifest:
    with errors_about(path):
        return read_manifest(path)[0]
