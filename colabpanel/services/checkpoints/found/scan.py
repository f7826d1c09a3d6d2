"""The checkpoints in a folder that other libraries wrote."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from colabpanel.errors import PathError
from colabpanel.services.checkpoints.found.kinds import kind_of_file, kind_of_folder
from colabpanel.services.checkpoints.found.names import Told, told_by, trailing_number
from colabpanel.services.checkpoints.found.shards import INDEXES, shards_of
from colabpanel.services.checkpoints.found.trainer_state import state_of
from colabpanel.services.checkpoints.models import Checkpoint
from colabpanel.services.checkpoints.record import MANIFEST, RECORD
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.walk import files_below

__all__ = ["find_checkpoints"]

_FRAMEWORKS = {"keras": "keras", "lightning": "torch", "transformers": "torch", "torch": "torch", "dcp": "torch"}
_PIECE = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
_UNFINISHED = (".part", ".tmp")
_Files = dict[str, os.stat_result]


def find_checkpoints(directory: Path) -> list[Checkpoint]:
    """Return the checkpoints in a folder that other libraries wrote, oldest first; none is opened further than needed.

    Folders in it are looked into only as far as tells whether each is a checkpoint.

    Args:
        directory: The folder.

    Raises:
        PathError: There is no such folder.
        StorageError: The disk failed.
    """
    with disk_errors_in_words():
        if not directory.is_dir():
            raise PathError(f"{directory} is not a folder.", hint="Choose the folder that training saves into.")
        if (directory / RECORD).exists():
            return []
        files, folders = _listed(directory)
        found = [*_from_folders(directory, folders), *_from_groups(directory, files), *_from_files(directory, files)]
    return sorted(_with_best(found), key=lambda one: (one.created, one.name))


def _listed(directory: Path) -> tuple[_Files, list[str]]:
    """Return the files and the names of folders; links that lead nowhere, and what nobody may see, are left out."""
    files: _Files = {}
    folders = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(_UNFINISHED) or entry.name == MANIFEST:
                continue
            try:
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file():
                    files[entry.name] = entry.stat()
            except OSError:
                continue
    return files, folders


def _from_folders(directory: Path, folders: list[str]) -> Iterator[Checkpoint]:
    for name in folders:
        folder = directory / name
        try:
            kind = kind_of_folder(folder, set(os.listdir(folder)))  # noqa: PTH208 - names are enough
        except OSError:
            continue
        if kind:
            yield _folder(folder, kind)


def _folder(folder: Path, kind: str) -> Checkpoint:
    below = list(files_below(folder, set(), []))
    newest = max((file.modified_ns for file in below), default=folder.stat().st_mtime_ns) / 1e9
    told = told_by(folder.name)
    if told.step is None and kind != "dcp":
        told.step = trailing_number(folder.name)
    if kind == "transformers":
        state = state_of(folder)
        told = Told(told.step if state.step is None else state.step, state.epoch, state.metrics)
    return _checkpoint(folder, kind, told, newest, sum(file.size for file in below))


def _checkpoint(path: Path, kind: str, told: Told, created: float, size: int) -> Checkpoint:
    return Checkpoint(
        name=path.name,
        kind=kind,
        path=path,
        step=told.step,
        epoch=told.epoch,
        metrics=told.metrics,
        created=created,
        size=size,
        framework=_FRAMEWORKS.get(kind, ""),
    )


def _with_best(found: list[Checkpoint]) -> list[Checkpoint]:
    """Let only the newest state of a Trainer say which checkpoint is the best; older ones did not know better."""
    ours = [one for one in found if one.kind == "transformers"]
    if not ours:
        return found
    newest = max(ours, key=lambda one: (one.step if one.step is not None else -1, one.created))
    best = state_of(newest.path).best
    return [replace(one, is_best=one.name == best) if one.kind == "transformers" else one for one in found]


def _from_groups(directory: Path, files: _Files) -> Iterator[Checkpoint]:
    """Yield checkpoints of several files, and take those files away."""
    pieces: dict[str, list[str]] = {}
    for name in files:
        if found := _PIECE.fullmatch(name):
            pieces.setdefault(found[1], []).append(name)
    for prefix, names in pieces.items():
        if f"{prefix}.index" in files:
            yield _grouped(
                directory / prefix, "tensorflow", _told_by_prefix(prefix), files, [f"{prefix}.index", *names]
            )
    for name in sorted(files):
        kind = next((kind for suffix, kind in INDEXES.items() if name.endswith(suffix)), "")
        if kind:
            parts = [one for one in shards_of(directory / name) if one in files]
            yield _grouped(directory / name, kind, told_by(name), files, [name, *parts])


def _grouped(path: Path, kind: str, told: Told, files: _Files, names: list[str]) -> Checkpoint:
    taken = [files.pop(name) for name in names]
    return _checkpoint(path, kind, told, max(one.st_mtime for one in taken), sum(one.st_size for one in taken))


def _told_by_prefix(prefix: str) -> Told:
    """Return what ``ckpt-5`` tells, or ``cp-0010.ckpt``, which is how Keras calls the same files."""
    if prefix.endswith(".ckpt"):
        return told_by(prefix, keras=True)
    told = told_by(prefix)
    told.step = trailing_number(prefix) if told.step is None else told.step
    return told


def _from_files(directory: Path, files: _Files) -> Iterator[Checkpoint]:
    for name, status in files.items():
        try:
            kind = kind_of_file(directory / name)
        except OSError:
            continue
        if kind:
            yield _checkpoint(
                directory / name, kind, told_by(name, keras=kind == "keras"), status.st_mtime, status.st_size
            )
