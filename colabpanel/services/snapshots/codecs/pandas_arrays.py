"""The arrays that pandas has beside those of NumPy: categories, times with zones, missing values, strings."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs._base import Builder, LeafReader, Reduce, built

__all__ = ["BUILDERS", "reducer_of_array"]

_ZONE = re.compile(r"(?!dateutil)[A-Za-z][\w+\-]*(/[\w+\-]+)*")
"""A name of a time zone; pandas would open a file for others."""


def _take_categorical(array: pd.Categorical, _capture: Capture) -> Any:
    return built("pandas.categorical", np.asarray(array.codes), array.categories, array.ordered)


def _build_categorical(_reader: LeafReader, codes: Any, categories: Any, ordered: Any) -> Any:
    return pd.Categorical.from_codes(codes, categories=categories, ordered=ordered)


def _take_times(array: Any, _capture: Capture) -> Any:
    if isinstance(array.dtype, np.dtype):
        return built("pandas.times", np.asarray(array), None)
    zone = array.dtype.tz
    moments = array.asi8.view(f"M8[{array.dtype.unit}]")
    return built("pandas.times", moments, getattr(zone, "zone", None) or zone)


def _build_times(_reader: LeafReader, moments: Any, zone: Any) -> Any:
    if isinstance(zone, str) and not _ZONE.fullmatch(zone):
        raise ValueError(zone)
    index = pd.Index(moments)
    return (index if zone is None else index.tz_localize("UTC").tz_convert(zone)).array


def _take_periods(array: Any, _capture: Capture) -> Any:
    return built("pandas.periods", array.asi8, array.freqstr)


def _build_periods(_reader: LeafReader, ordinals: Any, frequency: str) -> Any:
    return pd.arrays.PeriodArray(ordinals, dtype=pd.PeriodDtype(frequency))


def _take_intervals(array: Any, _capture: Capture) -> Any:
    return built("pandas.intervals", array.left, array.right, array.closed)


def _build_intervals(_reader: LeafReader, left: Any, right: Any, closed: Any) -> Any:
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=closed)


def _take_masked(array: Any, _capture: Capture) -> Any:
    return built("pandas.masked", type(array).__name__, array._data, array._mask)  # noqa: SLF001 - no public way


def _build_masked(_reader: LeafReader, name: str, values: Any, mask: Any) -> Any:
    return {
        "IntegerArray": pd.arrays.IntegerArray,
        "FloatingArray": pd.arrays.FloatingArray,
        "BooleanArray": pd.arrays.BooleanArray,
    }[name](values, mask)


def _take_sparse(array: Any, _capture: Capture) -> Any:
    places = array.sp_index.to_int_index().indices
    return built("pandas.sparse", array.sp_values, places, len(array), array.fill_value)


def _build_sparse(_reader: LeafReader, values: Any, places: Any, length: int, fill_value: Any) -> Any:
    if hasattr(pd.arrays.SparseArray, "from_indices"):
        return pd.arrays.SparseArray.from_indices(values, places, length, fill_value=fill_value)
    from pandas._libs.sparse import IntIndex

    return pd.arrays.SparseArray(values, sparse_index=IntIndex(length, places), fill_value=fill_value)


def _take_strings(array: Any, _capture: Capture) -> Any:
    dtype = array.dtype
    missing_is_nan = getattr(dtype, "na_value", pd.NA) is not pd.NA
    values = array.__arrow_array__() if dtype.storage.startswith("pyarrow") else np.asarray(array, object)
    return built("pandas.strings", values, dtype.storage, missing_is_nan)


def _build_strings(_reader: LeafReader, values: Any, storage: str, missing_is_nan: Any) -> Any:
    dtype = _string_dtype(storage, missing_is_nan=bool(missing_is_nan))
    if isinstance(values, np.ndarray):
        return pd.array(values, dtype=dtype)
    import pyarrow as pa

    values = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    try:
        return dtype.__from_arrow__(values)
    except ValueError:  # before pandas 2.2 only strings with offsets of 32 bits
        return dtype.__from_arrow__(values.cast(pa.string()))


def _string_dtype(storage: str, *, missing_is_nan: bool) -> Any:
    """Return the type of strings; before pandas 3 there is none in which NaN stands for what is missing."""
    if missing_is_nan:
        try:
            return pd.StringDtype(storage, na_value=np.nan)
        except TypeError:
            pass
    return pd.StringDtype(storage)


def _take_arrow(array: Any, _capture: Capture) -> Any:
    return built("pandas.arrow", array.__arrow_array__())


def _build_arrow(_reader: LeafReader, values: Any) -> Any:
    import pyarrow as pa

    values = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    return pd.arrays.ArrowExtensionArray(values)


_REDUCERS: dict[str, Reduce] = {
    "Categorical": _take_categorical,
    "DatetimeArray": _take_times,
    "TimedeltaArray": _take_times,
    "PeriodArray": _take_periods,
    "IntervalArray": _take_intervals,
    "IntegerArray": _take_masked,
    "FloatingArray": _take_masked,
    "BooleanArray": _take_masked,
    "SparseArray": _take_sparse,
    "StringArray": _take_strings,
    "ArrowStringArray": _take_strings,
    "ArrowStringArrayNumpySemantics": _take_strings,
    "StringArrayNumpySemantics": _take_strings,
    "ArrowExtensionArray": _take_arrow,
}

BUILDERS: dict[str, Builder] = {
    "categorical": _build_categorical,
    "times": _build_times,
    "periods": _build_periods,
    "intervals": _build_intervals,
    "masked": _build_masked,
    "sparse": _build_sparse,
    "strings": _build_strings,
    "arrow": _build_arrow,
}


def reducer_of_array(kind: type) -> Reduce | None:
    """Return how arrays of a type are taken apart, or None."""
    is_ours = kind.__module__.partition(".")[0] == "pandas" and issubclass(kind, pd.api.extensions.ExtensionArray)
    return _REDUCERS.get(kind.__name__) if is_ours else None
