"""Whether a variable has changed, as far as a look at a part of it tells: a bounded one, that copies nothing large.

The same value has the same fingerprint in every process, so snapshots keep them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import xxhash

from colabpanel.services.snapshots.library_sizes import is_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Fingerprints", "fingerprint", "fingerprints"]

Fingerprints = Mapping[str, str | None]
"""By the names of variables; None for one of which it cannot be told."""

_NUMBERS = {int, float, complex, bool, type(None)}
_MOMENTS = {"Timestamp", "Timedelta", "NaTType", "NAType", "Period", "Interval"}
_CONTAINERS = {list, tuple, dict, set, frozenset}
_MOST, _MOST_OF_ONE = 10_000, 500  # values that are looked at: in all, and of one container
_COUNTED = 1_000_000  # members of a dictionary that are walked over
_PIECES, _PIECES_OF_MANY, _PIECE = 64, 2, 4 << 10
_LOOKS = 2_000  # values of a column of objects
_SHOWN = 4 << 10  # of a long text
_SAME_WIDTH = {1: "uint8", 2: "int16"}


def fingerprint(value: Any) -> str | None:
    """Return what stays the same while a value does; None for what cannot be told without running code of its type.

    Of what is large only samples are looked at, so what is the same may still have changed elsewhere.
    """
    look = _Look(_MOST)
    try:
        return look.seen.hexdigest() if look.feed(value) else None
    except Exception:  # noqa: BLE001 - objects may do anything when they are asked
        return None


def fingerprints(variables: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the fingerprints of variables."""
    return {name: fingerprint(value) for name, value in variables.items()}


class _Look:
    """A hash that is fed with values; what feeds it returns False for what cannot be told.

    Args:
        most: How many values are looked at; those after them count for nothing.
    """

    def __init__(self, most: int) -> None:
        self.seen = xxhash.xxh3_64()
        self._left, self._pieces = most, _PIECES

    def feed(self, value: Any) -> bool:
        """Feed any value."""
        if self._left <= 0:
            return True
        self._left -= 1
        kind = type(value)
        self.seen.update(kind.__name__.encode())
        library = kind.__module__.partition(".")[0]
        if kind in _NUMBERS or (library == "pandas" and kind.__name__ in _MOMENTS):
            self.seen.update(repr(value).encode())
            return True
        if kind in {str, bytes}:
            return self._text(value)
        if kind in _CONTAINERS:
            return self._container(value)
        if library == "pandas" and is_of(kind, "pandas", "DataFrame", "Series", "Index"):
            return self._pandas(value)
        array = _array_of(value, library)
        return array is not None and self._array(array)

    def _text(self, value: Any) -> bool:
        part = value[:_SHOWN] + value[-_SHOWN:]
        self.seen.update(part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass"))
        self.seen.update(str(len(value)).encode())
        return True

    def _container(self, value: Any) -> bool:
        self.seen.update(str(len(value)).encode())
        if isinstance(value, set | frozenset):  # their order is another one in every process
            looks = [
                (look := _Look(_MOST // _MOST_OF_ONE), look.feed(member)) for member in islice(value, _MOST_OF_ONE)
            ]
            self.seen.update(b"".join(sorted(look.seen.digest() for look, _ in looks)))
            return len(looks) == len(value) and all(told for _, told in looks)
        pieces, self._pieces = self._pieces, _PIECES_OF_MANY
        told = all(map(self.feed, _sample(value)))
        self._pieces = pieces
        return told

    def _array(self, array: np.ndarray[Any, Any]) -> bool:
        self.seen.update(f"{array.shape}{array.dtype.str}{array.dtype.names}".encode())
        width = max(_PIECE // max(array.itemsize, 1), 1)
        flat = array.reshape(-1) if array.flags.c_contiguous else array.flat
        for start in range(0, array.size, max(array.size // self._pieces, width)):
            self.seen.update(flat[start : start + width].tobytes())
        return True

    def _pandas(self, value: Any) -> bool:
        """Feed a frame, a column or an index, from where it keeps its memory."""
        if is_of(type(value), "pandas", "Index"):
            return self._index(value)
        if is_of(type(value), "pandas", "Series") and not self.feed(value.name):
            return False
        blocks = value._mgr.blocks  # noqa: SLF001 - what is public may copy
        return all(map(self._index, value.axes)) and all(
            self._array(block.mgr_locs.as_array) and self._column(block.values) for block in blocks
        )

    def _index(self, index: Any) -> bool:
        if not self.feed(list(index.names)):
            return False
        if is_of(type(index), "pandas", "RangeIndex"):
            return self.feed((index.start, index.stop, index.step))
        if is_of(type(index), "pandas", "MultiIndex"):
            return all(map(self._index, index.levels)) and all(map(self._column, index.codes))
        return self._column(index.array)

    def _column(self, values: Any) -> bool:
        """Feed one of pandas' arrays: its memory, or some values where that holds objects or is no array of NumPy."""
        self.seen.update(f"{values.dtype}{len(values)}".encode())
        is_array = is_of(type(values), "numpy", "ndarray")
        numbers = values if is_array else getattr(values, "_ndarray", None)
        if numbers is not None and not numbers.dtype.hasobject:
            categories = getattr(values, "categories", None)
            return self._array(numbers) and (categories is None or self._index(categories))
        rows = values.flat if is_array else values
        return all(self.feed(rows[place]) for place in range(0, len(rows), max(len(rows) // _LOOKS, 1)))


def _sample(value: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Iterable[Any]:
    """Return members of a container, from all over it if they are many."""
    step = max(len(value) // _MOST_OF_ONE, 1)
    if not isinstance(value, dict):
        return (value[place] for place in range(0, len(value), step))
    items = islice(value.items(), 0, None, step) if len(value) <= _COUNTED else islice(value.items(), _MOST_OF_ONE)
    return (part for pair in items for part in pair)


def _array_of(value: Any, library: str) -> Any:
    """Return the numbers of an array or a tensor in the host's memory, or None."""
    numpy, kind = sys.modules.get("numpy"), type(value)
    if numpy is None:
        return None
    if library == "torch" and is_of(kind, "torch", "Tensor"):
        value = _numbers_of(value.detach()) if value.is_cpu else None
    elif library == "numpy" and is_of(kind, "numpy", "generic"):
        value = numpy.asarray(value)
    return value if type(value) is numpy.ndarray and not value.dtype.hasobject else None


def _numbers_of(tensor: Any) -> Any:
    """Return a tensor's memory as an array; of a type that NumPy has not, as whole numbers of the same width."""
    try:
        return tensor.numpy()
    except TypeError:
        return tensor.view(getattr(sys.modules["torch"], _SAME_WIDTH[tensor.itemsize])).numpy()
