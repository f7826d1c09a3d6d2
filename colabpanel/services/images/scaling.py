"""Numbers of any type as the 256 levels that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from colabpanel.errors import InputError
from colabpanel.services.optional import optional

if TYPE_CHECKING:
    from numpy import ndarray

    Array = ndarray[Any, Any]

__all__ = ["WHITE", "as_levels", "finite_range", "numbers_of", "numpy"]

WHITE = 255
_MIDDLE = 127


def numpy() -> Any:
    """Return NumPy.

    Raises:
        MissingLibraryError: It is not installed.
    """
    return optional("numpy", "looking at arrays")


def numbers_of(array: Array, name: str) -> Array:
    """Return an array as real numbers or booleans: of complex ones their absolute values.

    Raises:
        InputError: It holds something else.
    """
    if array.dtype.kind == "c":
        with numpy().errstate(all="ignore"):
            array = numpy().abs(array)
    if array.dtype.kind == "f" and array.dtype.itemsize > numpy().dtype("f8").itemsize:
        with numpy().errstate(all="ignore"):
            return array.astype("f8")
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} holds {array.dtype} values, which are no pixels.", hint="Choose an array of numbers.")
    return array


def finite_range(array: Array) -> tuple[float, float] | None:
    """Return the lowest and the highest finite value, or None where there is none."""
    if array.dtype.kind == "f":
        array = array[numpy().isfinite(array)]
    if not array.size:
        return None
    return float(array.min()), float(array.max())


def as_levels(array: Array, low: float, high: float) -> Array:
    """Return values as bytes: ``low`` and less as 0, ``high`` and more as 255, NaN as 0.

    Where low and high are the same, what equals them is a middle grey.
    """
    np = numpy()
    with np.errstate(all="ignore"):
        values = array.astype(np.float64)
        half = high / 2 - low / 2  # halves, for the whole may be more than a float can hold
        if half > 0:
            shares = (values / 2 - low / 2) / half
        else:
            shares = np.where(values < low, 0.0, np.where(values > high, 1.0, _MIDDLE / WHITE))
            shares[np.isnan(values)] = 0.0
        levels: Array = np.rint(np.nan_to_num(np.clip(shares, 0, 1), nan=0.0) * WHITE).astype(np.uint8)
    return levels
