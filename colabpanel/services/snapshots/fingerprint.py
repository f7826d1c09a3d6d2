"""Whether a variable has changed, as far as a look at a part of it tells."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import xxhash

if TYPE_CHECKING:
    import numpy as np

__all__ = ["fingerprint"]

_PLAIN = (str, bytes, int, float, complex, bool, type(None))
_MOST = 10_000  # values that are looked at
_PIECES, _PIECE = 64, 4 << 10
_SHOWN = 4 << 10  # of a long string


def fingerprint(value: Any) -> str | None:
    """Return what stays the same while a value does; None for what cannot be told without running code of its type.

    Of large arrays only samples are looked at, so what is the same may still have changed elsewhere.
    """
    seen = xxhash.xxh3_64()
    try:
        return seen.hexdigest() if _feed(seen, value, [_MOST]) else None
    except Exception:  # noqa: BLE001 - objects may do anything when they are asked
        return None


def _feed(seen: Any, value: Any, left: list[int]) -> bool:
    left[0] -= 1
    if left[0] < 0:
        return False
    kind = type(value)
    seen.update(kind.__name__.encode())
    if isinstance(value, _PLAIN):
        text = value if isinstance(value, bytes) else repr(value).encode("utf-8", "replace")
        seen.update(text[:_SHOWN] + text[-_SHOWN:] + str(len(text)).encode())
        return True
    if kind in {list, tuple, set, frozenset, dict}:
        seen.update(str(len(value)).encode())
        members = (part for pair in value.items() for part in pair) if kind is dict else value
        return all(_feed(seen, member, left) for member in islice(members, _MOST))
    array = _array_of(value)
    if array is None:
        return False
    seen.update(f"{array.shape}{array.dtype}".encode())
    _feed_memory(seen, array)
    return True


def _array_of(value: Any) -> Any:
    """Return the numbers of an array or a tensor in the host's memory, or None."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if type(value).__module__.partition(".")[0] == "torch" and getattr(value, "is_cpu", False):
        import torch

        value = value.detach().contiguous().view(torch.uint8).numpy() if value.dim() else value.detach().numpy()
    return value if type(value) is numpy.ndarray and not value.dtype.hasobject else None


def _feed_memory(seen: Any, array: np.ndarray[Any, Any]) -> None:
    flat = array.reshape(-1) if array.flags.c_contiguous else array.ravel(order="K")[: _PIECE * _PIECES]
    step = max(len(flat) // _PIECES, 1)
    width = max(_PIECE // max(array.itemsize, 1), 1)
    for start in range(0, len(flat), step):
        seen.update(flat[start : start + width].tobytes())
