"""The memory of frames, columns and indexes of pandas, as parts that are alike wherever pandas keeps them.

What is public may copy, or keep a copy; so it is taken from where it is.
"""

from __future__ import annotations

from typing import Any

from colabpanel.services.snapshots.library_sizes import is_of

__all__ = ["columns_of", "is_known_zone", "parts_of_index"]

_ZONES = {"datetime", "dateutil", "pandas", "pytz", "zoneinfo"}
_LOOKS, _SLICES, _SLICE = 2_000, 16, 64  # values of a column of objects; stretches of one of Arrow's
_FEW = 64  # values of a column of another kind


def is_known_zone(zone: Any) -> bool:
    """Whether a time zone is none of the user's own, whose code would be run to name it."""
    return zone is None or type(zone).__module__.partition(".")[0] in _ZONES


def columns_of(value: Any, most: int) -> list[Any] | None:
    """Return the parts of a frame or column; None for what cannot be told. Of many columns some are taken."""
    manager = value._mgr  # noqa: SLF001 - as said
    axes = [parts_of_index(axis) for axis in value.axes]
    if None in axes:
        return None
    if is_of(type(value), "pandas", "Series"):
        columns = [_column(manager.blocks[0].values)]
        return None if None in columns else [value.name, *axes, *columns]
    count = len(value.columns)
    places = range(0, count, max(count // most, 1))
    columns = [_column(_of_block(manager, place)) for place in places]
    return None if None in columns else [*axes, *columns]


def _of_block(manager: Any, place: int) -> Any:
    """Return the array of a column, which is a part of a block or all of it."""
    values = manager.blocks[manager.blknos[place]].values
    return values[manager.blklocs[place]] if values.ndim > 1 else values


def parts_of_index(index: Any) -> list[Any] | None:
    """Return the parts of an index; None for what cannot be told."""
    names = list(index.names)
    if is_of(type(index), "pandas", "RangeIndex"):
        return [names, index.start, index.stop, index.step]
    if is_of(type(index), "pandas", "MultiIndex"):
        levels = [parts_of_index(level) for level in index.levels]
        return None if None in levels else [names, levels, list(index.codes)]
    column = _column(index.array)
    return None if column is None else [names, column]


def _column(values: Any) -> list[Any] | None:
    """Return what tells an array of pandas: its memory, or some values where that is not one array of NumPy."""
    if not _is_theirs(values) or not _is_theirs(values.dtype) or not is_known_zone(getattr(values.dtype, "tz", None)):
        return None
    head = [str(values.dtype), len(values)]
    memory = _memory_of(values)
    if memory is not None:
        categories = getattr(values, "categories", None)
        more = [] if categories is None else [parts_of_index(categories), bool(values.ordered)]
        return None if None in more else [*head, *memory, *more]
    if hasattr(values, "_pa_array"):
        step = max(len(values) // _SLICES, 1)
        slices = (values._pa_array.slice(start, _SLICE) for start in range(0, len(values), step))  # noqa: SLF001 - as said
        return [*head, *(str(one.to_pylist()) for one in slices)]
    is_array = is_of(type(values), "numpy", "ndarray")
    rows, looks = (values.flat, _LOOKS) if is_array else (values, _FEW)
    return [*head, [rows[place] for place in range(0, len(values), max(len(values) // looks, 1))]]


def _is_theirs(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] in {"numpy", "pandas"}


def _memory_of(values: Any) -> list[Any] | None:
    """Return the arrays of NumPy that hold the numbers of a column, or None."""
    if is_of(type(values), "numpy", "ndarray"):
        return None if values.dtype.hasobject else [values]
    numbers = getattr(values, "_ndarray", None)  # times, and codes of categories
    if numbers is not None:
        return None if numbers.dtype.hasobject else [numbers]
    mask, data = getattr(values, "_mask", None), getattr(values, "_data", None)
    return None if mask is None or data is None else [data, mask]
