"""Snapshots beside each other in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from colabpanel.errors import ArchiveError
from colabpanel.services.snapshots.manifest import read_manifest

__all__ = ["SUFFIX", "dependents_of", "snapshots_in"]

SUFFIX = ".snapshot.zip"
_MOST = 1_000


def snapshots_in(folder: Path) -> list[Path]:
    """Return the snapshots of a folder, newest first; at most a thousand are looked for.

    Raises:
        OSError: The folder cannot be listed.
    """
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX) and not entry.name.startswith(".") and entry.is_file():
                found.append((entry.stat().st_mtime, Path(entry.path)))
                if len(found) >= _MOST:
                    break
    return [path for _, path in sorted(found, key=lambda pair: (-pair[0], pair[1].name))]


def dependents_of(path: Path) -> list[Path]:
    """Return the snapshots beside one that refer to leaves in it."""
    try:
        identity = read_manifest(path)[0].id
    except (ArchiveError, OSError):
        return []
    found = []
    for other in snapshots_in(path.parent):
        if other == path:
            continue
        try:
            bases = read_manifest(other)[0].bases
        except (ArchiveError, OSError):
            continue
        if identity in {known for _, known in bases}:
            found.append(other)
    return found
