"""Looking into files of variables, in a child process: nothing is loaded, and no library of the user's either."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from colabpanel.errors import ColabPanelError, PathError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.paths import real_root, resolve_inside
from colabpanel.services.snapshots.folder import snapshots_in
from colabpanel.services.snapshots.foreign.kinds import kind_of
from colabpanel.services.snapshots.foreign.service import describe_foreign
from colabpanel.services.snapshots.manifest import read_manifest

__all__ = ["contents_here", "last_here", "list_here"]


def contents_here(path: str, root: str | None, progress: Progress) -> dict[str, Any]:
    """Return what a file holds: of `Contents` what JSON can say, and the manifest with its signature.

    Raises:
        InputError: It is no file of variables, or damaged.
    """
    file = resolve_inside(real_root(root), path)
    with disk_errors_in_words():
        kind = kind_of(file)
        told: dict[str, Any] = {"path": os.fspath(file), "kind": kind, "size": file.stat().st_size}
        if kind != "snapshot":
            progress.advance(0)
            return told | {"variables": [asdict(variable) for variable in describe_foreign(file, kind)]}
        manifest, data, signature = read_manifest(file)
    return told | {
        "variables": [asdict(variable) for variable in manifest.variables],
        "created": manifest.created,
        "versions": manifest.versions,
        "bases": [name for name, _ in manifest.bases],
        "manifest": data.decode(),
        "signature": signature,
    }


def list_here(folder: str, root: str | None, progress: Progress) -> list[dict[str, Any]]:
    """Return the snapshots of a folder, newest first; one that cannot be read comes with the reason.

    Raises:
        InputError: The folder cannot be listed.
    """
    found, place = [], resolve_inside(real_root(root), folder)
    with disk_errors_in_words():
        if not place.is_dir():
            raise PathError(f"{folder} is no folder.", hint="Save variables into it first, or choose another one.")
        for path in snapshots_in(place):
            progress.advance(0)
            told: dict[str, Any] = {"path": os.fspath(path), "size": path.stat().st_size}
            try:
                manifest, _, _ = read_manifest(path)
            except ColabPanelError as error:
                told["problem"] = error.message
            else:
                names = [variable.name for variable in manifest.variables if variable.status == "saved"]
                told |= {"created": manifest.created, "names": names, "bases": [name for name, _ in manifest.bases]}
            found.append(told)
    return found


def last_here(folder: str, root: str | None, progress: Progress) -> dict[str, str | None] | None:
    """Return the fingerprints of the variables in the newest snapshot of a folder; None if there is no snapshot.

    Raises:
        InputError: The folder lies outside of the root.
    """
    place = resolve_inside(real_root(root), folder)
    with disk_errors_in_words():
        for path in snapshots_in(place) if place.is_dir() else ():
            progress.advance(0)
            try:
                manifest, _, _ = read_manifest(path)
            except ColabPanelError:
                continue
            saved = (variable.name for variable in manifest.variables if variable.status == "saved")
            return {name: manifest.fingerprints.get(name) for name in saved}
    return None
