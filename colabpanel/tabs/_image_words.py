"""What the image tab says: pictures, pages of thumbnails, and checks, in words."""

from __future__ import annotations

from collections.abc import Sequence

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.services.images.models import CheckedImages, ImageFolder, Picture, Thumbnail
from colabpanel.widgets.image_grid import Tile
from colabpanel.widgets.image_view import Shown
from colabpanel.widgets.messages import Message

__all__ = [
    "bytes_in",
    "checked_message",
    "found_message",
    "look_code",
    "page_title",
    "pixel_words",
    "shown",
    "tile",
    "variable_code",
    "whole_in",
]

_MOST_DIGITS = 9
_UNITS = {"": 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}


def shown(picture: Picture) -> Shown:
    """Return a picture as the viewer takes it."""
    return Shown(
        title=picture.title,
        data=picture.data,
        kind=picture.kind,
        width=picture.width,
        height=picture.height,
        facts=_facts(picture),
        notes=picture.notes,
        histogram=picture.histogram,
        low=picture.low,
        high=picture.high,
        exact=picture.exact,
        animation=picture.animation,
    )


def _facts(picture: Picture) -> list[tuple[str, str]]:
    facts = [("Picture", picture.title)]
    if picture.width is not None and picture.height is not None:
        facts.append(("Pixels", f"{picture.width:,} x {picture.height:,}"))
    facts += [(title, value) for title, value in (("Format", picture.format), ("Mode", picture.mode)) if value]
    if picture.size is not None:
        facts.append(("File", words.size(picture.size)))
    if picture.frames is None:
        facts.append(("Pages or frames", "not counted"))
    elif picture.frames > 1:
        facts.append(("Page or frame", f"{picture.frame + 1:,} of {picture.frames:,}"))
    if picture.low is not None and picture.high is not None:
        facts.append(("Black to white", f"{picture.low:.6g} to {picture.high:.6g}"))
    return [*facts, *picture.details]


def pixel_words(x: int, y: int, values: Sequence[float]) -> str:
    """Say what a pixel holds: ``In the file, x 3, y 4 holds 12, 40, 255.``."""
    return f"In the file, x {x}, y {y} holds {', '.join(f'{value:.9g}' for value in values)}."


def tile(found: Thumbnail, size: int) -> Tile:
    """Return a thumbnail as a tile of the grid."""
    pixels = f"{found.width:,} x {found.height:,}, " if found.width and found.height else ""
    weight = words.size(size) if size >= 0 else ""
    return Tile(found.number, found.name, found.data, found.kind, found.trouble, f"{found.name}: {pixels}{weight}")


def found_message(folder: ImageFolder) -> Message:
    """Say what a listing found."""
    if not folder.names:
        return Message(
            "warning", f"There are no images in {folder.path}.", "Names of images end in .jpg, .png and so on."
        )
    places = words.plural(len(folder.classes), "folder")
    first = "" if folder.complete else "The first "
    sentence = f"{first}{words.plural(len(folder.names), 'image')} in {places}."
    details = "\n".join(f"{skipped.member}: {skipped.reason}" for skipped in folder.skipped)
    return Message("ok", sentence, "Click on a picture to look at it closely.", details, "What was left out, and why")


def page_title(page: int, size: int, total: int) -> str:
    """Say which images of how many a page shows: ``1 to 60 of 100,000``."""
    if not total:
        return "No image fulfils all conditions."
    return f"{page * size + 1:,} to {min((page + 1) * size, total):,} of {total:,}"


def checked_message(checked: CheckedImages) -> Message:
    """Say what was found when images were checked."""
    looked = f"Decoded {words.plural(checked.looked_at, 'image')} in {words.duration(checked.seconds)}"
    spare = sum(len(group) - 1 for group in checked.duplicates)
    if not checked.broken and not spare:
        return Message("ok", f"{looked}: none is broken, and none is there twice.")
    parts = []
    if checked.broken:
        parts.append(f"{words.count(len(checked.broken))} cannot be decoded")
    if spare:
        parts.append(f"{words.count(spare)} {'is' if spare == 1 else 'are'} there again under another name")
    lines = [f"broken: {one.member}: {one.reason}" for one in checked.broken]
    lines += [f"same: {' = '.join(group)}" for group in checked.duplicates]
    hint = "Reject them with the button below, or look at the list."
    return Message("warning", f"{looked}: {' and '.join(parts)}.", hint, "\n".join(lines), "Which they are")


def bytes_in(text: str, label: str) -> int | None:
    """Read a size such as ``20 KB``; empty is None.

    Raises:
        InputError: It is none.
    """
    number = text.strip().lower()
    if not number:
        return None
    unit = number.lstrip("0123456789.").strip()
    try:
        return round(float(number[: len(number) - len(number.lstrip("0123456789."))]) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        raise InputError(f"{label} takes a size.", hint="Write 20 KB, or 1.5 MB.") from None


def whole_in(text: str, label: str, *, least: int = 0) -> int | None:
    """Read a whole number; empty is None.

    Raises:
        InputError: It is none, or less than it may be.
    """
    number = text.strip()
    if not number:
        return None
    if not number.isdecimal() or len(number) > _MOST_DIGITS or int(number) < least:
        raise InputError(f"{label} takes a whole number from {least}.", hint="Leave it empty for the usual.")
    return int(number)


def look_code(path: str, frame: int) -> list[str]:
    """Return the Python that shows a file."""
    more = f", frame={frame}" if frame else ""
    return ["import colabpanel", "", f"colabpanel.preview({path!r}{more})"]


def variable_code(name: str, options: dict[str, str | int | None]) -> list[str]:
    """Return the Python that shows a variable; masks and boxes are variables, too."""
    told = [
        f"{key}={value}" if key in {"mask", "boxes", "index"} else f"{key}={value!r}"
        for key, value in options.items()
        if value not in {None, "auto"}
    ]
    return ["import colabpanel", "", f"colabpanel.preview({', '.join([name, *told])})"]
