"""Opening images with Pillow: a few decoders, nothing that is too large, and every failure a sentence."""

from __future__ import annotations

import contextlib
import functools
import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any

from colabpanel import words
from colabpanel.errors import ColabPanelError, InputError
from colabpanel.services.optional import optional

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["SUFFIXES", "insist_on_room", "loaded", "open_image", "orient", "pillow", "wrong_suffix"]

_FORMATS = {
    "JPEG": ("JpegImagePlugin", (".jpg", ".jpeg", ".jpe", ".jfif")),
    "MPO": ("MpoImagePlugin", (".mpo", ".jpg", ".jpeg")),
    "PNG": ("PngImagePlugin", (".png", ".apng")),
    "GIF": ("GifImagePlugin", (".gif",)),
    "WEBP": ("WebPImagePlugin", (".webp",)),
    "BMP": ("BmpImagePlugin", (".bmp", ".dib")),
    "DIB": ("BmpImagePlugin", (".dib", ".bmp")),
    "TIFF": ("TiffImagePlugin", (".tif", ".tiff")),
    "PPM": ("PpmImagePlugin", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")),
    "ICO": ("IcoImagePlugin", (".ico",)),
    "TGA": ("TgaImagePlugin", (".tga",)),
    "AVIF": ("AvifImagePlugin", (".avif",)),
    "JPEG2000": ("Jpeg2KImagePlugin", (".jp2", ".j2k")),
}
"""The formats that are opened. EPS and its like, which run a program of their own, are none of them."""

SUFFIXES = frozenset(suffix for _, suffixes in _FORMATS.values() for suffix in suffixes) | {".svg"}
"""How the names of images end."""

_MOST_DECODED = 512 << 20
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_READABLE = "Shown are JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP, PPM, TGA, ICO, JPEG 2000 and SVG."


def pillow(module: str = "Image") -> Any:
    """Return a module of Pillow.

    Raises:
        MissingLibraryError: Pillow is not installed.
    """
    return optional(f"PIL.{module}", "looking at images")


@functools.cache
def _formats() -> tuple[str, ...]:
    """Load the decoders that are allowed, and return those that this Pillow has."""
    image = pillow()
    image.MAX_IMAGE_PIXELS = None  # this is a process of its own, and sizes are looked at before pixels are decoded
    for plugin, _ in _FORMATS.values():
        with contextlib.suppress(ImportError):
            importlib.import_module(f"PIL.{plugin}")
    return tuple(name for name in _FORMATS if name in image.OPEN)


def open_image(stream: IO[bytes], name: str) -> Image:
    """Open an image, of which the head alone is read.

    Args:
        stream: Its bytes.
        name: What it is called, for errors.

    Raises:
        InputError: It is none, or of a kind that is not shown.
    """
    image = pillow()
    formats = _formats()
    with _in_words(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd EXIF and large sizes, which are looked at here
        try:
            opened: Image = image.open(stream, formats=formats)
        except image.UnidentifiedImageError:
            raise _no_image(stream, name) from None
    return opened


def _no_image(stream: IO[bytes], name: str) -> InputError:
    stream.seek(0)
    head = stream.read(64)
    if not head:
        return InputError(f"{name} is empty.", hint="The download or upload may have failed. Copy it again.")
    if not head.strip(b"\0"):
        return InputError(
            f"{name} begins with nothing but zeros.", hint="The download was not finished. Download it again."
        )
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return InputError(
            f"{name} is a web page.", hint="The download probably saved an error page. Download it again."
        )
    return InputError(f"{name} is no image that can be shown, or is damaged at its start.", hint=_READABLE)


def insist_on_room(opened: Image, name: str) -> None:
    """Refuse an image whose pixels would take too much memory.

    Raises:
        InputError: They would.
    """
    needed = opened.width * opened.height * _BYTES_PER_PIXEL.get(opened.mode, 4)
    if needed > _MOST_DECODED:
        raise InputError(
            f"{name} has {opened.width:,} x {opened.height:,} pixels, which take {words.size(needed)} when decoded.",
            hint="Such an image is not decoded here. Reduce it with a tool that reads it in pieces, such as vips.",
        )


def loaded(opened: Image, name: str) -> tuple[Image, str]:
    """Decode the pixels; of an image that is cut short, as many as there are.

    Returns:
        The image, and a sentence if some of it is missing.

    Raises:
        InputError: Nothing of it can be decoded.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with _in_words(name):
                opened.load()
        except InputError:
            if opened.format not in {"JPEG", "PNG", "BMP", "MPO", "PPM", "TGA"}:
                raise
            return _what_is_there(opened, name), "The file is cut short or damaged: this is what could be decoded."
    return opened, ""


def _what_is_there(opened: Image, name: str) -> Image:
    files = pillow("ImageFile")
    stream = getattr(opened, "fp", None)
    if stream is None or stream.closed:
        raise InputError(f"{name} is damaged: its pixels cannot be decoded.", hint="Copy or download it again.")
    stream.seek(0)
    files.LOAD_TRUNCATED_IMAGES = True
    try:
        again = open_image(stream, name)
        with _in_words(name):
            again.load()
    finally:
        files.LOAD_TRUNCATED_IMAGES = False
    return again


def orient(image: Image) -> Image:
    """Turn an image as its EXIF says it was held; EXIF that cannot be read turns nothing."""
    try:
        return pillow("ImageOps").exif_transpose(image) or image
    except Exception:  # noqa: BLE001 - EXIF is foreign bytes, and the picture is there without it
        return image


def wrong_suffix(opened: Image, name: str) -> str:
    """Return a sentence if a name says another format than the content, else an empty string."""
    suffix = PurePath(name).suffix.lower()
    known = _FORMATS.get(opened.format or "", ("", ()))[1]
    if not suffix or suffix in known or suffix not in SUFFIXES:
        return ""
    return f"The name ends in {suffix}, but the content is {opened.format}."


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a sentence."""
    try:
        yield
    except (ColabPanelError, pillow().UnidentifiedImageError):
        raise
    except MemoryError:
        raise InputError(
            f"{name} takes more memory to decode than is allowed here.", hint="It may be made to fill the memory."
        ) from None
    except Exception as error:
        raise InputError(
            f"{name} is damaged: it cannot be decoded.", hint=f"The decoder says: {error}. Copy or download it again."
        ) from error
