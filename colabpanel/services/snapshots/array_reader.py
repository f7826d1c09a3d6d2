"""Arrays out of a snapshot: each once, read a little ahead of when it is asked for."""

from __future__ import annotations

import ast
import bisect
import contextlib
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from colabpanel.services.snapshots.arrays import ArrayRow
from colabpanel.services.snapshots.manifest import LeafEntry
from colabpanel.services.snapshots.reader import Filling, SnapshotReader

__all__ = ["ArrayReader"]

_AHEAD = 32 << 20  # bytes that are read ahead
_NO_HUGE_PAGES = 4 << 20, 64 << 20  # bytes of arrays, from and to


class _Begun(NamedTuple):
    """An array whose memory is being filled."""

    array: Any
    leaf: LeafEntry
    reader: SnapshotReader
    filling: Filling


class ArrayReader:
    """The arrays of a snapshot.

    Args:
        reader: The file.
    """

    def __init__(self, reader: SnapshotReader) -> None:
        self._reader = reader
        self._rows, self._first_leaf = reader.manifest.arrays, reader.manifest.array_leaves
        self._firsts = [row.first for row in self._rows]
        self._arrays: dict[int, Any] = {}
        self._stacks: dict[int, Any] = {}
        self._begun: dict[int, _Begun] = {}
        self._coming: deque[ArrayRow] = deque()
        self._users: Counter[int] | None = None

    def expect(self, rows: Iterable[int]) -> None:
        """Be told which rows of the list of arrays will be asked for, in about this order."""
        found = (self._rows[number] for number in rows if 0 <= number < len(self._rows))
        self._coming = deque(row for row in found if row.strides is None)

    def array(self, number: int) -> Any:
        """Return an array; the same object for the same number."""
        try:
            return self._arrays[number]
        except KeyError:
            place = bisect.bisect_right(self._firsts, number) - 1
            row = self._rows[place] if place >= 0 else None
            if row is None or number >= row.first + (row.stacked or 1):
                raise self._reader.damaged("its list of contents") from None
            try:
                array = self._stack(row)[number - row.first] if row.stacked is not None else self._single(row)
            except (ValueError, TypeError, SyntaxError, OverflowError, IndexError) as error:
                raise self._reader.damaged("its list of contents") from error
            if row.private:
                return array
            self._arrays[number] = array
            return array

    def rows(self, first: int, count: int) -> list[Any]:
        """Return so many arrays with consecutive numbers."""
        place = bisect.bisect_left(self._firsts, first)
        row = self._rows[place] if place < len(self._firsts) else None
        if row is None or (row.first, row.stacked) != (first, count) or self._arrays.keys() & range(first, first + 1):
            return list(map(self.array, range(first, first + count)))
        self.array(first)
        arrays = [self._arrays[first], *list(self._stack(row))[1:]]
        self._arrays.update(zip(range(first, first + count), arrays, strict=True))
        return arrays

    def _stack(self, row: ArrayRow) -> Any:
        """Return the arrays that are rows of one leaf."""
        stack = self._stacks.get(row.leaf)
        if stack is None:
            shape = (row.stacked or 0, *row.shape)
            stack = self._stacks[row.leaf] = self._memory(row.leaf, dtype_of(row.dtype), shape, fortran=False)
        return stack

    def _single(self, row: ArrayRow) -> Any:
        import numpy as np

        if row.private:
            return self._private(row)
        dtype = dtype_of(row.dtype)
        if row.strides is None:
            whole = self._stacks.get(row.leaf)
            if whole is None or whole.dtype != dtype or whole.shape != row.shape:
                whole = self._stacks[row.leaf] = self._memory(row.leaf, dtype, row.shape, fortran=row.fortran)
            return whole
        if dtype.hasobject or len(row.strides) != len(row.shape):
            raise ValueError("strides")
        memory = self._stacks.get(row.leaf)
        if memory is None:
            memory = self._stacks[row.leaf] = self._shared_memory(row.leaf)
        flat = memory.reshape(-1, order="A").view(np.uint8)
        return np.ndarray(row.shape, dtype, flat.data, row.offset, row.strides)

    def _private(self, row: ArrayRow) -> Any:
        """Return an array that shares memory with nothing: the only one of its leaf once, else a copy."""
        import numpy as np

        if self._users is None:
            self._users = Counter(one.leaf for one in self._rows)
        found = self._single(row._replace(private=False))
        if self._users[row.leaf] > 1:
            return np.array(found, copy=True, order="K")
        del self._stacks[row.leaf]  # whoever asks again gets another one
        return found

    def _shared_memory(self, leaf: int) -> Any:
        """Return the array whose memory views share: the one that is all of it, or its bytes."""
        import numpy as np

        whole = next((row for row in self._rows if row.leaf == leaf and row.strides is None), None)
        if whole is not None:
            return self.array(whole.first)
        found, _ = self._reader.find(self._first_leaf + leaf)
        return self._memory(leaf, np.dtype(np.uint8), (found.size - found.head,), fortran=False)

    def _memory(self, leaf: int, dtype: Any, shape: tuple[int, ...], *, fortran: bool) -> Any:
        """Return the array that a leaf holds, and begin to read the next ones."""
        begun = self._begun.pop(leaf, None)
        if begun is None or (begun.array.dtype, begun.array.shape) != (dtype, shape):
            begun = self._begin(leaf, dtype, shape, fortran=fortran)
        self._read_ahead()
        if begun.filling:
            begun.reader.finish(begun.leaf, begun.filling)
        return begun.array

    def _begin(self, leaf: int, dtype: Any, shape: tuple[int, ...], *, fortran: bool) -> _Begun:
        import numpy as np

        found, reader = self._reader.find(self._first_leaf + leaf)
        size = dtype.itemsize
        for length in shape:
            size *= length
        if found.size - found.head != size or min(shape, default=0) < 0 or dtype.hasobject:
            raise ValueError("shape")
        order: Literal["F", "C"] = "F" if fortran else "C"
        if reader.in_place:
            return _Begun(np.ndarray(shape, dtype, reader.mapped(found), found.head, order=order), found, reader, [])
        array = _room(shape, dtype, order, size)
        flat: Any = (array.T if fortran else array).reshape(-1).view(np.uint8) if size else b""
        return _Begun(array, found, reader, reader.fill(found, memoryview(flat)))

    def _read_ahead(self) -> None:
        """Begin with the leaves that are expected next, as many as a few megabytes hold."""
        while self._coming and sum(begun.leaf.size for begun in self._begun.values()) < _AHEAD:
            row = self._coming.popleft()
            if row.leaf in self._stacks or row.leaf in self._begun:
                continue
            shape = row.shape if row.stacked is None else (row.stacked, *row.shape)
            self._begun[row.leaf] = self._begin(row.leaf, dtype_of(row.dtype), shape, fortran=row.fortran)


def _room(shape: tuple[int, ...], dtype: Any, order: Literal["F", "C"], size: int) -> Any:
    """Return an array to read into.

    For those of some megabytes NumPy asks for huge pages, which the system may take longer to find than the file takes
    to be read; so these get memory of their own.
    """
    import mmap

    import numpy as np

    if _NO_HUGE_PAGES[0] <= size < _NO_HUGE_PAGES[1] and hasattr(mmap, "MAP_ANONYMOUS"):
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return np.ndarray(shape, dtype, memory, order=order)
    return np.empty(shape, dtype=dtype, order=order)


def dtype_of(text: str) -> Any:
    """Return a type of NumPy from what the manifest says."""
    from numpy.lib.format import descr_to_dtype

    if text.startswith("ml_dtypes."):
        import ml_dtypes
        import numpy as np

        return np.dtype(getattr(ml_dtypes, text.partition(".")[2]))
    with contextlib.suppress(RecursionError, MemoryError):
        return descr_to_dtype(ast.literal_eval(text))
    raise ValueError(text)
