"""What is to be sent: one file as it is, or a folder and several files as one zip archive."""

from __future__ import annotations

import fnmatch
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from colabpanel.errors import InputError, PathError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.paths import resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources.local import LocalSource
from colabpanel.services.staging.names import safe_parts
from colabpanel.services.transfer.zip_stream import zip_stream
from colabpanel.services.waiting import apart
from colabpanel.services.walk import FoundFile, file_at, files_below

__all__ = ["PIECE", "Outgoing", "Piece", "outgoing"]

PIECE = 2 << 20
"""Bytes of one message to the page; larger ones gain nothing and hold others up."""

_AHEAD = 2
_LOOK = 0.1


class Piece(NamedTuple):
    """Bytes to send, and how many bytes of the files are in them."""

    data: bytes
    amount: int


@dataclass(frozen=True)
class Outgoing:
    """What is to be sent.

    Attributes:
        name: What the browser shall save it as.
        folder: What the names of the files count from.
        files: The files.
        packed: Whether they go as a zip archive.
        paths: What was asked for, as real paths.
        skipped: What is left out; grows while it is read.
    """

    name: str
    folder: Path
    files: tuple[FoundFile, ...]
    packed: bool
    paths: tuple[Path, ...]
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def amount(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def size(self) -> int | None:
        """The bytes to be sent; None of an archive, which is not made yet."""
        return None if self.packed else self.amount

    @property
    def path(self) -> Path:
        """The one file."""
        return self.folder / self.files[0].name

    def pieces(self, progress: Progress, *, size: int = PIECE) -> Iterator[Piece]:
        """Yield the bytes, read ahead on a thread that is left behind where a Drive hangs.

        Raises:
            StorageError: The disk or Drive failed, or a file became shorter while it was read.
            JobCancelledError: ``progress`` cancelled it.
        """
        yield from _read_apart(lambda: self._archive(size) if self.packed else self._file(size), progress)

    def _file(self, size: int) -> Iterator[Piece]:
        with closing(LocalSource(self.path)) as source:
            total = self.files[0].size
            for start in range(0, total, size):
                data = source.read(start, min(start + size, total))
                if len(data) < min(size, total - start):
                    raise PathError(
                        f"{self.path.name} became shorter while it was sent.", hint="Wait until it is written."
                    )
                yield Piece(data, len(data))

    def _archive(self, size: int) -> Iterator[Piece]:
        waiting, amount = bytearray(), 0
        for data, done in zip_stream(self.folder, self.files, self.skipped):
            waiting += data
            amount += done
            while len(waiting) >= size:
                yield Piece(bytes(waiting[:size]), amount)
                del waiting[:size]
                amount = 0
        if waiting:
            yield Piece(bytes(waiting), amount)


def outgoing(
    paths: str | Path | Sequence[str | Path],
    *,
    only: str = "",
    root: Path | None = None,
    progress: Progress | None = None,
) -> Outgoing:
    """Find out what is to be sent.

    Args:
        paths: A file, a folder, or several of them.
        only: A pattern such as ``*.png``, for the names of files in folders; empty takes all.
        root: Refuse paths outside of this folder.
        progress: May cancel it.

    Raises:
        PathError: A path does not exist, or lies outside the root.
        InputError: There is nothing to send.
    """
    several = [paths] if isinstance(paths, str | Path) else list(paths)
    if not several:
        raise InputError("Nothing to download is chosen.", hint="Name a file or a folder.")
    return apart(lambda relay: _found(several, only, root, relay), progress or Progress())


@disk_errors_in_words()
def _found(several: Sequence[str | Path], only: str, root: Path | None, progress: Progress) -> Outgoing:
    named = dict.fromkeys(resolve_inside(root, path) for path in several)
    real = tuple(path for path in named if not any(above in named for above in path.parents))
    if len(real) == 1 and not real[0].is_dir():
        return Outgoing(real[0].name, real[0].parent, (file_at(real[0]),), packed=False, paths=real)
    skipped: list[Skipped] = []
    folder = real[0] if len(real) == 1 else Path(os.path.commonpath([path.parent for path in real]))
    files = tuple(file for path in real for file in _files(path, folder, only, skipped, progress))
    if not files:
        raise InputError(
            f"{several[0]} holds no files to download." if len(real) == 1 else "These hold no files to download.",
            hint="Choose another folder, or another pattern." if only else "Choose another folder.",
        )
    return Outgoing(f"{_title(real, folder)}.zip", folder, files, packed=True, paths=real, skipped=skipped)


def _title(real: Sequence[Path], folder: Path) -> str:
    return (real[0].name if len(real) == 1 else folder.name) or "files"


def _files(path: Path, folder: Path, only: str, skipped: list[Skipped], progress: Progress) -> Iterator[FoundFile]:
    prefix = "" if path == folder else f"{path.relative_to(folder).as_posix()}"
    if not path.is_dir():
        yield file_at(path)._replace(name=prefix)
        return
    for file in files_below(path, set(), skipped):
        progress.advance(0)
        name = f"{prefix}/{file.name}" if prefix else file.name
        if only and not fnmatch.fnmatch(file.name.rpartition("/")[2], only):
            continue
        reason = safe_parts(name)
        if "\\" in name:
            reason = "its name holds a backslash, which stands for a folder in a zip archive"
        if isinstance(reason, str):
            skipped.append(Skipped(name, reason))
        else:
            yield file._replace(name=name)


def _read_apart(make: Callable[[], Iterator[Piece]], progress: Progress) -> Iterator[Piece]:
    """Yield what an iterator yields on a thread of its own, a few pieces ahead."""
    ready: queue.Queue[Piece | BaseException | None] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(item: Piece | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=_LOOK)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        try:
            with disk_errors_in_words(), closing(make()) as pieces:  # type: ignore[type-var]  # they are generators
                for piece in pieces:
                    if not put(piece):
                        return
            put(None)
        except BaseException as error:  # noqa: BLE001 - raised where the pieces are used
            put(error)

    threading.Thread(target=run, name="colabpanel-reader", daemon=True).start()
    try:
        yield from _taken(ready, progress)
    finally:
        stopped.set()


def _taken(ready: queue.Queue[Piece | BaseException | None], progress: Progress) -> Iterator[Piece]:
    while True:
        try:
            item = ready.get(timeout=_LOOK)
        except queue.Empty:
            progress.advance(0)
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item
