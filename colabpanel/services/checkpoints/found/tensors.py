"""Which tensors a checkpoint holds, told without loading their numbers."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

from colabpanel.errors import ArchiveError, InputError, PathError
from colabpanel.services.checkpoints.found.arrays import orbax_tensors_of, tensorflow_tensors_of
from colabpanel.services.checkpoints.found.dcp import dcp_tensors_of
from colabpanel.services.checkpoints.found.h5_files import WEIGHTS, h5_tensors_of, keras_tensors_of
from colabpanel.services.checkpoints.found.headers import safetensors_of
from colabpanel.services.checkpoints.found.kinds import HDF5, LEGACY_TORCH, ZIP, kind_of_folder
from colabpanel.services.checkpoints.found.reading import damaged, head_of
from colabpanel.services.checkpoints.found.shards import INDEXES, shard_files
from colabpanel.services.checkpoints.found.torch_files import torch_tensors_of
from colabpanel.services.checkpoints.models import TensorInfo
from colabpanel.services.checkpoints.trees import listed_arrays
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.snapshots.catalog import contents
from colabpanel.services.snapshots.manifest import MANIFEST, UNREADABLE

__all__ = ["tensors_of"]

_MODELS = ("model", "pytorch_model", "adapter_model")
_OPTIMIZER = "optimizer.pt"
_SHAPE = re.compile(r"(scalar|\d[\d,]*(?: x \d[\d,]*)*) ([a-z]\w*)")
_HINT = "colabpanel reads checkpoints of Keras, PyTorch, Lightning, Transformers, safetensors, TensorFlow and Orbax."


def tensors_of(path: Path) -> list[TensorInfo]:
    """Return the tensors that a checkpoint holds; no numbers are loaded, and no code in it is run.

    Args:
        path: A file, a folder, the index of a model in several files, or the prefix of a checkpoint of TensorFlow.

    Raises:
        PathError: There is no such file or folder.
        TrustError: Code would have to be run to tell.
        ArchiveError: It is damaged, or no checkpoint.
        InputError: It does not tell.
        MissingLibraryError: The library that reads it is not installed.
        StorageError: The disk failed.
    """
    with disk_errors_in_words():
        if path.is_dir():
            return _in_folder(path)
        if path.is_file():
            return _in_file(path)
        if Path(f"{path}.index").is_file():
            return tensorflow_tensors_of(path)
    raise PathError(f"{path} does not exist.", hint="Check the spelling, or whether Drive is mounted.")


def _in_folder(folder: Path) -> list[TensorInfo]:
    names = set(os.listdir(folder))  # noqa: PTH208 - names are enough
    kind = kind_of_folder(folder, names)
    if kind == "dcp":
        return dcp_tensors_of(folder)
    if kind == "orbax":
        return orbax_tensors_of(folder)
    return _of_transformers(folder, names)


def _of_transformers(folder: Path, names: set[str]) -> list[TensorInfo]:
    """Return the tensors of the model in a folder, and of the optimizer that the Trainer puts beside it."""
    ends = (".safetensors.index.json", ".safetensors", ".bin.index.json", ".bin")
    model = next((f"{stem}{end}" for end in ends for stem in _MODELS if f"{stem}{end}" in names), None)
    if model is None:
        raise InputError(f"{folder.name} holds no model that colabpanel knows.", hint=_HINT)
    found = [replace(one, part="model") for one in _in_file(folder / model)]
    if _OPTIMIZER in names:
        for one in torch_tensors_of(folder / _OPTIMIZER):
            name = one.name if one.part == "model" else f"{one.part}.{one.name}"
            found.append(replace(one, part="optimizer", name=name))
    return found


def _in_file(path: Path) -> list[TensorInfo]:
    for suffix, kind in INDEXES.items():
        if path.name.endswith(suffix):
            read = safetensors_of if kind == "safetensors" else torch_tensors_of
            return [one for shard in shard_files(path) for one in read(shard)]
    if path.name.endswith(".safetensors"):
        return safetensors_of(path)
    head = head_of(path)
    if head.startswith(ZIP):
        return _in_zip(path)
    if head.startswith(HDF5):
        return h5_tensors_of(path)
    if head.startswith(LEGACY_TORCH):
        return torch_tensors_of(path)
    if path.suffix == ".index":
        return tensorflow_tensors_of(path.with_suffix(""))
    raise ArchiveError(f"{path.name} is damaged, or no checkpoint that colabpanel knows.", hint=_HINT)


def _in_zip(path: Path) -> list[TensorInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except UNREADABLE as error:
        raise damaged(path) from error
    if WEIGHTS in names:
        return keras_tensors_of(path)
    return _in_snapshot(path) if MANIFEST in names else torch_tensors_of(path)


def _in_snapshot(path: Path) -> list[TensorInfo]:
    """Return the arrays of a snapshot of ours; variables of other kinds have no shape."""
    listed = listed_arrays(path)
    if listed is not None:
        return listed
    found = []
    for variable in contents(path).variables:
        told = _SHAPE.fullmatch(variable.shape)
        if told is not None:
            lengths = () if told[1] == "scalar" else tuple(int(one.replace(",", "")) for one in told[1].split(" x "))
            found.append(TensorInfo(variable.name, "variables", lengths, told[2]))
    return found
