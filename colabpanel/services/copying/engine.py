"""What runs in the child process: copying from a request to a JSON result."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Lock, local
from typing import Any, NamedTuple

from colabpanel.errors import ColabPanelError, JobCancelledError, PathError, SourceLostError, SpaceError
from colabpanel.progress import Progress
from colabpanel.services.copying.ledger import Ledger, one_at_a_time
from colabpanel.services.copying.one_file import copy_file
from colabpanel.services.disks import FULL, disk_errors_in_words, disk_full
from colabpanel.services.files import free_bytes
from colabpanel.services.mounts import insist_on_drive, is_remote
from colabpanel.services.paths import real_root, resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.tree import Tree, mode_like
from colabpanel.services.walk import FoundFile, file_at, files_below
from colabpanel.words import size as say_size

__all__ = ["copy_here"]

_LARGE = 16 << 20
_THREADS, _AT_ONCE = 2, 4
"""Pieces of a large file that are copied at once, and small files."""

_AHEAD = 16
_TRIES, _FIRST_PAUSE = 4, 0.25
_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.EBUSY}
_STOPPING = FULL | {errno.EROFS, errno.ENOTCONN, errno.ENODEV, errno.EHOSTDOWN}


class _Done(NamedTuple):
    """What became of a file: what stands at its place, or why it was left out."""

    file: FoundFile
    there: os.stat_result | None = None
    reason: str = ""


@disk_errors_in_words()
def copy_here(
    source: str, target: str, *, into_folder: bool, root: str | None, state_dir: str | None, progress: Progress
) -> dict[str, Any]:
    """Copy in this process; see `colabpanel.copy` for the meaning of it."""
    top = real_root(root)
    origin, goal = resolve_inside(top, source), resolve_inside(top, target)
    insist_on_drive(goal)
    progress.start(None, "Looking at the files")
    skipped: list[Skipped] = []
    if origin.is_dir():
        _insist_apart(origin, goal)
        found: Iterable[FoundFile] = files_below(origin, set(), skipped)
        folder, into = origin, goal
    else:
        found = [file_at(origin)]
        goal = goal / origin.name if into_folder or goal.is_dir() else goal
        if goal == origin:
            raise PathError("The source and the target are the same file.", hint="Choose another target.")
        folder, into = origin.parent, goal.parent
    ledger = Ledger(Path(state_dir) if state_dir else None, origin, goal)
    copying = _Copying(folder, into, None if origin.is_dir() else goal.name, ledger, progress)
    with one_at_a_time(state_dir, goal), closing(copying):
        copying.run(found)
    skipped += copying.skipped
    return {
        "status": "partial" if skipped else "ok",
        "target": str(goal),
        "files": copying.files,
        "size": copying.size,
        "unchanged": copying.unchanged,
        "skipped": skipped,
    }


def _insist_apart(origin: Path, goal: Path) -> None:
    if goal == origin or origin in goal.parents or goal in origin.parents:
        raise PathError("One of the two folders lies in the other.", hint="Choose another target.")
    if goal.exists() and not goal.is_dir():
        raise PathError(f"{goal} is a file, not a folder.", hint="Choose a folder as the target.")


class _Copying:
    """One round of copying; `close` keeps what it learned.

    Args:
        folder: What is copied from.
        into: What is copied to.
        name: The name of a single file at the target, or None.
        ledger: Knows what was copied before.
        progress: Is told the bytes, and may cancel.
    """

    def __init__(self, folder: Path, into: Path, name: str | None, ledger: Ledger, progress: Progress) -> None:
        self._folder, self._into, self._name, self._ledger, self._progress = folder, into, name, ledger, progress
        self._threads = 1 if is_remote(into) or not hasattr(os, "pwrite") else _THREADS
        self._trees, self._all_trees, self._stopped, self._lock = local(), list[Tree](), Event(), Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="colabpanel-copier")
        self.files = self.size = self.unchanged = self._replaced = 0
        self.skipped: list[Skipped] = []

    def run(self, found: Iterable[FoundFile]) -> None:
        """Copy what is new or changed."""
        self._into.parent.mkdir(parents=True, exist_ok=True)
        self._into.mkdir(mode_like(None if self._name else self._folder), exist_ok=True)
        changed = [file for file in found if self._has_changed(file)]
        total = sum(file.size for file in changed)
        self._insist_on_room(total, max((file.size for file in changed), default=0))
        self._progress.start(total, "Copying")
        small = (file for file in changed if file.size < _LARGE)
        large = (file for file in changed if file.size >= _LARGE)
        for done in self._copied(small):
            self._take_down(done)
            self._progress.advance(done.file.size)
        for file in large:
            self._take_down(self._copy(file, self._large_told, self._threads))

    def _insist_on_room(self, total: int, largest: int) -> None:
        """Refuse what cannot fit; a file that is replaced goes only when its successor is there."""
        needed, free = max(total - self._replaced, largest), free_bytes(self._into)
        if needed > free:
            raise SpaceError(
                f"The files need {say_size(needed)}, and {say_size(free)} are free.",
                hint="Free some space, or choose another target.",
            )

    def _has_changed(self, file: FoundFile) -> bool:
        self._progress.advance(0)
        try:
            there = self._tree().status(self._place(file))
        except OSError:  # copying it says what is wrong
            return True
        unchanged = self._ledger.is_unchanged(file, there)
        self.unchanged += unchanged
        self._replaced += there.st_size if there is not None and not unchanged else 0
        return not unchanged

    def _tree(self) -> Tree:
        if not hasattr(self._trees, "tree"):
            self._trees.tree = Tree(self._into, like=None if self._name else self._folder)
            self._all_trees.append(self._trees.tree)
        tree: Tree = self._trees.tree
        return tree

    def _place(self, file: FoundFile) -> tuple[str, ...]:
        return (self._name,) if self._name else tuple(file.name.split("/"))

    def _copied(self, files: Iterator[FoundFile]) -> Iterator[_Done]:
        """Copy small files side by side, a few ahead of what is yielded."""
        ahead: deque[Future[_Done]] = deque()
        for file in files:
            ahead.append(self._pool.submit(self._copy, file, self._small_told, 1))
            if len(ahead) >= _AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def _small_told(self, _amount: int) -> None:
        if self._stopped.is_set():
            raise JobCancelledError

    def _large_told(self, amount: int) -> None:
        with self._lock:
            self._progress.advance(amount)

    def _copy(self, file: FoundFile, told: Any, threads: int) -> _Done:
        """Copy a file, trying again where an error may pass."""
        for attempt in range(_TRIES):
            try:
                place = self._place(file)
                return _Done(file, copy_file(self._folder / file.name, self._tree(), place, told, threads=threads))
            except JobCancelledError:
                raise
            except ColabPanelError as error:
                reason, may_pass = self._reason_to_read(error), not isinstance(error, PathError)
            except OSError as error:
                reason, may_pass = self._reason_to_write(error), error.errno in _PASSING
            if not may_pass or attempt == _TRIES - 1:
                break
            self._stopped.wait(_FIRST_PAUSE * 2**attempt)
        return _Done(file, reason=reason)

    def _reason_to_read(self, error: ColabPanelError) -> str:
        """Return why a file is left out, unless all of the source is gone."""
        if not self._folder.exists():
            raise SourceLostError(f"{self._folder} went away.", hint="Copy again when it is back.") from error
        return error.message

    def _reason_to_write(self, error: OSError) -> str:
        """Return why a file is left out, unless the disk takes no file at all."""
        if error.errno in FULL:
            raise disk_full(self._into) from error
        if error.errno in _STOPPING:
            raise error
        return f"it cannot be written: {os.strerror(error.errno or 0)}"

    def _take_down(self, done: _Done) -> None:
        if done.there is None:
            self.skipped.append(Skipped(done.file.name, done.reason))
            return
        self._ledger.note(done.file, done.there)
        self.files += 1
        self.size += done.file.size

    def close(self) -> None:
        """End the threads, and keep the ledger."""
        self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._ledger.keep()
        for tree in self._all_trees:
            tree.close()
