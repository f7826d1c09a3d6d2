"""A decoded image as bytes that a browser shows: bounded in pixels and in bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

from colabpanel.services.images.decoders import pillow
from colabpanel.services.images.models import Histogram
from colabpanel.services.images.scaling import as_levels, finite_range, numpy

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Encoded", "encoded", "histogram_of", "reduced", "seen", "thumbnail_bytes"]

_MOST_PNG = 2 << 20
_SMALLER_EDGE = 900
_BINS = 64
_LEVELS = 256
_NUMBERS = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
_PLAIN = {"L", "RGB", "RGBA"}
_QUALITIES = (70, 40, 15)


class Encoded(NamedTuple):
    """A picture as a file's bytes, and whether every pixel is as it was."""

    data: bytes
    kind: str
    exact: bool


def seen(image: Image, edge: int) -> tuple[Image, float | None, float | None]:
    """Return an image that can be seen: grey, RGB or RGBA; with the values that became black and white.

    Args:
        image: A decoded image of any mode.
        edge: The longest edge that will be shown; more pixels than that may be left out.
    """
    if image.mode in _NUMBERS:
        return _scaled(image, edge)
    if image.mode in _PLAIN:
        return image, None, None
    if image.mode == "1":
        return image.convert("L"), None, None
    clear = "transparency" in image.info or image.mode in {"LA", "La", "PA", "RGBa"}
    return image.convert("RGBA" if clear else "RGB"), None, None


def _scaled(image: Image, edge: int) -> tuple[Image, float | None, float | None]:
    """Return numbers as grey, from the lowest finite one to the highest."""
    values = numpy().asarray(image)
    low, high = finite_range(values) or (0.0, 0.0)
    step = max(max(values.shape) // edge, 1)
    return pillow().fromarray(as_levels(values[::step, ::step], low, high)), low, high


def reduced(image: Image, edge: int) -> Image:
    """Return an image whose longest edge has so many pixels at most."""
    if max(image.size) <= edge:
        return image
    share = edge / max(image.size)
    width, height = (max(round(length * share), 1) for length in image.size)
    return image.resize((width, height), reducing_gap=2.0)


def encoded(image: Image) -> Encoded:
    """Return an image (grey, RGB or RGBA) as PNG, or as JPEG where that would be too large."""
    data = _saved(image, "PNG", compress_level=3)
    if len(data) <= _MOST_PNG:
        return Encoded(data, "image/png", exact=True)
    if image.mode == "RGBA":
        data = _saved(reduced(image, _SMALLER_EDGE), "PNG", compress_level=6)
        if len(data) <= _MOST_PNG:
            return Encoded(data, "image/png", exact=False)
        image = on_white(image)
    return Encoded(_saved(image, "JPEG", quality=88), "image/jpeg", exact=False)


def on_white(image: Image) -> Image:
    """Return an image with transparency laid on white."""
    ground = pillow().new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    laid: Image = ground.convert("RGB")
    return laid


def _saved(image: Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def thumbnail_bytes(image: Image, most: int) -> bytes:
    """Return an image as WebP of so many bytes at most, or nothing where it needs more."""
    for quality in _QUALITIES:
        data = _saved(image, "WEBP", quality=quality, method=2)
        if len(data) <= most:
            return data
    return b""


def histogram_of(image: Image) -> Histogram:
    """Return how many pixels fall into each of equal steps of brightness, for each channel but transparency."""
    names = {"L": ("Grey",), "RGB": ("Red", "Green", "Blue"), "RGBA": ("Red", "Green", "Blue")}[image.mode]
    counts, width = image.histogram(), _LEVELS // _BINS
    return tuple(
        (
            name,
            tuple(sum(counts[start : start + width]) for start in range(band * _LEVELS, (band + 1) * _LEVELS, width)),
        )
        for band, name in enumerate(names)
    )
