"""Copying entries of a remote to this machine, and files and folders of this machine to a remote."""

from __future__ import annotations

import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from colabpanel.errors import ColabPanelError, InputError, JobCancelledError, PathError
from colabpanel.hosts import state_dir
from colabpanel.progress import Progress
from colabpanel.services.browsing.models import Done, Overwrite
from colabpanel.services.browsing.naming import check_name, free_name
from colabpanel.services.copying.ledger import one_at_a_time
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.remotes.addresses import RemoteAddress
from colabpanel.services.remotes.models import Carried, RemoteEntry
from colabpanel.services.remotes.stores import Store
from colabpanel.services.skipped import Skipped
from colabpanel.services.tree import MEMBER_ONLY, Tree

__all__ = ["bring_here", "take_there"]

_UNFINISHED = ".colabpanel-part"
T = TypeVar("T")


@disk_errors_in_words()
def bring_here(
    store: Store, entries: Sequence[RemoteAddress], folder: Path, overwrite: Overwrite, progress: Progress
) -> Done:
    """Copy files and folders of a remote into a folder here.

    Each is written and verified in a hidden folder beside its place, and then renamed to it. With ``replace``, what a
    folder holds is put into the one that is there, in which nothing is deleted.

    Raises:
        JobBusyError: Another copying into the folder is running.
    """
    if not folder.is_dir():
        raise PathError(f"{folder} is no folder.", hint="Choose a folder of this machine.")
    with one_at_a_time(os.fspath(state_dir()), folder):
        found = [_there(store, entry, progress) for entry in _chosen(entries)]
        names = [check_name(one.name) for one in found]
        taken = [name for name in dict.fromkeys(names) if os.path.lexists(folder / name) or names.count(name) > 1]
        if taken and overwrite == "ask":
            return Done("taken", taken=tuple(taken))

        def bring(number: int) -> tuple[str, Carried]:
            name = names[number]
            if overwrite == "rename" and os.path.lexists(folder / name):
                name = free_name(folder, name)
            into = _Into(folder / name, replacing=overwrite == "replace")
            return str(folder / name), into.bring(store, found[number], entries[number].path, progress)

        return _each(names, bring)


class _Into:
    """A place here for something of a remote.

    Args:
        target: The place.
        replacing: Whether a file there is replaced, and a folder there added to.
    """

    def __init__(self, target: Path, *, replacing: bool) -> None:
        self._target, self._replacing = target, replacing
        # Not the name that copies of files have here, which are files.
        self._beside = target.with_name(f".{zlib.crc32(os.fsencode(target.name)):08x}.remote{_UNFINISHED}")

    def bring(self, store: Store, entry: RemoteEntry, path: str, progress: Progress) -> Carried:
        """Bring it beside its place, then to it."""
        self._insist_on_room(is_folder=entry.is_folder)
        shutil.rmtree(self._beside, ignore_errors=True)  # left by a try that was killed
        self._beside.mkdir()
        try:
            made = self._beside / "made"
            if not entry.is_folder:
                carried = Carried(1, store.get(path, made, progress).size)
            else:
                carried = store.get_folder(path, made, progress)
                made.mkdir(exist_ok=True)
            self._insist_on_room(is_folder=entry.is_folder)
            if entry.is_folder and self._target.is_dir():
                return self._merged(made, carried)
            made.replace(self._target)
            return carried
        finally:
            shutil.rmtree(self._beside, ignore_errors=True)

    def _insist_on_room(self, *, is_folder: bool) -> None:
        """Look at what stands at the place; asked again at the end, for something may have come to be there.

        Raises:
            PathError: There is something that is not replaced.
        """
        if not os.path.lexists(self._target):
            return
        if not self._replacing or self._target.is_symlink() or self._target.is_dir() != is_folder:
            kind = "link" if self._target.is_symlink() else "folder" if self._target.is_dir() else "file"
            raise PathError(f"a {kind} of this name is there", hint="Choose another name.")

    def _merged(self, made: Path, carried: Carried) -> Carried:
        """Move what a folder holds into the one that is there, whose links are not followed."""
        files, size, skipped = carried.files, carried.size, list(carried.skipped)
        with Tree(self._target) as tree:
            for above, folders, names in os.walk(made):
                where = Path(above).relative_to(made).parts
                for name in (*folders, *names):
                    path, parts = Path(above, name), (*where, name)
                    held = path.stat().st_size if name in names else None
                    try:
                        tree.make_folder(parts) if held is None else tree.adopt(path, parts)
                    except OSError as error:
                        if error.errno not in MEMBER_ONLY:
                            raise
                        skipped.append(Skipped("/".join(parts), os.strerror(error.errno or 0)))
                        if held is not None:
                            files, size = files - 1, size - held
        return Carried(files, size, tuple(skipped))


@disk_errors_in_words()
def take_there(
    store: Store, paths: Sequence[Path], folder: RemoteAddress, overwrite: Overwrite, progress: Progress
) -> Done:
    """Copy files and folders of this machine into a folder of a remote, each verified before it has its name."""
    there = {entry.name for entry in store.entries(folder.path, progress)}
    taken = tuple(path.name for path in _chosen(paths) if path.name in there)
    if taken and overwrite == "ask":
        return Done("taken", taken=taken)

    def take(number: int) -> tuple[str, Carried]:
        path = paths[number]
        name = path.name
        if name in there and overwrite == "rename":
            name = _free(name, there)
        there.add(name)
        goal = folder.joined(name)
        if path.is_dir():
            return goal.text, store.put_folder(path, goal.path, progress)
        put = store.put(path, goal.path, progress, overwrite=overwrite == "replace")
        return goal.text, Carried(1, put.size)

    return _each([path.name for path in paths], take)


def _each(names: Sequence[str], carry: Callable[[int], tuple[str, Carried]]) -> Done:
    """Do one after another; what fails is left out and named, unless it is the only one."""
    started, made, skipped = time.monotonic(), list[str](), list[Skipped]()
    files = size = done = 0
    for number, name in enumerate(names):
        try:
            address, carried = carry(number)
        except JobCancelledError:
            raise
        except ColabPanelError as error:
            if len(names) == 1:
                raise
            skipped.append(Skipped(name, error.message))
            continue
        made.append(address)
        skipped += [Skipped(f"{name}/{one.member}", one.reason) for one in carried.skipped]
        files, size, done = files + carried.files, size + carried.size, done + (not carried.skipped)
    return Done(
        status="partial" if skipped else "ok",
        entries=done,
        files=files,
        size=size,
        made=tuple(made),
        skipped=tuple(skipped),
        seconds=time.monotonic() - started,
    )


def _chosen(entries: Sequence[T]) -> Sequence[T]:
    if not entries:
        raise InputError("Nothing is chosen.", hint="Choose files or folders first.")
    return entries


def _there(store: Store, address: RemoteAddress, progress: Progress) -> RemoteEntry:
    found = store.find(address.path, progress)
    if found is None:
        raise PathError(f"{address.text} does not exist any more.", hint="Read the folder again.")
    return found


def _free(name: str, taken: Iterable[str]) -> str:
    stem, ending = os.path.splitext(name)  # noqa: PTH122 - of a name, not of a path
    names = set(taken)
    return next(tried for number in range(2, len(names) + 3) if (tried := f"{stem} ({number}){ending}") not in names)
