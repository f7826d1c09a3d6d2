"""Listing the images below a folder or in an archive, and choosing among them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from colabpanel.errors import PathError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.images.decoders import SUFFIXES
from colabpanel.services.images.members import is_shown_member
from colabpanel.services.images.models import ImageFolder, class_of
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored, resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources import LocalSource
from colabpanel.services.staging.formats import open_archive
from colabpanel.services.staging.request import Limits
from colabpanel.services.walk import files_below

__all__ = ["choose_images", "list_images"]

_MOST = 500_000
_LOOK_EVERY = 512
_MOST_TOLD = 100


def list_images(path: str | Path, *, root: str | Path | None = None, progress: Progress | None = None) -> ImageFolder:
    """List the images below a folder, or in an archive; which files are images is told by their names.

    Of a folder and of a zip archive nothing but the listing is read; other archives are read through.

    Args:
        path: The folder, or an archive of any format that can be staged.
        root: Refuse paths outside of this folder.
        progress: Is told the images found, and may cancel.

    Returns:
        The first 500,000 images; links are not followed, and counted as skipped.

    Raises:
        InputError: It is neither, or may not be read.
        StorageError: The disk or Drive failed.
    """
    arguments = {"path": anchored(path, root), "root": root and os.fspath(root)}
    found = call_isolated("colabpanel.services.images.listing:list_here", arguments, progress=progress)
    return ImageFolder(
        path=Path(found["path"]),
        format=found["format"],
        names=tuple(found["names"]),
        sizes=tuple(found["sizes"]),
        numbers=tuple(found["numbers"]),
        complete=found["complete"],
        skipped=tuple(Skipped(*pair) for pair in found["skipped"]),
    )


@disk_errors_in_words()
def list_here(path: str, root: str | None, progress: Progress) -> dict[str, Any]:
    """List in this process; see `list_images`."""
    place = resolve_inside(root, path)
    if not place.exists():
        raise PathError(f"{path} does not exist.", hint="Check the spelling, or whether Drive is mounted.")
    progress.start(None, "Looking for images", unit="images")
    skipped: list[Skipped] = []
    if place.is_dir():
        kind, found = "folder", _in_folder(place, skipped)
        names, sizes, numbers, complete = _taken(found, progress)
    else:
        with closing(LocalSource(place)) as source, closing(open_archive(source, Limits())) as reader:
            kind = reader.format
            members = ((m.name, m.size, m.number) for m in reader.members() if is_shown_member(m, SUFFIXES))
            names, sizes, numbers, complete = _taken(members, progress)
    order = range(len(names)) if kind == "folder" else sorted(range(len(names)), key=names.__getitem__)
    return {
        "path": str(place),
        "format": kind,
        "names": [names[index] for index in order],
        "sizes": [sizes[index] for index in order],
        "numbers": [] if kind == "folder" else [numbers[index] for index in order],
        "complete": complete,
        "skipped": skipped[:_MOST_TOLD],
    }


def _in_folder(folder: Path, skipped: list[Skipped]) -> Iterator[tuple[str, int, int]]:
    for file in files_below(folder, set(), skipped):
        if file.name[file.name.rfind(".") :].lower() in SUFFIXES:
            yield file.name, file.size, 0


def _taken(found: Iterator[tuple[str, int, int]], progress: Progress) -> tuple[list[str], list[int], list[int], bool]:
    names: list[str] = []
    sizes: list[int] = []
    numbers: list[int] = []
    for count, (name, size, number) in enumerate(found):
        if count >= _MOST:
            return names, sizes, numbers, False
        if count % _LOOK_EVERY == 0:
            progress.advance(_LOOK_EVERY if count else 0)
        names.append(name)
        sizes.append(size)
        numbers.append(number)
    return names, sizes, numbers, True


def choose_images(
    folder: ImageFolder,
    *,
    in_class: str | None = None,
    containing: str = "",
    at_least: int | None = None,
    at_most: int | None = None,
) -> list[int]:
    """Return the positions of the images that fulfil all conditions.

    Args:
        folder: A listing.
        in_class: Only those of this folder below it; ``.`` is the folder itself.
        containing: Only those with this text in their name, in any case.
        at_least: Only files of so many bytes or more; those of unknown size are left out.
        at_most: Only files of so many bytes or less, likewise.
    """
    text = containing.casefold()
    low, high = at_least if at_least is not None else -1, at_most
    known_only = at_least is not None or at_most is not None
    return [
        number
        for number, (name, size) in enumerate(zip(folder.names, folder.sizes, strict=True))
        if (not text or text in name.casefold())
        and (not known_only or (size >= max(low, 0) and (high is None or size <= high)))
        and (in_class is None or class_of(name) == in_class)
    ]
