"""How finely the values of a file are stored, of which in some kinds of file eight bits are decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["scale_of"]

_STRETCHED = {"L;2": 85, "L;4": 17}  # grey of two and four bits, as PNG has it
_WHOLE = ("I", "F")  # kinds of images whose pixels have room for 16 bits and more
_PPM = {"1": None, "L": 255, "RGB": 255, "I": 65535}  # the largest value that is decoded as it is


def scale_of(opened: Image) -> int | None:
    """Return what decoded values are divided by to be those in the file; None where they were rounded.

    To be asked of an image that is open and not yet decoded.
    """
    for tile in getattr(opened, "tile", ()):
        codec, options = tile[0], tile[3]
        words: tuple[Any, ...] = (options,) if isinstance(options, str) else tuple(options or ())
        if codec.startswith("ppm"):
            largest = words[1] if len(words) > 1 else 255
            return 1 if _PPM.get(opened.mode) in {None, largest} else None
        stored = str(words[0]) if words else ""
        if stored in _STRETCHED and opened.mode == "L":
            return _STRETCHED[stored]
        if ";16" in stored and not opened.mode.startswith(_WHOLE):
            return None
    return 1
