"""Whether a variable has changed, as far as a look at a part of it tells: a bounded one, that copies nothing large.

The same value has the same fingerprint in every process, so snapshots keep them. Nothing of a class of the notebook
is run for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import xxhash

from colabpanel.services.snapshots.frame_columns import columns_of, is_known_zone, parts_of_index
from colabpanel.services.snapshots.library_sizes import is_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Fingerprints", "fingerprint", "fingerprints"]

Fingerprints = Mapping[str, str | None]
"""By the names of variables; None for one of which it cannot be told."""

_MOST, _MOST_OF_ONE = 5_000, 250  # steps of a look in all; members of one container that are looked at
_MOST_OF_A_MEMBER, _A_LOOK = 20, 4  # steps that each member of a set may take, and that it is taken to take
_AN_ARRAY, _A_FRAME = 3, 20  # steps that they take besides
_COUNTED, _A_STEP = 1_000_000, 200  # members of a dictionary that are walked over, and how many make a step
_PIECES, _PIECES_OF_MANY, _PIECE = 64, 2, 4 << 10
_SHOWN = 4 << 10  # of a long text
_LARGE = 1024  # bits of a number
_SAME_WIDTH = {1: "uint8", 2: "int16"}

_NAME: Callable[[type], Any] = type.__dict__["__name__"].__get__
_MODULE: Callable[[type], Any] = type.__dict__["__module__"].__get__


def _ids(*kinds: type) -> frozenset[int]:
    """Return what tells types apart without asking their classes, as ``in`` would."""
    return frozenset(map(id, kinds))


_PLAIN, _TEXTS = _ids(float, complex, bool, type(None)), _ids(str, bytes)
_CONTAINERS, _SETS = _ids(list, tuple, dict), _ids(set, frozenset)


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
        left: How many steps it may take; what comes after them counts for nothing.
        in_set: Whether it is of a member of a set, which has no order: it may hold no other set.
    """

    def __init__(self, left: int, *, in_set: bool = False) -> None:
        self.seen = xxhash.xxh3_64()
        self._left, self._pieces, self._in_set = left, _PIECES, in_set

    def feed(self, value: Any) -> bool:
        """Feed any value."""
        if self._left <= 0:
            return True
        self._left -= 1
        kind = type(value)
        name, module = _NAME(kind), _MODULE(kind)
        if type(name) is not str or type(module) is not str:
            return False
        self.seen.update(name.encode())
        if id(kind) in _PLAIN:
            return self._told(repr(value))
        if kind is int:
            return self._number(value)
        if id(kind) in _TEXTS:
            return self._text(value)
        if id(kind) in _CONTAINERS:
            return self._container(value)
        if id(kind) in _SETS:
            return self._set(value)
        return self._of_library(value, kind, module.partition(".")[0])

    def _of_library(self, value: Any, kind: type, library: str) -> bool:
        if library == "numpy" and is_of(kind, "numpy", "str_", "bytes_"):
            return self._text(value)
        if library == "pandas":
            return self._of_pandas(value, kind)
        array = _array_of(value, kind, library)
        if library == "torch":
            self.seen.update(str(value.dtype).encode())
        return array is not None and self._array(array)

    def _told(self, text: str) -> bool:
        self.seen.update(text.encode("utf-8", "surrogatepass"))
        return True

    def _number(self, value: int) -> bool:
        size = value.bit_length()
        if size <= _LARGE:
            return self._told(repr(value))
        ends = abs(value) >> (size - _LARGE), value & ((1 << _LARGE) - 1)
        return self._told(f"{size}{value < 0}{ends}")

    def _text(self, value: Any) -> bool:
        part = value[:_SHOWN] + value[-_SHOWN:]
        self._left -= len(part) // _LARGE
        self.seen.update(bytes(part) if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass"))
        return self._told(str(len(value)))

    def _container(self, value: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> bool:
        self._told(str(len(value)))
        pieces, self._pieces = self._pieces, _PIECES_OF_MANY
        told = self._shared_out(self._sample(value))
        self._pieces = pieces
        return told

    def _shared_out(self, members: list[Any]) -> bool:
        """Feed several values, each with its share of what is left; what one leaves, those after it may take."""
        left = self._left
        for place, member in enumerate(members):
            if left <= 0:
                break
            share = max(left // (len(members) - place), 1)
            self._left = share
            if not self.feed(member):
                return False
            left -= share - self._left
        self._left = left
        return True

    def _sample(self, value: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> list[Any]:
        """Return members of a container, from all over it if they are many."""
        step = max(len(value) // _MOST_OF_ONE, 1)
        if not isinstance(value, dict):
            return [value[place] for place in range(0, len(value), step)]
        walked = len(value) // _A_STEP
        if len(value) > _COUNTED or walked > self._left:
            return list(_flat(islice(value.items(), _MOST_OF_ONE)))
        self._left -= walked
        return list(_flat(islice(value.items(), 0, None, step)))

    def _set(self, value: set[Any] | frozenset[Any]) -> bool:
        if self._in_set or len(value) > _MOST_OF_ONE:  # in every process the order is another one
            return False
        self._left -= len(value) * _A_LOOK
        looks = [(look := _Look(_MOST_OF_A_MEMBER, in_set=True), look.feed(member)) for member in value]
        self.seen.update(b"".join(sorted(look.seen.digest() for look, _ in looks)))
        return all(told for _, told in looks)

    def _array(self, array: np.ndarray[Any, Any]) -> bool:
        dtype = array.dtype
        self._left -= _AN_ARRAY
        self._told(f"{array.shape}{dtype.str if dtype.names is None else dtype.descr}")
        if not array.size or not dtype.itemsize:
            return True
        flat: Any = array.flat
        if array.flags.c_contiguous:
            flat = array.reshape(-1) if dtype.itemsize <= _PIECE else array.reshape(-1).view("u1")
        elif dtype.itemsize > _PIECE:
            return False
        length = array.nbytes // flat[:1].itemsize
        width = max(_PIECE // flat[:1].itemsize, 1)
        pieces = min(self._pieces, max(self._left, 1))
        for start in range(0, length, max(length // pieces, width)):
            self._left -= 1
            self.seen.update(flat[start : start + width].tobytes())
        return True

    def _of_pandas(self, value: Any, kind: type) -> bool:
        if is_of(kind, "pandas", "Timestamp", "Timedelta", "Period") or _NAME(kind) in {"NaTType", "NAType"}:
            return is_known_zone(getattr(value, "tz", None)) and self._told(repr(value))
        if is_of(kind, "pandas", "Interval"):
            return self._shared_out([value.left, value.right, value.closed])
        parts = None
        self._left -= _A_FRAME
        if is_of(kind, "pandas", "Index"):
            parts = parts_of_index(value)
        elif is_of(kind, "pandas", "DataFrame", "Series"):
            parts = columns_of(value, _MOST_OF_ONE)
        return parts is not None and self._shared_out(parts)


def _flat(pairs: Iterable[tuple[Any, Any]]) -> Iterable[Any]:
    return (part for pair in pairs for part in pair)


def _array_of(value: Any, kind: type, library: str) -> Any:
    """Return the numbers of an array or a tensor in the host's memory, or None."""
    numpy = sys.modules.get("numpy")
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
