"""Trees of arrays: the state of a model, a pytree of JAX, a fitted estimator; and the list of theirs beside a snapshot.

A snapshot tells its variables, not what is within them. So a checkpoint of such a tree lists its arrays in a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from colabpanel.services.checkpoints.models import TensorInfo

__all__ = ["SNAPSHOT", "arrays_in", "listed_arrays", "write_list"]

SNAPSHOT = "model.snapshot.zip"
_LIST = "model.arrays.json"
_LARGEST = 64 << 20
_PARTS = ("steps", "transformer_list")  # of pipelines and unions of scikit-learn: names, and estimators
_NO_NUMBERS = "OSUMm"  # kinds of NumPy: objects, text, moments and spans of time


def arrays_in(tree: Any, prefix: str = "", above: frozenset[int] = frozenset()) -> Iterator[tuple[str, Any]]:
    """Return the arrays and tensors in a tree, by names such as ``layers.0.kernel``; what holds itself is left out."""
    if hasattr(tree, "dtype") and hasattr(tree, "shape"):
        if getattr(tree.dtype, "kind", "f") not in _NO_NUMBERS:
            yield prefix or "weights", tree
        return
    if id(tree) not in above:
        for name, value in _items_of(tree):
            yield from arrays_in(value, f"{prefix}.{name}" if prefix else str(name), above | {id(tree)})


def _items_of(tree: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(tree, Mapping):
        return tree.items()
    if hasattr(tree, "_asdict"):
        return tree._asdict().items()  # type: ignore[no-any-return]
    if isinstance(tree, (list, tuple)):
        return enumerate(tree)
    if hasattr(tree, "get_params") and not isinstance(
        tree, type
    ):  # an estimator: what it learned ends so by convention
        fields = getattr(tree, "__dict__", {})
        parts = [pair[:2] for key in _PARTS for pair in fields.get(key) or () if isinstance(pair, tuple)]
        return [*parts, *((name, value) for name, value in fields.items() if name.endswith("_") and name[0] != "_")]
    return ()


def write_list(folder: Path, parts: Mapping[str, Any]) -> None:
    """Write what arrays are in each part of a model, beside the snapshot of them."""
    found = [
        {"part": part, "name": name, "shape": [int(length) for length in array.shape], "dtype": _dtype(array)}
        for part, tree in parts.items()
        for name, array in arrays_in(tree)
    ]
    (folder / _LIST).write_text(json.dumps(found), encoding="utf-8")


def _dtype(array: Any) -> str:
    return str(array.dtype).removeprefix("torch.")


def listed_arrays(snapshot: Path) -> list[TensorInfo] | None:
    """Return the arrays that the file beside a snapshot lists, or None where there is none that makes sense."""
    path = snapshot.with_name(_LIST)
    if snapshot.name != SNAPSHOT or not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    try:
        return [_listed(told) for told in json.loads(path.read_bytes())]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None


def _listed(told: Any) -> TensorInfo:
    part, name, shape, dtype = told["part"], told["name"], told["shape"], told["dtype"]
    if not all(isinstance(text, str) for text in (part, name, dtype)):
        raise TypeError(name)
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(name)
    return TensorInfo(name, part, tuple(shape), dtype)
