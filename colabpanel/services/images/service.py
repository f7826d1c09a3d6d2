"""The calls that look at image files. Decoding is done in processes of their own."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.hosts import state_dir
from colabpanel.progress import Progress
from colabpanel.services.images.cache import ThumbnailCache
from colabpanel.services.images.models import CheckedImages, ImageFolder, Picture, Thumbnail
from colabpanel.services.images.workers import DEADLINE, Answer, ask, ask_all, error_of
from colabpanel.services.paths import anchored
from colabpanel.services.skipped import Skipped

__all__ = ["check_images", "look", "look_at_bytes", "picture_from", "pixel", "thumbnails"]

PAGE = 60
_EDGE = 180
_MOST_PER_THUMBNAIL = 24 << 10
"""Bytes; a page of 60 then has 1.4 MB at the most, whatever it shows."""

_THROUGH_AN_ARCHIVE = 900.0
"""Seconds for one member where an archive must be read from its start."""

_FOLDER = "thumbnails"
_MOST_BYTES = 256 << 20
_PRUNE_EVERY = 500
_made = {"since pruning": _PRUNE_EVERY}


def look(
    path: str | Path,
    *,
    number: int | None = None,
    folder: ImageFolder | None = None,
    frame: int = 0,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Picture:
    """Make a picture of an image file.

    Args:
        path: The file: an image, an SVG drawing or, where pypdfium2 or PyMuPDF is installed, a PDF document.
        number: In place of a path of its own, the position of an image in ``folder``, whose path ``path`` is.
        folder: A listing.
        frame: The page or frame to show, from 0.
        root: Refuse paths outside of this folder.
        progress: May cancel it.

    Raises:
        InputError: It cannot be shown: no image, damaged, too large, or of a kind that is not shown.
        MissingLibraryError: Pillow is not installed.
        StorageError: Its disk or Drive does not answer.
    """
    place = _place(path, root) if folder is None or number is None else _place_in(folder, number, root)
    return picture_from(ask({"task": "picture", "frame": frame, **place}, progress=progress, deadline=_patience(place)))


def look_at_bytes(data: bytes, *, title: str = "image", frame: int = 0, progress: Progress | None = None) -> Picture:
    """Make a picture of the bytes of an image file, up to 256 MB of them; see `look`."""
    if len(data) > _MOST_BYTES:
        raise InputError(f"{title} has {words.size(len(data))}, which is too much.", hint="Save it to a file first.")
    return picture_from(ask({"task": "picture", "data": bytes(data), "name": title, "frame": frame}, progress=progress))


def picture_from(fields: dict[str, Any]) -> Picture:
    """Make a picture of what a process sent."""
    lists = {
        "details": tuple((str(title), str(value)) for title, value in fields.get("details", ())),
        "notes": tuple(fields.get("notes", ())),
        "histogram": tuple((name, tuple(counts)) for name, counts in fields.get("histogram", ())),
    }
    return Picture(**{**fields, **lists})


def pixel(
    path: str | Path,
    x: int,
    y: int,
    *,
    number: int | None = None,
    folder: ImageFolder | None = None,
    frame: int = 0,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[float, ...]:
    """Return the values of one pixel as they stand in the file, the image turned upright.

    Args:
        path: As for `look`.
        x: Pixels from the left.
        y: Pixels from the top.
        number: As for `look`.
        folder: As for `look`.
        frame: As for `look`.
        root: Refuse paths outside of this folder.
        progress: May cancel it.

    Raises:
        InputError: There is no such pixel, or it is stored more finely than it is decoded.
    """
    place = _place(path, root) if folder is None or number is None else _place_in(folder, number, root)
    task = {"task": "pixel", "frame": frame, "x": x, "y": y, **place}
    return tuple(ask(task, progress=progress, deadline=_patience(place)))


def thumbnails(
    folder: ImageFolder,
    numbers: Sequence[int],
    *,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Thumbnail]:
    """Make small pictures of some images of a listing: WebP of 180 pixels and 24 KB at the most.

    They are kept in colabpanel's state folder, up to 256 MB, and made again when the file changes.

    Args:
        folder: The listing.
        numbers: Positions in it, at most a few hundred.
        root: Refuse paths outside of this folder.
        progress: Is told the images done, and may cancel.

    Returns:
        As many as were asked for, in their order; what cannot be shown says why.

    Raises:
        MissingLibraryError: Pillow is not installed.
        JobCancelledError: ``progress`` cancelled it.
    """
    progress = progress or Progress()
    progress.start(len(numbers), "Making thumbnails", unit="images")
    cache = state_dir() / _FOLDER
    more = {"task": "thumbnail", "edge": _EDGE, "most": _MOST_PER_THUMBNAIL, "cache": os.fspath(cache)}
    found: dict[int, Thumbnail] = {}
    for number, answer in _of_each(folder, numbers, more, root, progress):
        progress.advance(1)
        found[number] = _thumbnail(folder, number, answer)
        _made["since pruning"] += bool(answer.get("answer", (0, 0, b"", False))[3])
    if _made["since pruning"] >= _PRUNE_EVERY:
        _made["since pruning"] = 0
        ThumbnailCache(cache).prune()
    return [found[number] for number in numbers]


def _thumbnail(folder: ImageFolder, number: int, answer: Answer) -> Thumbnail:
    name = folder.names[number]
    if "answer" not in answer:
        if answer["kind"] == "library":
            raise error_of(answer)
        return Thumbnail(number, name, trouble=answer["trouble"])
    width, height, data, _ = answer["answer"]
    trouble = "" if data else "It is too rich in detail for a thumbnail."
    kind = "image/webp" if data.startswith(b"RIFF") else "image/svg+xml"
    return Thumbnail(number, name, data, kind, width or None, height or None, trouble)


def check_images(
    folder: ImageFolder,
    numbers: Sequence[int] | None = None,
    *,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> CheckedImages:
    """Decode images to find those that are broken, and compare their bytes to find those that are there twice.

    Args:
        folder: The listing.
        numbers: Positions in it; None means all.
        root: Refuse paths outside of this folder.
        progress: Is told the images done, and may cancel.

    Raises:
        MissingLibraryError: Pillow is not installed.
        JobCancelledError: ``progress`` cancelled it.
    """
    started = time.monotonic()
    progress, chosen = progress or Progress(), range(len(folder.names)) if numbers is None else numbers
    progress.start(len(chosen), "Decoding every image", unit="images")
    broken: list[Skipped] = []
    by_digest: dict[str, list[int]] = defaultdict(list)
    for number, answer in _of_each(folder, chosen, {"task": "check"}, root, progress):
        progress.advance(1)
        if answer.get("kind") == "library":
            raise error_of(answer)
        digest, problem = answer.get("answer") or ("", answer["trouble"])
        if problem:
            broken.append(Skipped(folder.names[number], problem))
        if digest:
            by_digest[digest].append(number)
    twice = sorted(sorted(group) for group in by_digest.values() if len(group) > 1)
    return CheckedImages(
        looked_at=len(chosen),
        broken=tuple(sorted(broken)),
        duplicates=tuple(tuple(folder.names[number] for number in group) for group in twice),
        seconds=time.monotonic() - started,
    )


def _of_each(
    folder: ImageFolder,
    numbers: Sequence[int],
    more: dict[str, Any],
    root: str | Path | None,
    progress: Progress,
) -> Iterator[tuple[int, Answer]]:
    """Ask about images of a listing; an archive that is read from its start is read once, in its own order."""
    reads_through = folder.is_archive and folder.format != "zip"
    order = sorted(set(numbers), key=folder.numbers.__getitem__) if reads_through else list(dict.fromkeys(numbers))
    requests = [{**more, **_place_in(folder, number, root)} for number in order]
    options = {"deadline": _THROUGH_AN_ARCHIVE, "workers": 1} if reads_through else {}
    for index, answer in ask_all(requests, progress=progress, **options):  # type: ignore[arg-type]
        yield order[index], answer


def _patience(place: Mapping[str, object]) -> float:
    """Return the seconds to wait for an image."""
    return _THROUGH_AN_ARCHIVE if "member" in place else DEADLINE


def _place(path: str | Path, root: str | Path | None) -> dict[str, Any]:
    return {"path": anchored(path, root), "name": os.fspath(path), "root": None if root is None else os.fspath(root)}


def _place_in(folder: ImageFolder, number: int, root: str | Path | None) -> dict[str, Any]:
    """Say where an image of a listing is; a name that leads out of its folder is refused with the root."""
    if not 0 <= number < len(folder.names):
        raise InputError("The listing has no such image.", hint="List the folder again.")
    name = folder.names[number]
    if folder.is_archive:
        return {**_place(folder.path, root), "name": name, "member": folder.numbers[number]}
    return {**_place(folder.path / name, root), "name": name}
