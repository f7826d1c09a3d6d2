"""Where the checkpoints of a folder are written: there, or on local disk first."""

from __future__ import annotations

import os
from pathlib import Path

import xxhash

from colabpanel.errors import InputError
from colabpanel.hosts import state_dir
from colabpanel.services.mounts import insist_on_drive, is_remote
from colabpanel.services.paths import resolve_inside

__all__ = ["first_place", "places_of", "request_place"]


def places_of(directory: str | Path, mirror: str | Path | None, root: str | Path | None) -> tuple[Path, Path | None]:
    """Return the folder, and the mirror; a folder that is not on local disk is its own mirror."""
    if not isinstance(directory, (str, os.PathLike)):
        raise InputError("directory takes the path of a folder.", hint='Write Checkpoints("checkpoints").')
    place = resolve_inside(root, directory)
    other = None if mirror is None else resolve_inside(root, mirror)
    if other is None and is_remote(place):
        other = place
    elif other == place or (other is not None and (place in other.parents or other in place.parents)):
        raise InputError("The mirror must be another folder.", hint="Choose one on Drive, or leave mirror out.")
    for one in (place, other):
        if one is not None:
            insist_on_drive(one)
            if one.exists() and not one.is_dir():
                raise InputError(f"{one} is a file, not a folder.", hint="Choose a folder for checkpoints.")
    return place, other


def first_place(directory: Path) -> Path:
    """Return the folder on local disk in which checkpoints for a folder elsewhere are written first."""
    return state_dir() / "checkpoints" / xxhash.xxh3_64_hexdigest(os.fsencode(directory))


def request_place(directory: Path) -> Path:
    """Return the folder on local disk in which training that saves into a folder looks whether it is asked to save."""
    return first_place(directory) if is_remote(directory) else directory
