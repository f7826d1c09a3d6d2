"""Writing into a folder without ever following a link out of it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections import OrderedDict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MEMBER_ONLY", "Tree", "mode_like"]

MEMBER_ONLY = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EEXIST}
"""Errors of writing that concern one file; any other concerns the disk."""

_HAS_DIR_FD = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NO_FOLLOW
_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NO_FOLLOW | getattr(os, "O_BINARY", 0)
_MOST_OPEN = 24
"""Folders kept open; a process may have many trees, and some systems allow 256 files."""

_CHUNK = 1 << 20

Parts = tuple[str, ...]


def mode_like(folder: Path | None) -> int:
    """Return the permissions for a new folder that is a copy of this one; its owner may always use it."""
    try:
        return 0o777 if folder is None else folder.stat().st_mode & 0o777 | 0o700
    except OSError:
        return 0o777


class Tree:
    """A folder and everything below it, reached by opened folders rather than by paths.

    Folders that are made get the permissions of those in ``like`` at the same places, as far as they are usual.

    A link that stands where a folder should be raises ``NotADirectoryError`` or ``OSError``
    (``ELOOP``). Where the system cannot do this (Windows), plain paths are used.
    """

    def __init__(self, root: Path, *, like: Path | None = None) -> None:
        self._root, self._like = root, like
        self._open: OrderedDict[Parts, int] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the opened folders."""
        for handle in self._open.values():
            os.close(handle)
        self._open.clear()

    def path(self, parts: Parts) -> Path:
        """Return a path for systems that know no better way."""
        return self._root.joinpath(*parts)

    def create(self, parts: Parts, *, executable: bool = False, mode: int | None = None) -> int:
        """Open a file for writing, emptied, its folders made; returns its descriptor.

        Args:
            parts: Where.
            executable: Whether it is a program.
            mode: Its permissions, as far as they are usual for new files here; None are the usual ones.
        """
        name, folder = self._place(parts)
        usual = 0o777 if executable else 0o666
        return os.open(name, _OPEN_NEW, usual if mode is None else mode & 0o777 | 0o600, dir_fd=folder)

    def make_folder(self, parts: Parts) -> None:
        """Make a folder and those above it."""
        self._place((*parts, "."))

    def open(self, parts: Parts) -> int:
        """Open a file for reading; returns its descriptor."""
        name, folder = self._place(parts)
        return os.open(name, os.O_RDONLY | _NO_FOLLOW | getattr(os, "O_BINARY", 0), dir_fd=folder)

    def status(self, parts: Parts) -> os.stat_result | None:
        """Return what stands at a path, links not followed, or None for nothing."""
        name, folder = self._place(parts)
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def remove(self, parts: Parts) -> None:
        """Remove a file, if it is there."""
        name, folder = self._place(parts)
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return

    def move(self, parts: Parts, to: Parts) -> None:
        """Rename a file of the tree, replacing a file that stands there."""
        name, folder = self._place(parts)
        other, into = self._place(to)
        os.replace(name, other, src_dir_fd=folder, dst_dir_fd=into)

    def adopt(self, path: Path, parts: Parts) -> None:
        """Move a file or folder from elsewhere to a path, replacing a file there.

        A folder must come from the same disk; a file of another is copied beside its place first.
        """
        name, folder = self._place(parts)
        try:
            os.replace(path, name, dst_dir_fd=folder)
        except OSError as error:
            if error.errno != errno.EXDEV or not path.is_file():
                raise
            self._copy(path, parts)

    def _copy(self, path: Path, parts: Parts) -> None:
        import shutil

        status = path.stat()
        beside = (*parts[:-1], f".{parts[-1][:200]}.part")
        try:
            with (
                path.open("rb") as old,
                os.fdopen(self.create(beside, executable=bool(status.st_mode & 0o100)), "wb") as new,
            ):
                shutil.copyfileobj(old, new, _CHUNK)
            name, folder = self._place(beside)
            os.utime(name, (status.st_atime, status.st_mtime), dir_fd=folder)
            self.move(beside, parts)
        except BaseException:
            self.remove(beside)
            raise
        path.unlink()

    def _place(self, parts: Parts) -> tuple[str, int | None]:
        if _HAS_DIR_FD:
            return parts[-1], self._folder(parts[:-1])
        path = self._root.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.fspath(path), None

    def _folder(self, parts: Parts) -> int:
        handle = self._open.get(parts)
        if handle is not None:
            self._open.move_to_end(parts)
            return handle
        handle = self._open_folder(parts) if parts else os.open(self._root, _OPEN_FOLDER)
        self._open[parts] = handle
        if len(self._open) > _MOST_OPEN:
            os.close(self._open.popitem(last=False)[1])
        return handle

    def _open_folder(self, parts: Parts) -> int:
        above = self._folder(parts[:-1])
        try:
            return os.open(parts[-1], _OPEN_FOLDER, dir_fd=above)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # another worker was faster
                os.mkdir(parts[-1], mode_like(self._like and self._like.joinpath(*parts)), dir_fd=above)
            return os.open(parts[-1], _OPEN_FOLDER, dir_fd=above)
