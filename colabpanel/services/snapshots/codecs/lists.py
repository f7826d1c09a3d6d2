"""Lists of many arrays of one shape, as images often are: taken out as a whole, not one by one."""

from __future__ import annotations

import sys
from typing import Any

from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs._base import Built

__all__ = ["lift"]

_MANY = 16


def lift(value: Any, capture: Capture) -> Any:
    """Return what stands for a list of arrays of one shape, each with memory of its own; else the value itself."""
    if type(value) is not list or len(value) < _MANY or "numpy" not in sys.modules:
        return value
    import numpy as np

    first = value[0]
    if type(first) is not np.ndarray or first.dtype.hasobject or first.dtype.isbuiltin != 1 or not first.nbytes:
        return value
    dtype, shape = first.dtype, first.shape
    if not all(type(array) is np.ndarray and _is_alike(array, dtype, shape) for array in value):
        return value
    if len(set(map(id, value))) < len(value):
        return value
    number = capture.stack(value)
    return value if number is None else Built("numpy.rows", number, len(value))


def _is_alike(array: Any, dtype: Any, shape: tuple[int, ...]) -> bool:
    return bool(array.base is None and array.dtype is dtype and array.shape == shape and array.flags.c_contiguous)
