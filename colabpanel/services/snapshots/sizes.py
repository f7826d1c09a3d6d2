"""How much memory a value holds, by looking at a part of it: never more than so many objects, whatever it is."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

__all__ = ["Size", "size_of"]

_LOOKED_AT = 2_000  # objects in all
_SAMPLE = 64  # members of one container
_DEEPEST = 8
_SINGLE = (str, bytes, bytearray, int, float, complex, type(None), type, types.ModuleType, types.FunctionType)
_CONTAINERS = (list, tuple, set, frozenset)


class Size(NamedTuple):
    """Bytes of a value.

    Attributes:
        held: In memory, as far as could be seen.
        pickled: Of it what has to be pickled, about; the rest is written from where it is.
        at_least: Whether there may be more, in memory that a library does not tell of.
    """

    held: int
    pickled: int
    at_least: bool = False


def size_of(value: Any, counted: set[int] | None = None) -> Size:
    """Return how much memory a value holds.

    Args:
        value: Anything.
        counted: The memory of arrays that was counted for other values already, by its identity; is added to.
    """
    return _Sizer(counted if counted is not None else set()).size(value, 0)


class _Sizer:
    def __init__(self, counted: set[int]) -> None:
        self._counted, self._left = counted, _LOOKED_AT
        self._seen: set[int] = set()

    def size(self, value: Any, depth: int) -> Size:
        if id(value) in self._seen:
            return Size(0, 0)
        self._seen.add(id(value))
        self._left -= 1
        try:
            found = self._of_library(value)
            return found if found is not None else self._of_python(value, depth)
        except Exception:  # noqa: BLE001 - objects may do anything when they are asked
            return Size(64, 64, at_least=True)

    def _of_library(self, value: Any) -> Size | None:
        """Return the size of what a library keeps in memory of its own, or None."""
        library = type(value).__module__.partition(".")[0]
        if library == "torch" and hasattr(value, "untyped_storage"):
            storage = value.untyped_storage()
            return self._memory(storage.data_ptr(), storage.nbytes())
        if library == "pandas" and hasattr(value, "memory_usage"):
            return self._frame(value)
        if library == "polars" and hasattr(value, "estimated_size"):
            return Size(value.estimated_size(), 0)
        if library == "PIL" and hasattr(value, "getbands"):
            return Size(value.size[0] * value.size[1] * len(value.getbands()), 0)
        if library == "scipy" and hasattr(value, "data") and hasattr(value.data, "nbytes"):
            parts = (getattr(value, name, None) for name in ("data", "indices", "indptr", "row", "col"))
            return Size(sum(part.nbytes for part in parts if part is not None), 0)
        if hasattr(value, "nbytes") and isinstance(value.nbytes, int):
            return self._array(value)
        return None

    def _array(self, value: Any) -> Size:
        owner = value
        while getattr(owner, "base", None) is not None and hasattr(owner.base, "nbytes"):
            owner = owner.base
        found = self._memory(id(owner), owner.nbytes)
        if getattr(getattr(value, "dtype", None), "hasobject", False):
            sample = list(islice(value.flat, _SAMPLE))
            inside = sum(sys.getsizeof(member, 64) for member in sample) * value.size // max(len(sample), 1)
            return Size(found.held + inside, found.held + inside)
        return found

    def _memory(self, identity: int, size: int) -> Size:
        if identity in self._counted:
            return Size(0, 0)
        self._counted.add(identity)
        return Size(size, 0)

    def _frame(self, value: Any) -> Size:
        shallow = value.memory_usage(deep=False)
        held = int(shallow if isinstance(shallow, int) else shallow.sum())
        columns = value.dtypes if hasattr(value, "columns") else [getattr(value, "dtype", None)]
        objects = sum(1 for dtype in columns if getattr(dtype, "hasobject", False))
        return Size(held + objects * len(value) * 50, 0, at_least=bool(objects))

    def _of_python(self, value: Any, depth: int) -> Size:
        own = sys.getsizeof(value, 64)
        if isinstance(value, _SINGLE):
            return Size(own, 0 if isinstance(value, bytes) else own)
        members, count = self._members(value)
        if depth >= _DEEPEST or self._left <= 0:
            return Size(own, own, at_least=bool(members))
        sizes = [self.size(member, depth + 1) for member in members]
        factor = count / len(members) if members else 0
        held = own + int(sum(size.held for size in sizes) * factor)
        pickled = 9 * count + int(sum(size.pickled for size in sizes) * factor)
        return Size(held, pickled, at_least=any(size.at_least for size in sizes))

    @staticmethod
    def _members(value: Any) -> tuple[list[Any], int]:
        """Return some of what a container or object holds, and how much of that there is in all."""
        if isinstance(value, Mapping) and isinstance(value, dict):
            some = [member for pair in islice(value.items(), _SAMPLE // 2) for member in pair]
            return some, 2 * len(value)
        if isinstance(value, list | tuple) and len(value) > _SAMPLE:
            return [value[place] for place in range(0, len(value), len(value) // _SAMPLE)], len(value)
        if isinstance(value, _CONTAINERS):
            return list(islice(value, _SAMPLE)), len(value)
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict) and not isinstance(value, type):
            return list(islice(attributes.values(), _SAMPLE)), len(attributes)
        return [], 0
