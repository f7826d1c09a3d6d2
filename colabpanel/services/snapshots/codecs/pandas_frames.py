"""Frames, series and indexes of pandas, apart from how any version of pandas keeps them inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs._base import Built, Codec, LeafReader, Reduce, built
from colabpanel.services.snapshots.codecs.pandas_arrays import BUILDERS, reducer_of_array

__all__ = ["CODEC"]

_COPIES_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3  # noqa: PLR2004 - what one object does, no other sees

Blocks = list[tuple[list[int], Any]]
"""Columns by their places: a two-dimensional array with a row for each, or the values of one."""

Marks = tuple[dict[Any, Any], bool]
"""``attrs``, and whether labels may occur twice."""


def _take_frame(frame: pd.DataFrame, capture: Capture) -> Any:
    return built("pandas.frame", frame.index, frame.columns, _blocks(frame, capture), _marks(frame))


def _marks(labelled: Any) -> Marks:
    return dict(labelled.attrs), labelled.flags.allows_duplicate_labels


def _blocks(frame: pd.DataFrame, capture: Capture) -> Blocks:
    found: Blocks = []
    blocks = getattr(getattr(frame, "_mgr", None), "blocks", None)
    if blocks is None:
        return [([place], _values(frame.iloc[:, place])) for place in range(frame.shape[1])]
    for block in blocks:
        places = [int(place) for place in block.mgr_locs.as_array]
        if _is_numeric(block.dtype):
            found.append((places, _own(np.asarray(block.values), capture)))
        else:
            found += [([place], _values(frame.iloc[:, place])) for place in places]
    return found


def _own(values: Any, capture: Capture) -> Any:
    """Let no other object share the memory of these values when they are loaded: since pandas 3 none may notice."""
    if not _COPIES_ON_WRITE or not isinstance(values, np.ndarray) or values.dtype.hasobject:
        return values
    return Built("numpy.array", capture.private_array(values))


def _is_numeric(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and not dtype.hasobject


def _values(labelled: Any) -> Any:
    """Return the values of a series or an index: an array of NumPy where that is all there is to them."""
    return labelled.to_numpy() if isinstance(labelled.dtype, np.dtype) else labelled.array


def _build_frame(_reader: LeafReader, index: Any, columns: Any, blocks: Blocks, marks: Marks) -> Any:
    width = len(columns)
    if len(blocks) == 1 and blocks[0][0] == list(range(width)) and getattr(blocks[0][1], "ndim", 0) == 2:  # noqa: PLR2004 - rows and columns
        frame = pd.DataFrame(blocks[0][1].T, index=index, copy=False)
    else:
        values: dict[int, Any] = {}
        for places, block in blocks:
            is_table = len(places) > 1 or getattr(block, "ndim", 1) > 1
            values.update(zip(places, block if is_table else [block], strict=True))
        frame = pd.DataFrame({place: _column(values[place], index) for place in range(width)}, index=index, copy=False)
    frame.columns = columns
    return _marked(frame, marks)


def _column(values: Any, index: Any) -> Any:
    """Return values so that pandas leaves their type alone; it makes objects that are strings its own strings."""
    if isinstance(values, np.ndarray) and values.dtype == object:
        return pd.Series(values, index=index, dtype=object, copy=False)
    return values


def _marked(made: Any, marks: Marks) -> Any:
    attrs, duplicates_allowed = marks
    made.attrs.update(attrs)
    if not duplicates_allowed:
        made.flags.allows_duplicate_labels = False
    return made


def _take_series(series: pd.Series[Any], capture: Capture) -> Any:
    return built("pandas.series", series.index, _own(_values(series), capture), series.name, _marks(series))


def _build_series(_reader: LeafReader, index: Any, values: Any, name: Any, marks: Marks) -> Any:
    series = _column(values, index)
    if not isinstance(series, pd.Series):
        series = pd.Series(values, index=index, copy=False)
    series.name = name
    return _marked(series, marks)


def _take_range(index: pd.RangeIndex, _capture: Capture) -> Any:
    return built("pandas.range", index.start, index.stop, index.step, index.name)


def _build_range(_reader: LeafReader, start: int, stop: int, step: int, name: Any) -> Any:
    return pd.RangeIndex(start, stop, step, name=name)


def _take_levels(index: pd.MultiIndex, _capture: Capture) -> Any:
    codes = [np.asarray(part) for part in index.codes]
    return built("pandas.levels", list(index.levels), codes, list(index.names))


def _build_levels(_reader: LeafReader, levels: list[Any], codes: list[Any], names: list[Any]) -> Any:
    return pd.MultiIndex(levels=levels, codes=codes, names=names)


def _take_index(index: pd.Index[Any], capture: Capture) -> Any:
    frequency = getattr(index, "freqstr", None)
    if frequency is not None and not _is_the_same(frequency, index.freq):
        capture.note("The frequency of its time index is not kept.")
        frequency = None
    return built("pandas.index", _values(index), index.name, frequency)


def _is_the_same(text: str, frequency: Any) -> bool:
    """Whether the text of a frequency says all of it; that of some offsets with options does not."""
    try:
        return bool(pd.tseries.frequencies.to_offset(text) == frequency)
    except ValueError:
        return False


def _build_index(_reader: LeafReader, values: Any, name: Any, frequency: str | None) -> Any:
    if isinstance(values, np.ndarray) and values.dtype == object:
        return pd.Index(values, dtype=object, name=name, tupleize_cols=False)
    index = pd.Index(values, name=name, tupleize_cols=False)
    if frequency is not None and not isinstance(index, pd.PeriodIndex):
        index.freq = frequency
    return index


_INDEXES = (
    pd.Index,
    pd.DatetimeIndex,
    pd.TimedeltaIndex,
    pd.PeriodIndex,
    pd.IntervalIndex,
    pd.CategoricalIndex,
)
_REDUCERS: dict[type, Reduce] = {
    pd.DataFrame: _take_frame,
    pd.Series: _take_series,
    pd.RangeIndex: _take_range,
    pd.MultiIndex: _take_levels,
    **dict.fromkeys(_INDEXES, _take_index),
}


def _reducer(kind: type) -> Reduce | None:
    return _REDUCERS.get(kind) or reducer_of_array(kind)


CODEC = Codec(
    "pandas",
    _reducer,
    {
        "frame": _build_frame,
        "series": _build_series,
        "range": _build_range,
        "levels": _build_levels,
        "index": _build_index,
        **BUILDERS,
    },
)
