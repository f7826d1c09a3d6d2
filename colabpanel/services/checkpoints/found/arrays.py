"""Arrays that Orbax and TensorFlow wrote: shapes and types from what stands beside the numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError
from colabpanel.services.checkpoints.found.kinds import orbax_items
from colabpanel.services.checkpoints.found.reading import damage_in_words, damaged, json_of, plain_dtype
from colabpanel.services.checkpoints.models import TensorInfo
from colabpanel.services.optional import optional
from colabpanel.services.walk import files_below

__all__ = ["orbax_tensors_of", "tensorflow_tensors_of", "variable_name", "variable_part"]

_ABOUT_ARRAYS = (".zarray", "zarr.json")
_OCDBT = "manifest.ocdbt"
_SLOT, _ENDING = ".OPTIMIZER_SLOT", "/.ATTRIBUTES/VARIABLE_VALUE"


def orbax_tensors_of(folder: Path) -> list[TensorInfo]:
    """Return the arrays of a checkpoint of Orbax.

    The part is the key at the top of the tree, as ``params`` or ``opt_state``; what is at the top itself is of the
    ``model``.

    Raises:
        InputError: It keeps no arrays as Zarr, so that nothing can be told.
        ArchiveError: It is damaged.
        MissingLibraryError: It is packed as OCDBT, which only TensorStore reads, and that is not installed.
        OSError: The disk refused.
    """
    found: list[TensorInfo] = []
    for item in orbax_items(folder, set(os.listdir(folder))):  # noqa: PTH208 - names are enough
        told = _in_ocdbt(item) if (item / _OCDBT).exists() else _in_files(item)
        found += [_array(folder, name, described) for name, described in told if _is_array(described)]
    if not found:
        raise InputError(f"Which arrays {folder.name} holds cannot be told.", hint="Restore it with Orbax.")
    return sorted(set(found), key=lambda one: (one.part, one.name))


def _in_files(item: Path) -> Iterator[tuple[str, Any]]:
    for file in files_below(item, set(), []):
        name, _, last = file.name.rpartition("/")
        if last in _ABOUT_ARRAYS:
            yield name.replace("/", "."), json_of(item / file.name)


def _in_ocdbt(item: Path) -> Iterator[tuple[str, Any]]:
    store = optional("tensorstore", "reading checkpoints of Orbax")
    with damage_in_words(item):
        opened = store.KvStore.open({"driver": "ocdbt", "base": {"driver": "file", "path": f"{item}/"}}).result()
        for key in opened.list().result():
            name, _, last = key.decode().rpartition("/")
            if last in _ABOUT_ARRAYS:
                yield name.replace("/", "."), json.loads(opened.read(key).result().value)


def _is_array(described: Any) -> bool:
    return not isinstance(described, dict) or described.get("node_type", "array") == "array"


def _array(folder: Path, name: str, described: Any) -> TensorInfo:
    try:
        shape = tuple(described["shape"])
        dtype = described["dtype"] if "dtype" in described else described["data_type"]
    except (KeyError, TypeError):
        raise damaged(folder, f"{name} is not described") from None
    if not isinstance(dtype, str) or not all(type(length) is int and length >= 0 for length in shape):
        raise damaged(folder, f"{name} is not described")
    top, _, rest = name.partition(".")
    return TensorInfo(rest or top, top if rest else "model", shape, plain_dtype(dtype))


def tensorflow_tensors_of(prefix: Path) -> list[TensorInfo]:
    """Return the variables of a checkpoint of TensorFlow, by the prefix of its files.

    Raises:
        ArchiveError: It is damaged.
        MissingLibraryError: TensorFlow is not installed.
        OSError: The disk refused.
    """
    tensorflow = optional("tensorflow", "reading checkpoints of TensorFlow")
    with damage_in_words(prefix):
        reader = tensorflow.train.load_checkpoint(str(prefix))
        dtypes = reader.get_variable_to_dtype_map()
        return [
            TensorInfo(name, variable_part(name), tuple(map(int, shape)), dtypes[name].name)
            for name, shape in sorted(reader.get_variable_to_shape_map().items())
            if dtypes[name].name != "string"
        ]


def variable_part(key: str) -> str:
    """Tell what a variable in a file of TensorFlow belongs to: ``model`` or ``optimizer``.

    Of Keras 3 the optimizer refers to the weights of the model, and they may be called after that.
    """
    steps = key.split("/")
    is_of_optimizer = _SLOT in steps or ("optimizer" in steps and "_trainable_variables" not in steps)
    return "optimizer" if is_of_optimizer else "model"


def variable_name(key: str) -> str:
    """Return what a variable in a file of TensorFlow is called, without what each key ends in."""
    return key.removesuffix(_ENDING)
