"""Which memory of arrays is written: overlapping arrays once, and many small ones of one shape as one member."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from colabpanel.services.snapshots.capture import Leaf

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Buffer

__all__ = ["ArrayRow", "plan_arrays"]

_SMALL = 64 << 10  # bytes of an array that shares a member with others of its shape
_BLOCK = 1 << 20  # bytes of an array that is not contiguous, copied at a time
_BUFFERS = "biufc"  # kinds of elements that Python's buffers know
_LONG_HEADER = 60_000
_SPREAD = 4  # views are kept as views of one memory unless it is so many times what they hold


class ArrayRow(NamedTuple):
    """Where arrays are in the file: ``stacked`` of them, numbered from ``first``, are the rows of one leaf.

    Attributes:
        first: The number of the first.
        stacked: How many; None for one array that is not a row.
        leaf: The number of the leaf, from 0 for the first leaf of arrays.
        dtype: As ``numpy.lib.format.dtype_to_descr`` writes it, or the name of a type of ml_dtypes.
        shape: Of each.
        fortran: Whether it lies in Fortran's order.
        strides: In bytes, of a view into the leaf's memory; else None.
        offset: Where in the leaf's memory such a view begins.
        private: Whether it shares no memory with others once it is loaded, though they share the leaf.
    """

    first: int
    stacked: int | None
    leaf: int
    dtype: str
    shape: tuple[int, ...]
    fortran: bool = False
    strides: tuple[int, ...] | None = None
    offset: int = 0
    private: bool = False


def plan_arrays(
    arrays: Mapping[int, Any], stacks: Mapping[int, list[Any]] = MappingProxyType({})
) -> tuple[list[ArrayRow], list[Leaf]]:
    """Return where numbered arrays and stacks of them go, and the leaves to write."""
    rows, leaves = list[ArrayRow](), list[Leaf]()
    if _have_views(arrays, stacks):
        members = {first + place: array for first, stack in stacks.items() for place, array in enumerate(stack)}
        arrays, stacks = {**arrays, **members}, {}
    for first, stack in stacks.items():
        rows.append(_row(first, stack[0], len(leaves))._replace(stacked=len(stack)))
        leaves.append(_npy(stack[0].dtype, (len(stack), *stack[0].shape), stack))
    shared = _clusters(arrays)
    for cluster in shared:
        _plan_cluster(arrays, cluster, rows, leaves)
    done = {number for cluster in shared for number in cluster}
    alone = [(number, array) for number, array in arrays.items() if number not in done]
    for key, group in groupby(alone, _kind_of):
        alike = list(group)
        if key is None or len(alike) == 1:
            for number, array in alike:
                rows.append(_row(number, array, len(leaves)))
                leaves.append(_leaf_of(array))
        else:
            _plan_stack(alike, rows, leaves)
    return sorted(rows), leaves


def _kind_of(numbered: tuple[int, np.ndarray[Any, Any]]) -> tuple[Any, ...] | None:
    """Return what arrays must have in common to be rows of one leaf; None for one that is no row."""
    _number, array = numbered
    if array.nbytes > _SMALL or not array.nbytes or not array.flags.c_contiguous:
        return None
    return array.dtype, array.shape


def _plan_stack(members: list[tuple[int, Any]], rows: list[ArrayRow], leaves: list[Leaf]) -> None:
    numbers, stacked = zip(*members, strict=True)
    start = 0
    for place in range(1, len(numbers) + 1):  # numbers may have gaps, where other arrays were
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            some = stacked[start:place]
            rows.append(_row(numbers[start], some[0], len(leaves))._replace(stacked=place - start))
            leaves.append(_npy(some[0].dtype, (len(some), *some[0].shape), list(some)))
            start = place


def _row(number: int, array: np.ndarray[Any, Any], leaf: int) -> ArrayRow:
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    return ArrayRow(number, None, leaf, dtype_text(array.dtype), array.shape, fortran)


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Return a type as text that `ast.literal_eval` and NumPy read; types of ml_dtypes by name."""
    from numpy.lib.format import dtype_to_descr

    if dtype.type.__module__ == "ml_dtypes":
        return f"ml_dtypes.{dtype.name}"
    return repr(dtype_to_descr(dtype))


def _leaf_of(array: np.ndarray[Any, Any]) -> Leaf:
    if array.flags.c_contiguous or array.flags.f_contiguous:
        return _npy(array.dtype, array.shape, [array], fortran=not array.flags.c_contiguous)
    return _npy(array.dtype, array.shape, _Blocks(array))


def _have_views(arrays: Mapping[int, Any], stacks: Mapping[int, list[Any]]) -> bool:
    """Whether an array is a view of one that is in a stack."""
    owners = {id(owner) for array in arrays.values() if (owner := _owner(array)) is not array}
    return bool(owners) and any(id(array) in owners for stack in stacks.values() for array in stack)


class _Blocks:
    """The bytes of an array that is not contiguous, a block at a time."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array

    def __iter__(self) -> Iterator[Any]:
        import numpy as np

        def blocks(array: np.ndarray[Any, Any]) -> Iterator[Any]:
            if array.nbytes <= _BLOCK or array.ndim == 0:
                yield np.ascontiguousarray(array)
                return
            row = array.nbytes // len(array)
            if row > _BLOCK:
                for part in array:
                    yield from blocks(part)
                return
            step = _BLOCK // row
            for start in range(0, len(array), step):
                yield np.ascontiguousarray(array[start : start + step])

        return blocks(self._array)


def _npy(dtype: np.dtype[Any], shape: tuple[int, ...], parts: Iterable[Any], *, fortran: bool = False) -> Leaf:
    size = dtype.itemsize * _product(shape)
    return Leaf(".npy", lambda: map(_bytes_of, parts), size, head=_header(dtype, shape, fortran=fortran))


def _header(dtype: np.dtype[Any], shape: tuple[int, ...], *, fortran: bool) -> bytes:
    """Return what stands in front of the memory in an ``.npy`` file: version 1, or 3 for long and foreign names."""
    from numpy.lib.format import MAGIC_PREFIX, dtype_to_descr

    descr = f"<V{dtype.itemsize}" if dtype.type.__module__ == "ml_dtypes" else dtype_to_descr(dtype)
    text = repr({"descr": descr, "fortran_order": fortran, "shape": shape})
    is_short = text.isascii() and len(text) < _LONG_HEADER
    start = MAGIC_PREFIX + (b"\x01\x00" if is_short else b"\x03\x00")
    coded, width = text.encode(), 2 if is_short else 4
    spare = -(len(start) + width + len(coded) + 1) % 64
    return start + (len(coded) + spare + 1).to_bytes(width, "little") + coded + b" " * spare + b"\n"


def _bytes_of(array: np.ndarray[Any, Any]) -> Buffer:
    """Return the memory of a contiguous array, whatever its type and order."""
    if not array.nbytes:
        return b""
    if array.dtype.kind in _BUFFERS and array.flags.c_contiguous:
        return array.data
    import numpy as np

    if not array.flags.c_contiguous:
        array = array.T
    flat = array.reshape(-1).view(np.ndarray)
    return flat.view(np.uint8).data


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total


def _clusters(arrays: Mapping[int, Any]) -> list[list[int]]:
    """Return the numbers of arrays whose memory overlaps, whoever owns it, together."""
    extents = sorted((*_extent(array), number) for number, array in arrays.items() if array.nbytes)
    clusters, end = list[list[int]](), 0
    for low, high, number in extents:
        if clusters and low < end:
            clusters[-1].append(number)
        else:
            clusters.append([number])
        end = max(end, high)
    return [sorted(cluster) for cluster in clusters if len(cluster) > 1 and not _is_sparse(arrays, cluster)]


def _owner(array: Any) -> Any:
    """Return the array that owns the memory of another."""
    if array.base is None:
        return array
    import numpy as np

    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _is_sparse(arrays: Mapping[int, Any], cluster: list[int]) -> bool:
    """Whether arrays lie so far apart, as two columns of many, that their memory is mostly that of others."""
    if len({_extent(arrays[number]) for number in cluster}) == 1:
        return False
    low, high = _range(arrays, cluster)
    held: int = sum(arrays[number].nbytes for number in cluster)
    return high - low > _SPREAD * held


def _range(arrays: Mapping[int, Any], cluster: list[int]) -> tuple[int, int]:
    extents = [_extent(arrays[number]) for number in cluster]
    return min(low for low, _ in extents), max(high for _, high in extents)


def _extent(array: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Return the addresses of the first byte of an array and behind its last."""
    low = high = array.__array_interface__["data"][0]
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            low += (length - 1) * stride
        else:
            high += (length - 1) * stride
    return low, high + array.itemsize


def _plan_cluster(arrays: Mapping[int, Any], cluster: list[int], rows: list[ArrayRow], leaves: list[Leaf]) -> None:
    """Write the memory that arrays share once; each is a view of it, but for one that may be all of it."""
    low, high = _range(arrays, cluster)
    leaf = len(leaves)
    whole = next((number for number in cluster if _is_whole(arrays[number], low, high)), None)
    if whole is None:
        leaves.append(_memory(arrays[cluster[0]], low, high))
    else:
        leaves.append(_leaf_of(arrays[whole]))
    for number in cluster:
        array = arrays[number]
        row = _row(number, array, leaf)
        start = array.__array_interface__["data"][0] - low
        rows.append(row if number == whole else row._replace(fortran=False, strides=array.strides, offset=start))


def _is_whole(array: np.ndarray[Any, Any], low: int, high: int) -> bool:
    return _extent(array) == (low, high) and (array.flags.c_contiguous or array.flags.f_contiguous)


def _memory(keeper: Any, low: int, high: int) -> Leaf:
    """Return the memory between two addresses, which one allocation holds: overlapping views have one owner."""
    import ctypes

    import numpy as np

    memory = np.ctypeslib.as_array((ctypes.c_uint8 * (high - low)).from_address(low))
    leaf = _npy(memory.dtype, memory.shape, [memory])
    return leaf._replace(parts=lambda _keeper=keeper: leaf.parts())  # type: ignore[misc]  # the keeper keeps it
