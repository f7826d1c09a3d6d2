"""What the axes of an array mean: height, width, channels, and how many images there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from colabpanel.errors import InputError

__all__ = ["Layout", "guess_layout", "insist_on_layout"]

Layout = Literal["HW", "HWC", "CHW", "NHW", "NHWC", "NCHW"]

_CHANNELS = {1, 3, 4}


def guess_layout(shape: Sequence[int], *, channels_first: bool = False) -> Layout | None:
    """Return what the axes of an array of this shape most likely are, or None where it is no image.

    Args:
        shape: Its shape.
        channels_first: What is likelier where both fit; PyTorch has channels first, others last.
    """
    if len(shape) == 2:  # noqa: PLR2004 - height and width
        return "HW"
    if len(shape) == 3:  # noqa: PLR2004 - one image with channels, or several without
        return _guess(shape, "HWC", "CHW", channels_first=channels_first) or "NHW"
    if len(shape) == 4:  # noqa: PLR2004 - several with channels
        return _guess(shape, "NHWC", "NCHW", channels_first=channels_first)
    return None


def _guess(shape: Sequence[int], last: Layout, first: Layout, *, channels_first: bool) -> Layout | None:
    is_last, is_first = shape[-1] in _CHANNELS, shape[-3] in _CHANNELS
    if is_last and is_first:
        return first if channels_first else last
    return last if is_last else first if is_first else None


def insist_on_layout(layout: str, shape: Sequence[int]) -> Layout:
    """Return a layout that was asked for.

    Raises:
        InputError: There is none of that name, or it does not fit the shape.
    """
    known: dict[str, Layout] = {name: name for name in get_args(Layout)}
    if layout not in known:
        raise InputError(f"layout cannot be {layout!r}.", hint=f"Use one of {', '.join(known)}, or auto.")
    if len(layout) != len(shape):
        raise InputError(f"{layout} has {len(layout)} axes, but the array has {len(shape)} ({tuple(shape)}).")
    if "C" in layout and shape[layout.index("C")] not in _CHANNELS:
        raise InputError(
            f"{layout} makes {shape[layout.index('C')]} channels of this array ({tuple(shape)}).",
            hint="An image has 1, 3 or 4 channels. Choose another layout, or select channels first.",
        )
    return known[layout]
