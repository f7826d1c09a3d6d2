"""Numbers in smaller types: integers whose values are small, and float64 as float32."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.services.memory.shrinking.columns import columns_of, convert_columns, is_frame
from colabpanel.services.memory.shrinking.models import NOTABLE, How, Saving, Task, Way, WouldChangeError, sampled

__all__ = ["FLOATS", "INTEGERS", "is_plain", "pieces"]

_AT_ONCE = 1 << 20  # values that are compared at once
_BYTES = {"int8": 1, "int16": 2, "int32": 4, "float32": 4}
_SIGNED = ("int8", "int16", "int32")


def is_plain(value: Any) -> bool:
    """Whether a value is an array of NumPy and nothing beyond that."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is getattr(numpy, "ndarray", None)


def pieces(array: Any) -> Iterator[Any]:
    """Yield an array in stretches of its first axis, each of about a million values."""
    rows = max(_AT_ONCE * len(array) // max(array.size, 1), 1)
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def _find(how: How, name: str, value: Any) -> Saving | None:
    smaller, saved, change = dict[Any, str](), 0, 0.0
    for label, values in _arrays(value):
        sample = sampled(values)
        kind = _CHOICES[how](sample)
        if kind is not None and how == "integers":  # one value beyond the others would wrap around
            kind = _smaller_integer(values)
        if kind is not None:
            smaller[label] = kind
            saved += values.nbytes - values.size * _BYTES[kind]
            change = max(change, _change(sample)) if how == "float32" else 0.0
    if saved < NOTABLE:
        return None
    said = _said_of_integers(smaller) if how == "integers" else _said_of_floats(change)
    code = f"{name} = {name}.astype({next(iter(smaller.values()))!r})" if None in smaller else _code(name, smaller)
    return Saving(name, how, saved, lossless=change == 0, safe=change == 0, sentence=said, code=code)


def _arrays(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the numbers of an array, under None, or of each column, under its label."""
    if is_plain(value):
        yield None, value
    elif is_frame(value):
        for label, column in columns_of(value):
            if getattr(column.dtype, "kind", "") in "iuf" and is_plain(values := column.values):
                yield label, values


def _smaller_integer(values: Any) -> str | None:
    """Return the smallest type with a sign that holds all of these, if it is smaller than theirs."""
    import numpy as np

    if values.dtype.kind not in "iu" or not values.size:
        return None
    low, high = int(values.min()), int(values.max())
    found = next((name for name in _SIGNED if np.iinfo(name).min <= low and high <= np.iinfo(name).max), None)
    return found if found is not None and np.dtype(found).itemsize < values.dtype.itemsize else None


def _smaller_float(values: Any) -> str | None:
    return "float32" if values.dtype == "float64" and values.size else None


_CHOICES = {"integers": _smaller_integer, "float32": _smaller_float}


def _change(values: Any) -> float:
    """Return the largest change of a value when these become float32; infinite where one does not fit."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        change = np.abs(values - values.astype(np.float32))
    change = change[np.isfinite(values)]
    return float(change.max()) if change.size else 0.0


def _code(name: str, smaller: dict[Any, str]) -> str:
    return f"{name} = {name}.astype({smaller!r})"


def _said_of_integers(smaller: dict[Any, str]) -> str:
    import numpy as np

    kinds = sorted(set(smaller.values()), key=_SIGNED.index)
    where = "" if None in smaller else f" of {words.plural(len(smaller), 'column')}"
    return (
        f"The whole numbers{where} fit into {', '.join(kinds)} and stay what they are. "
        f"What is computed from them later wraps around beyond {np.iinfo(kinds[0]).max:,}."
    )


def _said_of_floats(change: float) -> str:
    if change == 0:
        return "As float32 every value of a sample stays what it is. What is computed from them later is less exact."
    if change == float("inf"):
        return "As float32 some values are too large and become infinite."
    return f"As float32 values change by up to {change:.2g}, as far as a sample tells."


def _make(how: How, value: Any, task: Task) -> tuple[Any, Path | None]:
    kinds = {label: kind for label, values in _arrays(value) if (kind := _CHOICES[how](values)) is not None}
    if how == "float32":
        kinds = {label: kind for label, kind in kinds.items() if _stays(dict(_arrays(value))[label])}
    if not kinds:
        raise WouldChangeError
    return (convert_columns(value, kinds, task) if is_frame(value) else _as(value, kinds[None], task)), None


def _stays(values: Any) -> bool:
    return all(_change(piece) == 0 for piece in pieces(values))


def _as(array: Any, kind: str, task: Task) -> Any:
    import numpy as np

    task.progress.start(array.nbytes, "Converting")
    found = array.astype(kind)
    for old, new in zip(pieces(array), pieces(found), strict=True):
        if not np.array_equal(old, new, equal_nan=kind == "float32"):
            raise WouldChangeError
        task.progress.advance(old.nbytes)
    found.flags.writeable = array.flags.writeable
    return found


INTEGERS = Way(partial(_find, "integers"), partial(_make, "integers"))
FLOATS = Way(partial(_find, "float32"), partial(_make, "float32"))
