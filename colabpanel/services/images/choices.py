"""Which images are kept and which rejected: a list in a CSV file."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from colabpanel.errors import InputError, PathError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.files import write_atomic
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored, resolve_inside

__all__ = ["Choice", "load_choices", "save_choices"]

Choice = Literal["keep", "reject"]

_HERE = "colabpanel.services.images.choices"
_HEADER = ["image", "choice"]
_MOST_BYTES = 64 << 20


def save_choices(
    path: str | Path,
    choices: Mapping[str, Choice],
    *,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Save a list of images to keep and to reject as CSV, with the columns ``image`` and ``choice``.

    A list that was saved there before is replaced at once; another file of that name is not.

    Args:
        path: The file; its folder must exist.
        choices: For each image, by its path below the folder that was listed, ``keep`` or ``reject``.
        root: Refuse paths outside of this folder.
        progress: May cancel it.

    Returns:
        The real path of the file.

    Raises:
        InputError: The path cannot be used, or holds something else; nothing was changed.
        StorageError: The disk failed; what was there before still is.
    """
    arguments = {"path": anchored(path, root), "choices": dict(choices), "root": root and os.fspath(root)}
    return Path(call_isolated(f"{_HERE}:save_here", arguments, progress=progress))


@disk_errors_in_words()
def save_here(path: str, choices: dict[str, str], root: str | None, progress: Progress) -> str:
    """Save in this process; see `save_choices`."""
    place = resolve_inside(root, path)
    unknown = next((choice for choice in choices.values() if choice not in get_args(Choice)), None)
    if unknown is not None:
        raise InputError(f"An image cannot be chosen as {unknown!r}.", hint=f"Write {' or '.join(get_args(Choice))}.")
    if not place.parent.is_dir():
        raise PathError(f"{place.parent} does not exist.", hint="Choose a folder that does.")
    if place.exists() and not _is_ours(place):
        raise PathError(f"{place.name} is there already and is no such list.", hint="Choose another name.")
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_HEADER)
    writer.writerows(sorted(choices.items()))
    progress.start(None, "Writing the list", cancellable=False)
    write_atomic(place, text.getvalue().encode("utf-8", "surrogateescape"))
    return str(place)


def _is_ours(place: Path) -> bool:
    if not place.is_file():
        return False
    with place.open("rb") as stream:
        return stream.readline(100).decode("utf-8", "replace").strip() == ",".join(_HEADER)


def load_choices(
    path: str | Path, *, root: str | Path | None = None, progress: Progress | None = None
) -> dict[str, Choice]:
    """Return what `save_choices` wrote.

    Raises:
        InputError: The path cannot be used, or holds something else.
    """
    arguments = {"path": anchored(path, root), "root": root and os.fspath(root)}
    found: dict[str, Choice] = call_isolated(f"{_HERE}:load_here", arguments, progress=progress)
    return found


@disk_errors_in_words()
def load_here(path: str, root: str | None, progress: Progress) -> dict[str, Any]:
    """Load in this process; see `load_choices`."""
    place = resolve_inside(root, path)
    if not place.exists():
        raise PathError(f"{path} does not exist.", hint="Check the spelling.")
    if not _is_ours(place) or place.stat().st_size > _MOST_BYTES:
        raise InputError(f"{place.name} is no list of kept and rejected images.")
    progress.advance(0)
    rows = csv.reader(io.StringIO(place.read_bytes().decode("utf-8", "surrogateescape"), newline=""))
    return {row[0]: row[1] for row in rows if len(row) == len(_HEADER) and row[1] in get_args(Choice)}
