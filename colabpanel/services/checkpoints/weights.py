"""The weights in any checkpoint, whoever wrote it, as arrays by name. Nothing of a checkpoint is run for it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, InputError
from colabpanel.services.checkpoints.found.arrays import variable_name, variable_part
from colabpanel.services.checkpoints.found.headers import safetensors_of
from colabpanel.services.checkpoints.found.reading import damage_in_words
from colabpanel.services.checkpoints.found.shards import shard_files
from colabpanel.services.checkpoints.models import Checkpoint
from colabpanel.services.checkpoints.trees import SNAPSHOT, arrays_in
from colabpanel.services.optional import optional
from colabpanel.services.snapshots.service import load

__all__ = ["weights_of"]

_NESTED = ("state_dict", "model_state_dict", "model", "module", "net", "weights")
_KERAS = ("model.weights.h5",)
_NOT_IN_NUMPY = ("bfloat16", "float8")


def weights_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the weights of a model: tensors of PyTorch or arrays of NumPy, by name.

    Raises:
        InputError: There are none that can be read without running code.
        ArchiveError: A file is damaged.
        MissingLibraryError: The library to read them is not installed.
    """
    reader = _READERS.get(checkpoint.framework if checkpoint.kind == "colabpanel" else checkpoint.kind)
    if reader is None:
        raise InputError(
            f"The weights in {checkpoint.name} are not read here.", hint="Use the library that wrote them."
        )
    pairs = list(reader(checkpoint.path))
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError(
            f"Several weights in {checkpoint.name} would have one name.", hint="Use the library that wrote them."
        )
    if not found:
        raise InputError(f"There are no weights in {checkpoint.name}.", hint="Choose another checkpoint.")
    return found


def _from_torch(path: Path) -> Iterator[tuple[str, Any]]:
    optional("torch", "reading files of PyTorch")
    from colabpanel.services.checkpoints.frameworks.torch_models import read_state

    for file in shard_files(path / "model.pt" if path.is_dir() else path):
        state = read_state(file, in_place=True)
        for name in _NESTED:
            if isinstance(state, Mapping) and isinstance(state.get(name), Mapping):
                state = state[name]
        yield from arrays_in(state)


def _from_lightning(path: Path) -> Iterator[tuple[str, Any]]:
    return _from_torch(path / "lightning.ckpt" if path.is_dir() else path)


def _from_safetensors(path: Path) -> Iterator[tuple[str, Any]]:
    files = shard_files(path)
    dtypes = {tensor.dtype for file in files for tensor in safetensors_of(file)}
    unknown = sorted(dtype for dtype in dtypes if dtype.startswith(_NOT_IN_NUMPY))
    if unknown:
        optional("torch", f"reading numbers of {unknown[0]}, which NumPy does not have,")
    library = optional(f"safetensors.{'torch' if unknown else 'numpy'}", "reading safetensors files")
    for file in files:
        try:
            yield from library.load_file(file).items()
        except Exception as error:  # noqa: BLE001 - its own kind, which is not to be imported
            raise ArchiveError(f"{file.name} is damaged ({error}).", hint="Choose another checkpoint.") from None


def _from_transformers(path: Path) -> Iterator[tuple[str, Any]]:
    optional("torch", "reading these weights")
    from colabpanel.services.checkpoints.frameworks.transformers_folder import weights_in

    return weights_in(path)


def _from_keras(path: Path) -> Iterator[tuple[str, Any]]:
    h5py = optional("h5py", "reading weights of Keras")
    file = path / _KERAS[0] if path.is_dir() else path
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive, archive.open(_KERAS[0]) as member, h5py.File(member) as found:
                yield from _arrays_in(found, h5py.Dataset)
        else:
            with h5py.File(file) as found:
                yield from _arrays_in(found, h5py.Dataset)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ArchiveError(f"{file.name} is damaged ({error}).", hint="Choose another checkpoint.") from None


def _arrays_in(group: Any, kind: type) -> list[tuple[str, Any]]:
    arrays: list[tuple[str, Any]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, kind) and not name.startswith("optimizer"):
            arrays.append((name.replace("/", "."), item[()]))  # type: ignore[index]  # a dataset of h5py

    group.visititems(visit)
    return arrays


def _from_snapshot(path: Path) -> Iterator[tuple[str, Any]]:
    """Return what is in a tree of arrays: arrays of NumPy, or tensors where any of it is one."""
    import numpy as np

    found = list(arrays_in(load(path / SNAPSHOT, names=["model"])["model"]))
    tensors = {name: value for name, value in found if hasattr(value, "is_floating_point")}
    arrays = {name: np.asarray(value) for name, value in found if name not in tensors}
    if tensors:
        torch = optional("torch", "reading tensors of PyTorch")
        tensors |= {name: torch.as_tensor(array) for name, array in arrays.items()}
    for name, _ in found:
        yield name, (tensors or arrays)[name]


def _from_tensorflow(path: Path) -> Iterator[tuple[str, Any]]:
    tensorflow = optional("tensorflow", "reading checkpoints of TensorFlow")
    with damage_in_words(path):
        reader = tensorflow.train.load_checkpoint(str(path))
        for name in sorted(reader.get_variable_to_shape_map()):
            if variable_part(name) == "model" and "_CHECKPOINTABLE_OBJECT_GRAPH" not in name:
                yield variable_name(name), reader.get_tensor(name)


_READERS: dict[str, Callable[[Path], Iterator[tuple[str, Any]]]] = {
    "torch": _from_torch,
    "lightning": _from_lightning,
    "safetensors": _from_safetensors,
    "transformers": _from_transformers,
    "keras": _from_keras,
    "tensorflow": _from_tensorflow,
    "snapshot": _from_snapshot,
}
