"""Columns of frames of pandas, converted one by one and compared."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from colabpanel.services.memory.shrinking.models import Task, WouldChangeError

__all__ = ["columns_of", "convert_columns", "is_frame"]

_MOST = 1_000  # columns of one frame
_ROWS = 1 << 20  # that are compared at once


def is_frame(value: Any) -> bool:
    """Whether a value is a frame or a column of pandas, and nothing beyond that."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and type(value) in {getattr(pandas, "DataFrame", None), getattr(pandas, "Series", None)}


def columns_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the columns of a frame with their labels, as far as these are texts or numbers; None for a column itself.

    A frame whose labels are not unique yields nothing.
    """
    if type(value).__name__ == "Series":  # which may have an entry called "columns"
        yield None, value
    elif value.columns.is_unique:
        for place, label in enumerate(islice(value.columns, _MOST)):
            if type(label) in {str, int}:
                yield label, value.iloc[:, place]


def convert_columns(value: Any, types: Mapping[Any, str], task: Task) -> Any:
    """Return a frame or column of which these columns have other types.

    Raises:
        WouldChangeError: A value would not be the same any more.
    """
    task.progress.start(len(value) * len(types), "Converting", unit="rows")
    if None in types:
        return _convert(value, types[None], task)
    found = value.copy(deep=False)
    for label, kind in types.items():
        place = value.columns.get_loc(label)
        found.isetitem(place, _convert(value.iloc[:, place], kind, task))
    return found.copy()  # what stayed as it was would else be a part of the old memory, and keep all of it


def _convert(column: Any, kind: str, task: Task) -> Any:
    found = column.astype(kind)
    for start in range(0, len(column), _ROWS):
        old, new = column.iloc[start : start + _ROWS], found.iloc[start : start + _ROWS]
        if not new.astype(column.dtype).equals(old):
            raise WouldChangeError
        task.progress.advance(len(old))
    return found
