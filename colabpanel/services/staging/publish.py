"""Moving a finished tree to its target: whole where the target is free, else file by file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

from colabpanel.errors import PathError
from colabpanel.progress import Progress
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.names import Parts
from colabpanel.services.staging.partial import Partial
from colabpanel.services.staging.request import Overwrite
from colabpanel.services.tree import Tree

__all__ = ["Published", "is_used", "publish"]

_CHUNK = 1 << 20


class Published:
    """What moving changed about the outcome."""

    def __init__(self, *, kept: int = 0) -> None:
        self.kept = kept
        self.lost_files = self.lost_bytes = 0
        self.skipped: list[Skipped] = []


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


def publish(
    partial: Partial, directory: Path, overwrite: Overwrite, progress: Progress, *, source: Path | None = None
) -> Published:
    """Move the finished tree to the target, then remove the partial.

    It cannot be cancelled, for that would leave the target half changed. A process that
    dies anywhere is no loss: calling it again moves what is still there to move.

    Args:
        partial: With a complete tree, and noted as such in its journal.
        directory: The target.
        overwrite: What to do about files that are there already.
        progress: Is told how many files were moved one by one.
        source: The archive, which no member may replace.
    """
    progress.start(None, "Moving into place", unit="files", cancellable=False)
    published = Published()
    if partial.files.exists() and not _move_whole(partial, directory):
        directory.mkdir(parents=True, exist_ok=True)
        with Tree(directory) as target:
            _Merge(partial.files, target, overwrite, progress, published, source).folder(())
    partial.remove()
    return published


def _move_whole(partial: Partial, directory: Path) -> bool:
    """Make the tree the target by one rename, where there is no target yet."""
    if partial.is_inside or os.path.lexists(directory):
        return False
    try:
        partial.files.rename(directory)
    except OSError:
        return False
    return True


class _Merge(NamedTuple):
    source: Path
    target: Tree
    overwrite: Overwrite
    progress: Progress
    published: Published
    archive: Path | None

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
            self._adopt(entry, place)
        elif entry.is_dir(follow_symlinks=False):
            self._move_folder(place, existing)
        elif stat.S_ISDIR(existing.st_mode):
            raise IsADirectoryError
        elif self._is_archive(existing):
            self._skip(entry, "it would replace the archive itself")
        elif self._stays(entry, place, existing):
            self.published.kept += 1
        else:
            self.target.adopt(Path(entry.path), place)

    def _adopt(self, entry: os.DirEntry[str], place: Parts) -> None:
        try:
            self.target.adopt(Path(entry.path), place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self.target.make_folder(place)  # on another disk: file by file
            self.folder(place)

    def _move_folder(self, place: Parts, existing: os.stat_result) -> None:
        if not stat.S_ISDIR(existing.st_mode):
            raise NotADirectoryError
        self.folder(place)

    def _is_archive(self, existing: os.stat_result) -> bool:
        return self.archive is not None and os.path.samestat(existing, self.archive.stat())

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
        """Note what cannot be placed: a file, or a folder with every file in it."""
        path = Path(entry.path)
        files = [path] if entry.is_file(follow_symlinks=False) else [file for file in path.rglob("*") if file.is_file()]
        for file in files:
            self.published.skipped.append(Skipped(file.relative_to(self.source).as_posix(), reason))
            self.published.lost_files += 1
            self.published.lost_bytes += file.stat().st_size
        if not files:
            self.published.skipped.append(Skipped(f"{path.relative_to(self.source).as_posix()}/", reason))
