"""Where libraries keep memory of their own: which, how much, and on what device. Nothing is imported for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["HOST", "Piece", "is_of", "is_optimizer", "owner_of", "pieces_of", "tensors_of"]

HOST = "cpu"
_MOST = 50_000  # tensors of one model


class Piece(NamedTuple):
    """A stretch of memory.

    Attributes:
        identity: What it has in common with others that use the same memory.
        size: Its bytes, all of them, however few a view shows.
        place: ``cpu``, a device as ``cuda:0``, or ``file`` for a file that is mapped.
    """

    identity: int
    size: int
    place: str = HOST


NOTEBOOK = "__main__"
"""The module of classes that a notebook defines: nothing of theirs is run to tell how large they are."""


def is_of(kind: type, library: str, *names: str) -> bool:
    """Whether a type is, or comes of, one of these in a library; where nobody has loaded it, nothing is."""
    module = sys.modules.get(library)
    found = tuple(base for name in names if isinstance(base := getattr(module, name, None), type))
    return issubclass(kind, found)


def is_optimizer(kind: type) -> bool:
    """Whether a type is an optimizer of PyTorch or Keras, which refers to the parameters of a model."""
    return is_of(kind, "torch.optim", "Optimizer") or is_of(kind, "keras", "Optimizer")


def pieces_of(value: Any, kind: type) -> list[Piece] | None:
    """Return the memory that an array, a tensor, a frame or an image stands for; None for anything else."""
    library = kind.__module__.partition(".")[0]
    if is_of(kind, "torch", "Tensor"):
        return list(_of_tensor(value))
    if is_of(kind, "pandas", "DataFrame", "Series", "Index"):
        return _of_pandas(value)
    if library == "polars" and hasattr(value, "estimated_size"):
        return [Piece(id(value), value.estimated_size())]
    if library == "PIL" and hasattr(value, "getbands"):
        return [Piece(id(value), value.size[0] * value.size[1] * len(value.getbands()))]
    if library == "scipy" and hasattr(value, "data") and hasattr(value.data, "nbytes"):
        parts = (getattr(value, name, None) for name in ("data", "indices", "indptr", "row", "col"))
        return [_of_array(part) for part in parts if part is not None]
    if library in {"jax", "jaxlib"} and hasattr(value, "devices"):
        return [] if value.is_deleted() else _of_jax(value)
    if library == "tensorflow" and hasattr(value, "dtype") and hasattr(value, "device"):
        return [Piece(id(value), value.shape.num_elements() * value.dtype.size, _place_of_tensorflow(value.device))]
    if library in {"keras", "keras_core"} and hasattr(value, "_value"):
        inner = value._value  # noqa: SLF001 - `value` itself may convert or copy
        return pieces_of(inner, type(inner))
    if library == NOTEBOOK and not is_of(kind, "numpy", "ndarray", "generic"):
        return None
    return [_of_array(value)] if isinstance(getattr(value, "nbytes", None), int) else None


def owner_of(array: Any) -> Any:
    """Return the array that owns the memory a view of NumPy shows; an array that is none returns itself."""
    while getattr(array, "base", None) is not None and hasattr(array.base, "nbytes"):
        array = array.base
    return array


def _of_array(array: Any) -> Piece:
    owner = owner_of(array)
    if is_of(type(owner), "torch", "Tensor"):  # as `Tensor.numpy` makes
        return next(_of_tensor(owner))
    interface = getattr(owner, "__array_interface__", None)
    identity = interface["data"][0] if isinstance(interface, dict) and interface.get("data") else id(owner)
    return Piece(identity, owner.nbytes, "file" if is_of(type(owner), "numpy", "memmap") else HOST)


def _of_tensor(tensor: Any) -> Iterator[Piece]:
    place = str(tensor.device)
    if place == "meta":
        return
    layout = str(tensor.layout)
    if layout == "torch.sparse_coo":
        parts = [tensor._indices(), tensor._values()]  # noqa: SLF001 - the public ones insist on a coalesced tensor
    elif layout in {"torch.sparse_csr", "torch.sparse_bsr"}:
        parts = [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    elif layout in {"torch.sparse_csc", "torch.sparse_bsc"}:
        parts = [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    else:
        parts = [tensor]
    for part in parts:
        storage = part.untyped_storage()
        yield Piece(storage.data_ptr(), storage.nbytes(), place)
    if tensor.is_leaf and tensor.grad is not None:
        yield from _of_tensor(tensor.grad)


def _of_jax(array: Any) -> list[Piece]:
    shards = array.addressable_shards
    return [Piece(id(array) + number, one.data.nbytes, _place_of_jax(one.device)) for number, one in enumerate(shards)]


def _place_of_jax(device: Any) -> str:
    return HOST if device.platform == HOST else f"{'cuda' if device.platform == 'gpu' else device.platform}:{device.id}"


def _place_of_tensorflow(device: str) -> str:
    kind, _, number = device.rpartition("device:")[2].lower().partition(":")
    return HOST if kind in {"", HOST} else f"{'cuda' if kind == 'gpu' else kind}:{number or 0}"


def _of_pandas(value: Any) -> list[Piece]:
    """Return the blocks of a frame or column, so that what two of them share is seen; else what it says itself."""
    blocks = getattr(getattr(value, "_mgr", None), "blocks", None)
    if not isinstance(blocks, tuple):
        return [Piece(id(value), int(value.memory_usage(deep=False)))]
    pieces = [_of_block(block.values) for block in blocks]
    if not is_of(type(value.index), "pandas", "RangeIndex"):  # that one is three numbers
        shared = _of_block(getattr(value.index, "_data", value.index))
        pieces.append(shared._replace(size=int(value.index.memory_usage(deep=False))))
    return pieces


def _of_block(values: Any) -> Piece:
    if is_of(type(values), "numpy", "ndarray"):
        return _of_array(values)
    if hasattr(values, "_pa_array"):
        return Piece(id(values._pa_array), values.nbytes)  # noqa: SLF001 - two columns may show one array of Arrow's
    for name in ("_ndarray", "_data"):  # categories and times; numbers with a mask
        if is_of(type(inner := getattr(values, name, None)), "numpy", "ndarray"):
            return _of_array(inner)._replace(size=values.nbytes)
    return Piece(id(values), values.nbytes)


def tensors_of(value: Any, kind: type) -> list[Any] | None:
    """Return the parameters, buffers and states of a model or an optimizer; None for anything else.

    At most 50,000 are returned.
    """
    if is_of(kind, "keras", "Layer"):
        optimizer = getattr(value, "optimizer", None)
        return [*value.variables, *getattr(optimizer, "variables", ())][:_MOST]
    if is_of(kind, "keras", "Optimizer"):
        return list(value.variables)[:_MOST]
    if is_of(kind, "torch.nn", "Module"):
        return _of_module(value)
    if is_of(kind, "torch.optim", "Optimizer"):
        torch = sys.modules["torch"]
        given = [each for group in value.param_groups for each in group["params"]]
        states = [each for state in value.state.values() if isinstance(state, dict) for each in state.values()]
        return [each for each in [*given, *states] if isinstance(each, torch.Tensor)][:_MOST]
    return None


def _of_module(module: Any) -> list[Any]:
    found: list[Any] = []
    left, seen = [module], set[int]()
    while left and len(found) < _MOST:
        fields = left.pop().__dict__
        if id(fields) in seen:
            continue
        seen.add(id(fields))
        for name in ("_parameters", "_buffers"):
            found.extend(each for each in fields.get(name, {}).values() if each is not None)
        left.extend(each for each in fields.get("_modules", {}).values() if each is not None)
    return found
