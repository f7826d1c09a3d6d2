"""Files of variables as files: what is in them, which there are, and getting rid of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colabpanel.errors import InputError, PathError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.files import delete_file
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored, resolve_inside
from colabpanel.services.snapshots.fingerprint import Fingerprints
from colabpanel.services.snapshots.folder import SUFFIX, dependents_of
from colabpanel.services.snapshots.folding import fold_into
from colabpanel.services.snapshots.models import Contents, SavedVariable
from colabpanel.services.snapshots.trust import is_signed_by_us

__all__ = ["SnapshotFile", "contents", "delete_snapshot", "last_fingerprints", "prune_snapshots", "snapshots"]

_HERE = "colabpanel.services.snapshots.inspecting"
_STAMP = r"-\d{8}-\d{6}"


@dataclass(frozen=True)
class SnapshotFile:
    """A snapshot in a folder.

    Attributes:
        path: The file.
        size: Its bytes.
        created: Seconds since the epoch, or None where it cannot be read.
        names: The variables in it.
        bases: Names of the snapshots that hold a part of it.
        problem: Why it cannot be read, or empty.
    """

    path: Path
    size: int
    created: float | None = None
    names: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    problem: str = ""


def contents(path: str | Path, *, root: str | Path | None = None, progress: Progress | None = None) -> Contents:
    """Tell what a file of variables holds, and load none of it.

    Args:
        path: A snapshot, pickle, ``.npy``, ``.npz``, Parquet or safetensors file.
        root: Refuse paths outside of this folder.
        progress: May cancel it.

    Raises:
        InputError: It is no such file, or is damaged.
    """
    arguments = {"path": anchored(path, root), "root": root and os.fspath(root)}
    found = call_isolated(f"{_HERE}:contents_here", arguments, progress=progress)
    signature, manifest = found.pop("signature", ""), found.pop("manifest", "")
    variables = tuple(_variable(told) for told in found.pop("variables"))
    signed = bool(signature) and is_signed_by_us(manifest.encode(), signature)
    bases = tuple(found.pop("bases", ()))
    return Contents(**{**found, "path": Path(found["path"])}, variables=variables, bases=bases, signed=signed)


def _variable(told: dict[str, object]) -> SavedVariable:
    needs = told["needs"]
    return SavedVariable(**{**told, "needs": None if needs is None else tuple(needs)})  # type: ignore[arg-type]


def snapshots(
    folder: str | Path, *, root: str | Path | None = None, progress: Progress | None = None
) -> list[SnapshotFile]:
    """Return the snapshots in a folder (``*.snapshot.zip``), newest first.

    Raises:
        InputError: The folder cannot be listed.
    """
    arguments = {"folder": anchored(folder, root), "root": root and os.fspath(root)}
    found = call_isolated(f"{_HERE}:list_here", arguments, progress=progress)
    return [
        SnapshotFile(
            **{
                **told,
                "path": Path(told["path"]),
                "names": tuple(told.get("names", ())),
                "bases": tuple(told.get("bases", ())),
            }
        )
        for told in found
    ]


def last_fingerprints(
    folder: str | Path, *, root: str | Path | None = None, progress: Progress | None = None
) -> Fingerprints | None:
    """Return the fingerprints of the variables in the newest snapshot of a folder; None if it holds no snapshot.

    Raises:
        ColabPanelError: That cannot be told: the folder does not answer, or lies outside of the root.
    """
    arguments = {"folder": anchored(folder, root), "root": root and os.fspath(root)}
    found: Fingerprints | None = call_isolated(f"{_HERE}:last_here", arguments, progress=progress)
    return found


def delete_snapshot(
    path: str | Path, *, fold: bool = False, root: str | Path | None = None, progress: Progress | None = None
) -> None:
    """Delete a snapshot.

    Args:
        path: The snapshot.
        fold: If others build on it, first copy into them what they need of it; else it is refused.
        root: Refuse paths outside of this folder.
        progress: Is told the bytes copied, and may cancel.

    Raises:
        InputError: It does not exist, or others build on it.
        StorageError: The disk failed; nothing that is needed was deleted.
    """
    file = resolve_inside(root, path)
    with disk_errors_in_words():
        if not file.is_file():
            raise PathError(f"{path} does not exist.")
        dependents = dependents_of(file)
        if dependents and not fold:
            raise InputError(
                f"{dependents[0].name} builds on {file.name}.",
                hint="Delete with fold=True to copy into it what it needs first.",
            )
        heir = None
        for dependent in reversed(dependents):  # the oldest takes over, and the others refer to it
            fold_into(dependent, file, heir, progress or Progress())
            heir = heir or dependent
        delete_file(file)


def prune_snapshots(
    folder: str | Path,
    *,
    keep: int,
    name: str | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Sequence[Path]:
    """Delete all but the newest snapshots of a folder; what those need of older ones is copied into them first.

    Args:
        folder: The folder.
        keep: How many stay, at least one.
        name: Only those called ``NAME-YYYYMMDD-HHMMSS.snapshot.zip``, as the panel names them.
        root: Refuse paths outside of this folder.
        progress: Is told the bytes copied, and may cancel.

    Returns:
        What was deleted. Files that cannot be read are left alone, and do not count.

    Raises:
        InputError: ``keep`` is less than one, or the folder cannot be listed.
        StorageError: The disk failed; nothing that is needed was deleted.
    """
    if keep < 1:
        raise InputError("keep must be at least 1.")
    pattern = re.compile((re.escape(name) + _STAMP if name is not None else ".*") + re.escape(SUFFIX))
    found = [
        one
        for one in snapshots(folder, root=root, progress=progress)
        if not one.problem and pattern.fullmatch(one.path.name)
    ]
    old = [one.path for one in sorted(found, key=lambda one: -(one.created or 0))[keep:]]
    for path in reversed(old):
        delete_snapshot(path, fold=True, root=root, progress=progress)
    return old
