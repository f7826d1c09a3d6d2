"""Copying entries of a remote to this machine, and files and folders of this machine to a remote."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from colabpanel.errors import ColabPanelError, InputError, JobCancelledError, PathError
from colabpanel.progress import Progress
from colabpanel.services.browsing.models import Done, Overwrite
from colabpanel.services.browsing.naming import check_name, free_name
from colabpanel.services.remotes.addresses import RemoteAddress
from colabpanel.services.remotes.models import Carried, RemoteEntry
from colabpanel.services.remotes.stores import Store
from colabpanel.services.skipped import Skipped

__all__ = ["bring_here", "take_there"]

_UNFINISHED = ".colabpanel-part"
T = TypeVar("T")


def bring_here(
    store: Store, entries: Sequence[RemoteAddress], folder: Path, overwrite: Overwrite, progress: Progress
) -> Done:
    """Copy files and folders of a remote into a folder here.

    Each is written under a hidden name beside its place, verified, and then renamed to it. With ``replace``, what a
    folder holds is put into the one that is there, in which nothing is deleted.
    """
    if not folder.is_dir():
        raise PathError(f"{folder} is no folder.", hint="Choose a folder of this machine.")
    found = [_there(store, entry, progress) for entry in _chosen(entries)]
    taken = tuple(one.name for one in found if os.path.lexists(folder / check_name(one.name)))
    if taken and overwrite == "ask":
        return Done("taken", taken=taken)

    def bring(number: int) -> tuple[str, Carried]:
        entry, path = found[number], entries[number].path
        name = check_name(entry.name)
        if overwrite == "rename" and os.path.lexists(folder / name):
            name = free_name(folder, name)
        return str(folder / name), _bring(store, entry, path, folder / name, progress)

    return _each([one.name for one in found], bring)


def _bring(store: Store, entry: RemoteEntry, path: str, target: Path, progress: Progress) -> Carried:
    if not entry.is_folder:
        if target.is_dir() or target.is_symlink():
            raise PathError("a folder or link of this name is there", hint="Choose another name.")
        return Carried(1, store.get(path, target, progress).size)
    if target.is_symlink() or target.is_file():
        raise PathError("a file or link of this name is there", hint="Choose another name.")
    if target.is_dir():
        return store.get_folder(path, target, progress)
    begun = target.with_name(f".{target.name}{_UNFINISHED}")
    shutil.rmtree(begun, ignore_errors=True)  # left by a try that was killed
    carried = store.get_folder(path, begun, progress)
    begun.mkdir(exist_ok=True)
    begun.rename(target)
    return carried


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
