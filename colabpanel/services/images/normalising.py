"""Undoing what training does to the values of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from colabpanel.errors import InputError
from colabpanel.services.images.scaling import WHITE, as_levels, finite_range, numpy

if TYPE_CHECKING:
    from colabpanel.services.images.scaling import Array

__all__ = ["Levels", "Undo", "levels_of"]

Undo = Literal["auto", "bytes", "unit", "signed", "imagenet", "minmax"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_FIXED = {"bytes": (0.0, float(WHITE)), "unit": (0.0, 1.0), "signed": (-1.0, 1.0)}
_SLACK = 1e-3
_LABELS = 32
"""The highest value up to which whole numbers are taken for labels."""

_NORMALISED = 3.0
"""Values of images that were normalised with ImageNet's mean and deviation lie between -2.2 and 2.7."""


class Levels(NamedTuple):
    """Bytes to be shown, how they were made, and the values that became black and white where that is one pair."""

    values: Array
    undone: Undo
    low: float | None
    high: float | None


def levels_of(pixels: Array, undo: str) -> Levels:
    """Return values as bytes.

    Args:
        pixels: Real numbers or booleans, channels last.
        undo: What was done to them: ``bytes`` nothing (0 to 255), ``unit`` 0 to 1, ``signed`` -1 to 1,
            ``imagenet`` mean and deviation of ImageNet; ``minmax`` shows the lowest as black and the highest
            as white; ``auto`` guesses.

    Raises:
        InputError: There is no such way, or it needs three channels.
    """
    if undo not in get_args(Undo):
        raise InputError(f"undo cannot be {undo!r}.", hint=f"Use one of {', '.join(get_args(Undo))}.")
    reach = finite_range(pixels) or (0.0, 0.0)
    chosen = _guess(pixels, *reach) if undo == "auto" else undo
    if chosen == "imagenet":
        return _from_imagenet(pixels)
    low, high = _FIXED.get(chosen, reach)
    if pixels.dtype == numpy().uint8 and chosen == "bytes":
        return Levels(pixels, "bytes", None, None)
    return Levels(as_levels(pixels, low, high), chosen, low, high)  # type: ignore[arg-type]  # one of them, as looked at


def _guess(pixels: Array, low: float, high: float) -> str:
    if pixels.dtype.kind == "b":
        return "unit"
    if pixels.dtype.kind in "iu":
        return "bytes" if low >= 0 and _is_of_bytes(pixels, high) else "minmax"
    if low >= -_SLACK and high <= 1 + _SLACK:
        return "unit"
    if low >= -1 - _SLACK and high <= 1 + _SLACK:
        return "signed"
    if low >= 0 and high <= WHITE and high > _NORMALISED:
        return "bytes"
    if pixels.shape[-1:] == (3,) and low < 0 and max(-low, high) <= _NORMALISED:
        return "imagenet"
    return "minmax"


def _is_of_bytes(pixels: Array, high: float) -> bool:
    """Whether whole numbers are brightness; labels from 0 to 9, say, would be all black."""
    if pixels.dtype == numpy().uint8:
        return high != 1  # a mask
    return _LABELS < high <= WHITE or high == 0


def _from_imagenet(pixels: Array) -> Levels:
    if pixels.shape[-1:] != (3,):
        raise InputError("imagenet needs three channels.", hint="Choose another way, such as minmax.")
    np = numpy()
    with np.errstate(all="ignore"):
        values = pixels.astype(np.float64) * np.array(_STD) + np.array(_MEAN)
    return Levels(as_levels(values, 0.0, 1.0), "imagenet", None, None)
