"""Moving a finished tree to its target: whole where the target is free, else file by file."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from colabpanel.errors import PathError
from colabpanel.jobs import Progress
from colabpanel.services.staging.models import Overwrite, Skipped
from colabpanel.services.staging.names import Parts
from colabpanel.services.staging.partial import Partial
from colabpanel.services.staging.tree import Tree

__all__ = ["Published", "is_used", "publish"]

_CHUNK = 1 << 20


@dataclass
class Published:
    """What moving changed about the outcome."""

    kept: int = 0
    lost_bytes: int = 0
    skipped: list[Skipped] = field(default_factory=list)


def is_used(directory: Path, partial: Partial) -> bool:
    """Whether the target holds anything of its own.

    Raises:
        PathError: It is not a folder, or may not be read.
    """
    try:
        with os.scandir(directory) as entries:
            return any(entry.path != str(partial.folder) for entry in entries)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise PathError(f"{directory} is a file, not a folder.", hint="Choose a folder as the target.") from None
    except PermissionError:
        raise PathError(f"You may not read {directory}.", hint="Choose a target folder that you own.") from None


def publish(partial: Partial, directory: Path, overwrite: Overwrite, progress: Progress) -> Published:
    """Move the finished tree to the target, then remove the partial.

    It may be interrupted anywhere and called again: what was moved is no longer there to move.

    Args:
        partial: With a complete tree, and noted as such in its journal.
        directory: The target.
        overwrite: What to do about files that are there already.
        progress: May cancel.
    """
    progress.start(None, "Moving into place", unit="files")
    published = Published()
    if partial.files.exists() and not _move_whole(partial, directory):
        with Tree(directory) as target:
            _Merge(partial.files, target, overwrite, progress, published).folder(())
    partial.remove()
    return published


def _move_whole(partial: Partial, directory: Path) -> bool:
    if partial.is_inside or is_used(directory, partial):
        return False
    try:
        if directory.is_dir():
            if Path.cwd() == directory:
                return False
            directory.rmdir()
        partial.files.rename(directory)
    except OSError:
        directory.mkdir(parents=True, exist_ok=True)
        return False
    return True


@dataclass(frozen=True)
class _Merge:
    source: Path
    target: Tree
    overwrite: Overwrite
    progress: Progress
    published: Published

    def folder(self, parts: Parts) -> None:
        with os.scandir(self.source.joinpath(*parts)) as entries:
            names = sorted(entries, key=lambda entry: entry.name)
        for entry in names:
            self.progress.advance(1)
            place = (*parts, entry.name)
            try:
                self._move(entry, place)
            except (NotADirectoryError, IsADirectoryError):
                self._skip(entry, "something else with this name is in the target")
            except PermissionError:
                self._skip(entry, "you may not write there")

    def _move(self, entry: os.DirEntry[str], place: Parts) -> None:
        existing = self.target.status(place)
        if existing is None:
            self.target.adopt(Path(entry.path), place)
        elif entry.is_dir(follow_symlinks=False):
            self._move_folder(place, existing)
        elif stat.S_ISDIR(existing.st_mode):
            raise IsADirectoryError
        elif self._stays(entry, place, existing):
            self.published.kept += 1
        else:
            self.target.adopt(Path(entry.path), place)

    def _move_folder(self, place: Parts, existing: os.stat_result) -> None:
        if not stat.S_ISDIR(existing.st_mode):
            raise NotADirectoryError
        self.folder(place)

    def _stays(self, entry: os.DirEntry[str], place: Parts, existing: os.stat_result) -> bool:
        if self.overwrite == "never":
            return True
        if self.overwrite == "always" or not stat.S_ISREG(existing.st_mode):
            return False
        return existing.st_size == entry.stat(follow_symlinks=False).st_size and self._same_bytes(entry, place)

    def _same_bytes(self, entry: os.DirEntry[str], place: Parts) -> bool:
        with Path(entry.path).open("rb") as new, os.fdopen(self.target.open(place), "rb") as old:
            while (chunk := new.read(_CHUNK)) == old.read(_CHUNK):
                if not chunk:
                    return True
                self.progress.advance(0)
        return False

    def _skip(self, entry: os.DirEntry[str], reason: str) -> None:
        """Note what cannot be placed: a file, or every file of a folder."""
        for path in [Path(entry.path)] if entry.is_file(follow_symlinks=False) else Path(entry.path).rglob("*"):
            if path.is_file():
                self.published.skipped.append(Skipped(path.relative_to(self.source).as_posix(), reason))
                self.published.lost_bytes += path.stat().st_size
