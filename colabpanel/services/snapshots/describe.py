"""What a variable is, in a few words."""

from __future__ import annotations

import types
from typing import Any

from colabpanel.services.snapshots.library_sizes import NOTEBOOK, is_of

__all__ = ["shape_of", "type_of"]

_CONTAINERS = (list, tuple, dict, set, frozenset, str, bytes, bytearray)


def type_of(value: Any) -> str:
    """Return the type of a value with its module, but for types of Python itself."""
    kind = type(value)
    try:
        return _named(kind)
    except Exception:  # noqa: BLE001 - even a class may do anything
        return "object"


def _named(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def shape_of(value: Any) -> str:
    """Return shape and element type of an array, rows and columns of a frame, the length of a container, or nothing.

    Whatever the value does when it is asked, this does not fail.
    """
    if issubclass(type(value), type | types.ModuleType | types.FunctionType):
        return ""
    try:
        if type(value).__module__ == NOTEBOOK and not is_of(type(value), "numpy", "ndarray", "generic"):
            plain = next((kind for kind in _CONTAINERS if issubclass(type(value), kind)), None)
            return f"{plain.__len__(value):,}" if plain is not None else ""
        shape: Any = getattr(value, "shape", None)
        dtype: Any = getattr(value, "dtype", None)
        if is_of(type(shape), "tensorflow", "TensorShape"):
            lengths = ("?" if length is None else f"{length:,}" for length in shape.as_list())
            return f"{' x '.join(lengths) or 'scalar'} {dtype.name}"
        if isinstance(shape, tuple):
            sizes = " x ".join(f"{length:,}" for length in shape) or "scalar"
            return f"{sizes} {dtype}" if dtype is not None else sizes
        if isinstance(size := getattr(value, "size", None), tuple) and hasattr(value, "mode"):
            return f"{' x '.join(map(str, size))} {value.mode}"
        return f"{len(value):,}" if hasattr(type(value), "__len__") else ""
    except Exception:  # noqa: BLE001 - objects may do anything
        return ""
