"""Pictures of image files, made in a process of their own: see `worker`."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any

from colabpanel.errors import InputError
from colabpanel.services.images.decoders import insist_on_room, loaded, open_image, orient, wrong_suffix
from colabpanel.services.images.depths import scale_of
from colabpanel.services.images.documents import drawn_page, is_pdf, is_svg, svg_picture
from colabpanel.services.images.rendering import encoded, histogram_of, reduced, seen, thumbnail_bytes
from colabpanel.services.images.scaling import WHITE

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["EDGE", "check", "picture_of_file", "picture_of_image", "pixel_of_file", "thumbnail_of_file"]

EDGE = 1600
_HEAD = 1024
_ANIMATED = {"GIF", "WEBP", "PNG", "AVIF"}
_MOST_FRAMES, _FRAME_EDGE, _MOST_ANIMATION = 40, 320, 1 << 20
_COUNTED_UP_TO = 64 << 20  # bytes of a file whose frames are counted, for which all of it is read
_EXIF_SHOWN = {
    271: "Camera maker",
    272: "Camera",
    306: "Changed",
    36867: "Taken",
    33434: "Exposure (s)",
    33437: "Aperture (f/)",
    34855: "ISO",
    37386: "Focal length (mm)",
    270: "Description",
    315: "Artist",
    33432: "Copyright",
    305: "Software",
}
_CAMERA_FACTS, _GPS_FACTS, _TURNED = 0x8769, 0x8825, 274
_LYING = range(5, 9)
_LONGEST_FACT = 200
_AS_THEY_ARE = ((None, None), (0, WHITE))
"""What black and white stand for where values are shown as they are."""

Facts = dict[str, Any]


def picture_of_file(stream: IO[bytes], name: str, size: int, frame: int, edge: int = EDGE) -> Facts:
    """Return the fields of a `Picture` of a file.

    Args:
        stream: The file.
        name: What it is called.
        size: Its bytes.
        frame: The page or frame to show, from 0.
        edge: The longest edge of the picture.

    Raises:
        InputError: It cannot be shown.
    """
    head = stream.read(_HEAD)
    stream.seek(0)
    title = PurePath(name).name
    if is_svg(head, name):
        return svg_picture(stream, title, size)
    if is_pdf(head):
        return _picture_of_page(stream, title, size, frame, edge)
    opened = open_image(stream, title)
    notes = [wrong_suffix(opened, title)]
    frames = _frames_of(opened, size)
    is_animated = opened.format in _ANIMATED and frames != 1
    _go_to(opened, frame, frames, title)
    about: Facts = {"title": title, "format": opened.format, "mode": opened.mode, "size": size, "frame": frame}
    full = opened.size
    is_as_stored = scale_of(opened) == 1
    opened.draft(None, (edge, edge))  # JPEG can be decoded small
    insist_on_room(opened, title)
    image, missing = loaded(opened, title)
    notes.append(missing)
    details = _details(image)  # not before: of a PNG it decodes the pixels
    width, height = _turned(full, image)
    upright = orient(image)  # a copy, which later frames do not change
    animation = _animation(opened, title) if is_animated and frame == 0 else b""
    return {
        **about,
        "width": width,
        "height": height,
        "frames": frames,
        "details": details,
        "animation": animation,
        **_shown(upright, (width, height), edge, [note for note in notes if note], is_as_stored=is_as_stored),
    }


def _picture_of_page(stream: IO[bytes], title: str, size: int, frame: int, edge: int) -> Facts:
    image, pages = drawn_page(stream.read(), title, frame, edge)
    return {
        **picture_of_image(image, title, edge),
        "format": "PDF",
        "size": size,
        "frame": frame,
        "frames": pages,
        "exact": False,
    }


def _turned(size: tuple[int, int], image: Image) -> tuple[int, int]:
    """Return a size, its sides exchanged where EXIF says that the image lies on its side."""
    try:
        lies = image.getexif().get(_TURNED, 1) in _LYING
    except Exception:  # noqa: BLE001 - EXIF is foreign bytes
        return size
    return (size[1], size[0]) if lies else size


def _shown(image: Image, full: tuple[int, int], edge: int, notes: list[str], *, is_as_stored: bool = True) -> Facts:
    """Return the fields that any decoded image has; ``full`` is its size in the file."""
    visible, low, high = seen(image, edge)
    small = reduced(visible, edge)
    if image.mode == "CMYK":
        notes.append("CMYK is shown without the colour profile of its press, so colours are approximate.")
    told = encoded(small)
    return {
        "data": told.data,
        "kind": told.kind,
        "exact": told.exact and small.size == full and (low, high) in _AS_THEY_ARE and is_as_stored,
        "low": low,
        "high": high,
        "histogram": histogram_of(small),
        "notes": notes,
    }


def _frames_of(opened: Image, size: int) -> int | None:
    """Return how many frames or pages there are; None where counting them would take long or fails."""
    if not hasattr(type(opened), "n_frames") and "n_frames" not in vars(opened):  # asking for it counts
        return 1
    if size > _COUNTED_UP_TO:
        return None
    try:
        return int(getattr(opened, "n_frames"))  # noqa: B009 - only some kinds of images have it
    except Exception:  # noqa: BLE001 - a damaged chain of pages; the first of them may be fine
        with contextlib.suppress(Exception):
            opened.seek(0)
        return None


def _go_to(opened: Image, frame: int, frames: int | None, title: str) -> None:
    if frame == 0:
        return
    if frame < 0 or (frames is not None and frame >= frames):
        raise InputError(f"{title} has {frames} pages or frames.", hint="Choose one of them.")
    try:
        opened.seek(frame)
    except Exception as error:
        raise InputError(f"Page {frame + 1} of {title} cannot be read.", hint="It may not have so many.") from error


def _animation(opened: Image, title: str) -> bytes:
    """Return the first frames, small, as an animation; nothing where they cannot be decoded."""
    frames, pauses = [], []
    with contextlib.suppress(InputError, EOFError, OSError, ValueError, SyntaxError):
        for number in range(_MOST_FRAMES):
            opened.seek(number)
            frames.append(reduced(loaded(opened, title)[0].convert("RGBA"), _FRAME_EDGE))
            pauses.append(max(int(opened.info.get("duration") or 100), 20))
    if len(frames) < 2:  # noqa: PLR2004 - one frame does not move
        return b""
    stream = io.BytesIO()
    frames[0].save(
        stream, "WEBP", save_all=True, append_images=frames[1:], duration=pauses, loop=0, quality=60, method=0
    )
    return stream.getvalue() if stream.tell() <= _MOST_ANIMATION else b""


def _details(opened: Image) -> list[tuple[str, str]]:
    """Return what EXIF and the head of the file tell."""
    facts: list[tuple[str, str]] = []
    if opened.info.get("icc_profile"):
        facts.append(("Colour profile", "embedded"))
    if opened.format == "JPEG" and opened.info.get("progressive"):
        facts.append(("Coding", "progressive"))
    if "dpi" in opened.info:
        with contextlib.suppress(Exception):
            dots = float(opened.info["dpi"][0])
            facts += [("Resolution", f"{dots:.0f} dpi")] if dots > 1 else []
    with contextlib.suppress(Exception):  # EXIF is foreign bytes
        exif = opened.getexif()
        known = {**dict(exif), **dict(exif.get_ifd(_CAMERA_FACTS))}
        facts += [(title, _text(known[tag])) for tag, title in _EXIF_SHOWN.items() if tag in known]
        if exif.get(_TURNED, 1) != 1:
            facts.append(("Orientation", f"{exif[_TURNED]} in EXIF, applied"))
        if exif.get_ifd(_GPS_FACTS):
            facts.append(("Location", "the file holds a GPS position"))
    return facts


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.strip("\0 ")[:_LONGEST_FACT]
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError, ZeroDivisionError):
        return str(value)[:_LONGEST_FACT]


def pixel_of_file(stream: IO[bytes], name: str, frame: int, x: int, y: int) -> list[float]:
    """Return the values of one pixel, as they stand in the file, of the image turned upright.

    Raises:
        InputError: There is no such pixel, or the file has none.
    """
    title = PurePath(name).name
    opened = open_image(stream, title)
    _go_to(opened, frame, None, title)
    insist_on_room(opened, title)
    scale = scale_of(opened)
    if scale is None:
        raise InputError(f"{title} holds finer values than are decoded here, so they cannot be told.")
    decoded, missing = loaded(opened, title)
    if missing:
        raise InputError(f"{title} is cut short or damaged, so its pixels cannot be read for certain.")
    image = orient(decoded)
    if not (0 <= x < image.width and 0 <= y < image.height):
        raise InputError(
            f"{title} has no pixel at {x}, {y}.", hint=f"It has {image.width:,} x {image.height:,} pixels."
        )
    value: Any = image.getpixel((x, y))
    return [float(part) / scale for part in (value if isinstance(value, tuple) else (value,))]


def thumbnail_of_file(stream: IO[bytes], name: str, edge: int, most: int) -> tuple[int, int, bytes]:
    """Return the width and the height of an image, and a small picture of it of so many bytes at most.

    It is WebP, or the drawing itself; empty where that takes more bytes. Sizes that are unknown are 0.

    Raises:
        InputError: It cannot be shown.
    """
    title = PurePath(name).name
    if drawing := _drawing(stream, name):
        data = drawing["data"]
        return drawing["width"] or 0, drawing["height"] or 0, data if len(data) <= most else b""
    opened = open_image(stream, title)
    full = opened.size
    opened.draft("RGB", (edge, edge))
    insist_on_room(opened, title)
    image, missing = loaded(opened, title)
    if missing:
        raise InputError(f"{title} is cut short or damaged.", hint="Show it to see what could be decoded.")
    width, height = _turned(full, image)
    small = orient(reduced(seen(image, edge)[0], edge))
    return width, height, thumbnail_bytes(small, most)


def _drawing(stream: IO[bytes], name: str) -> Facts | None:
    """Return the fields of a picture of an SVG drawing, or None where it is none."""
    head = stream.read(_HEAD)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return svg_picture(stream, PurePath(name).name, size) if is_svg(head, name) else None


def check(stream: IO[bytes], name: str) -> None:
    """Decode an image, as small as its format allows.

    Raises:
        InputError: It is damaged, or too large to be decoded.
    """
    title = PurePath(name).name
    if _drawing(stream, name):
        return
    opened = open_image(stream, title)
    opened.draft("RGB", (1, 1))
    insist_on_room(opened, title)
    if loaded(opened, title)[1]:
        raise InputError(f"{title} is cut short or damaged.")


def picture_of_image(image: Image, title: str, edge: int = EDGE) -> Facts:
    """Return the fields of a `Picture` of an image of Pillow."""
    upright = orient(image)
    return {
        "title": title,
        "format": image.format or "PIL image",
        "mode": image.mode,
        "width": upright.width,
        "height": upright.height,
        **_shown(upright, upright.size, edge, []),
    }
