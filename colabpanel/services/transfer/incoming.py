"""What an upload would do: where each file goes, what is there already, and whether it fits."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from colabpanel import words
from colabpanel.errors import InputError, OutsideRootError, PathError, SpaceError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.files import existing_parent, free_bytes
from colabpanel.services.mounts import insist_on_drive
from colabpanel.services.paths import resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.names import safe_parts
from colabpanel.services.transfer.models import OfferedFile, Overwrite
from colabpanel.services.waiting import apart

__all__ = ["Planned", "UploadPlan", "plan_upload", "safe_path"]

_MOST_FILES = 200_000
_RESERVE = 64 << 20
"""Bytes that stay free on the disk."""

_LONGEST = 200


@dataclass(frozen=True)
class Planned:
    """A file that is to come.

    Attributes:
        index: Its place in the list of the page.
        size: Bytes.
        target: Where it goes.
        part: The file beside it that holds what has come so far.
        held: Bytes of that.
    """

    index: int
    size: int
    target: Path
    part: Path
    held: int


@dataclass(frozen=True)
class UploadPlan:
    """What an upload would do.

    Attributes:
        directory: The folder.
        files: What is to come, in the order of the page.
        existing: Names of files that are there already.
        refused: Files that cannot be taken, and why.
        overwrite: What becomes of the ones that are there.
    """

    directory: Path
    files: tuple[Planned, ...]
    existing: tuple[str, ...]
    refused: tuple[Skipped, ...]
    overwrite: Overwrite

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def held(self) -> int:
        """The bytes that an earlier upload has brought."""
        return sum(file.held for file in self.files)


def plan_upload(
    offered: Iterable[OfferedFile],
    directory: str | Path,
    *,
    overwrite: Overwrite = "ask",
    root: Path | None = None,
    progress: Progress | None = None,
) -> UploadPlan:
    """Look where files would go, before the first byte is sent.

    Args:
        offered: What the page says of them. It is not believed: names are made safe.
        directory: The folder they go into, made later if need be.
        overwrite: What becomes of files that are there. With ``ask`` the plan only names them.
        root: Refuse a folder outside of this one.
        progress: May cancel it.

    Raises:
        InputError: There are none, or too many.
        PathError: The folder cannot be used.
        SpaceError: They would not fit.
    """
    files = list(offered)
    if not files:
        raise InputError("No files are chosen.", hint="Choose some in the browser first.")
    if len(files) > _MOST_FILES:
        raise InputError(
            f"{words.count(len(files))} files are too many for one upload.", hint="Pack them into an archive first."
        )
    return apart(lambda relay: _planned(files, directory, overwrite, root, relay), progress or Progress())


@disk_errors_in_words()
def _planned(
    offered: list[OfferedFile], directory: str | Path, overwrite: Overwrite, root: Path | None, progress: Progress
) -> UploadPlan:
    folder = resolve_inside(root, directory)
    insist_on_drive(folder)
    if folder.exists() and not folder.is_dir():
        raise PathError(f"{directory} is a file, not a folder.", hint="Choose a folder.")
    if not os.access(existing_parent(folder), os.W_OK):
        raise PathError(f"You may not write to {directory}.", hint="Choose a folder that you own.")
    places = _Places(folder, overwrite)
    for index, file in enumerate(offered):
        progress.advance(0)
        places.add(index, file)
    plan = UploadPlan(folder, tuple(places.files), tuple(places.existing), tuple(places.refused), overwrite)
    free, missing = free_bytes(folder), plan.size - plan.held
    if missing > max(free - _RESERVE, 0):
        raise SpaceError(
            f"{words.size(missing)} would not fit: {words.size(free)} are free in {directory}.",
            hint="Free some space, or choose another folder.",
        )
    return plan


class _Places:
    """Gives every file a place of its own below the folder."""

    def __init__(self, folder: Path, overwrite: Overwrite) -> None:
        self._folder, self._overwrite = folder, overwrite
        self._taken: set[Path] = set()
        self.files: list[Planned] = []
        self.existing: list[str] = []
        self.refused: list[Skipped] = []

    def add(self, index: int, file: OfferedFile) -> None:
        place = self._place(file)
        if isinstance(place, str):
            self.refused.append(Skipped(file.path, place))
            return
        self._taken.add(place)
        part = place.with_name(f".{_shortened(place.name, '')}.{_key(file)}.part")
        self.files.append(Planned(index, file.size, place, part, _held(part, file.size)))

    def _place(self, file: OfferedFile) -> Path | str:
        name = safe_path(file.path)
        parts = safe_parts(name)
        if isinstance(parts, str):
            return parts
        if not parts:
            return "it has no name"
        place = self._folder.joinpath(*parts)
        try:
            if resolve_inside(self._folder, "/".join(parts)) != place:
                return "a symbolic link stands in its way"
        except OutsideRootError:
            return "a symbolic link leads out of the folder"
        if place.is_dir() or any(above.is_file() for above in place.parents if self._folder in above.parents):
            return "a folder or a file of its name is in its way"
        if place in self._taken:
            return self._beside(place)
        if place.exists():
            self.existing.append(name)
            return self._beside(place) if self._overwrite == "rename" else place
        return place

    def _beside(self, place: Path) -> Path:
        """Return a free name: ``name (1).ext``."""
        number = 1
        while (other := place.with_name(f"{place.stem} ({number}){place.suffix}")) in self._taken or other.exists():
            number += 1
        return other


def safe_path(path: str) -> str:
    """Return a path of the page with what a disk cannot hold, or what would hide, made into underscores."""
    parts = [_safe_name(part) for part in path.split("/") if part not in {"", ".", ".."}]
    return "/".join(parts)


def _safe_name(name: str) -> str:
    unusual = '\\:*?"<>|'
    letters = "".join("_" if letter in unusual or unicodedata.category(letter)[0] == "C" else letter for letter in name)
    stem, dot, suffix = letters.strip(" ").rstrip(".").rpartition(".")
    return (_shortened(stem, dot + suffix) if stem else _shortened(dot + suffix, "")) or "_"


def _shortened(stem: str, suffix: str) -> str:
    """Return a name that is no longer than disks take, with room for what an unfinished one has more."""
    while len(os.fsencode(stem + suffix)) > _LONGEST and len(stem) > 1:
        stem = stem[:-1]
    return stem + suffix


def _key(file: OfferedFile) -> str:
    """Return what tells a file of this name, size and time from others, so that a part of it is found again."""
    return hashlib.sha256(f"{file.path}\0{file.size}\0{file.modified}".encode("utf-8", "replace")).hexdigest()[:12]


def _held(part: Path, size: int) -> int:
    try:
        status = part.lstat()
    except OSError:
        return 0
    return status.st_size if status.st_size <= size else 0
