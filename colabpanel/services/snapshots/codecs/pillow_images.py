"""Images of Pillow: the bytes of the file they came from where those are the same picture, else their pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile

from colabpanel.services.snapshots.capture import Capture, Leaf
from colabpanel.services.snapshots.codecs._base import Codec, LeafReader, Reduce, built

__all__ = ["CODEC"]

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
_LARGEST = 1 << 30
_WIDTHS = {"I": 4, "F": 4, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2, "RGBX": 4, "LAB": 3}
_WITH_PALETTE = {"P", "PA"}


def _take(image: Any, capture: Capture) -> Any:
    original = _original(image) if isinstance(image, ImageFile.ImageFile) else None
    if original is not None:
        leaf = capture.leaf(image, lambda: Leaf(_SUFFIXES[image.format], lambda: [original], len(original)))
        return built("PIL.original", leaf, image.format)
    image.load()
    if getattr(image, "n_frames", 1) != 1:
        capture.note("Of several frames the one that is shown is kept.")
    pixels = capture.leaf(image, lambda: _pixels(image))
    has_palette = image.mode in _WITH_PALETTE and image.palette is not None
    palette = (image.palette.mode, bytes(image.palette.palette)) if has_palette else None
    return built("PIL.pixels", pixels, (image.mode, image.size, palette), _plain_info(image))


def _original(image: Any) -> bytes | None:
    """Return the file of an image if it is certain that it gives the same picture.

    That is so before its pixels were read, for then nothing can have changed them, and afterwards if it gives them
    again.
    """
    if image.format not in _SUFFIXES or image.tell() != 0:
        return None
    untouched = bool(image.tile) and getattr(image, "_im", None) is None
    data = _file_of(image)
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=[image.format]) as again:
            same = (again.mode, again.size, again.info) == (image.mode, image.size, image.info)
            same = same and (untouched or again.tobytes() == image.tobytes())
    except Exception:  # noqa: BLE001 - then it is another file now
        return None
    return data if same else None


def _file_of(image: Any) -> bytes | None:
    try:
        stream = image.fp
        if stream is not None and not stream.closed and stream.seekable():
            here = stream.tell()
            stream.seek(0)
            data: bytes = stream.read(_LARGEST + 1)
            stream.seek(here)
        else:
            with Path(image.filename).open("rb") as file:
                data = file.read(_LARGEST + 1)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return data if 0 < len(data) <= _LARGEST else None


def _pixels(image: Any) -> Leaf:
    return Leaf(".bin", lambda: [image.tobytes()], len(image.getbands()) * image.size[0] * image.size[1], exact=False)


def _bytes_of(mode: str, size: tuple[int, int]) -> int:
    """Return how many bytes the pixels of an image take, as `Image.tobytes` gives them."""
    width, height = size
    if mode == "1":
        return (width + 7) // 8 * height
    return width * height * (_WIDTHS.get(mode) or Image.getmodebands(mode))


def _plain_info(image: Any) -> dict[str, Any]:
    """Return what is plain of the notes an image carries."""
    plain = (str, bytes, int, float, bool, tuple)
    return {key: value for key, value in image.info.items() if isinstance(key, str) and isinstance(value, plain)}


def _build_original(reader: LeafReader, leaf: int, form: str) -> Any:
    return Image.open(io.BytesIO(bytes(reader.bytes_of(leaf))), formats=[form] if form in _SUFFIXES else [])


def _build_pixels(reader: LeafReader, leaf: int, kind: tuple[str, tuple[int, int], Any], info: dict[Any, Any]) -> Any:
    mode, size, palette = kind
    data = bytes(reader.bytes_of(leaf))
    if len(data) != _bytes_of(mode, size):
        raise ValueError("size")
    image = Image.frombytes(mode, size, data)
    if palette is not None:
        image.putpalette(palette[1], palette[0])
    image.info = info
    return image


def _reducer(kind: type) -> Reduce | None:
    return _take if kind is Image.Image or issubclass(kind, ImageFile.ImageFile) else None


CODEC = Codec("PIL", _reducer, {"original": _build_original, "pixels": _build_pixels})
