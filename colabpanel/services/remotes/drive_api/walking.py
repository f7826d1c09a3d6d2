"""All that is in a folder of Drive and in those below, links in circles and odd names included."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from colabpanel.errors import PathError
from colabpanel.progress import Progress
from colabpanel.services.remotes.drive_api.tree import DriveItem, DriveTree
from colabpanel.services.skipped import Skipped

__all__ = ["WalkedFolder", "walk_drive"]


@dataclass
class WalkedFolder:
    """What was found.

    Attributes:
        items: Files and folders with the names that lead to them, each folder before what is in it.
        skipped: What has no bytes, no name that a disk takes, or was come upon before.
    """

    items: list[tuple[tuple[str, ...], DriveItem]] = field(default_factory=list)
    left_out: list[Skipped] = field(default_factory=list)

    @property
    def files(self) -> int:
        """How many files there are."""
        return sum(not item.is_folder for _, item in self.items)

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(item.size or 0 for _, item in self.items)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What was left out, each with its reason."""
        return tuple(self.left_out)


def walk_drive(tree: DriveTree, top: DriveItem, progress: Progress) -> WalkedFolder:
    """Look through a folder of Drive and all below; of a file, it is the one that is found."""
    found = WalkedFolder()
    if not top.is_folder:
        found.items.append(((top.name,), top))
        return found
    ahead: list[tuple[tuple[str, ...], DriveItem]] = [((), top)]
    seen = {top.id}
    while ahead:
        where, folder = ahead.pop()
        names: set[str] = set()
        for entry in tree.inside(folder, progress):
            item = _with_bytes(tree, entry, progress)
            reason = _trouble(item, names, seen)
            if reason:
                found.left_out.append(Skipped("/".join((*where, item.name)), reason))
                continue
            names.add(_as_disks_see(item.name))
            spot = (*where, item.name)
            found.items.append((spot, item))
            if item.is_folder:
                seen.add(item.id)
                ahead.append((spot, item))
    return found


def _with_bytes(tree: DriveTree, item: DriveItem, progress: Progress) -> DriveItem:
    """Return what a shortcut to a file leads to, under the name of the shortcut; all else as it is."""
    if not item.is_shortcut or item.is_folder:
        return item
    try:
        return replace(tree.by_id(item.id, progress), name=item.name)
    except PathError:
        return item


def _trouble(item: DriveItem, names: set[str], seen: set[str]) -> str:
    if PurePath(item.name).parts != (item.name,) or "\0" in item.name or item.name == "..":
        return "no disk takes this name"
    if _as_disks_see(item.name) in names:
        return "another entry has the same name"
    if item.is_folder:
        return "it is come upon a second time, through a shortcut" if item.id in seen else ""
    if item.is_shortcut:
        return "it is a shortcut that leads nowhere, or to another one"
    return "a document of Google has no bytes of its own" if item.size is None else ""


def _as_disks_see(name: str) -> str:
    """Return what two names have in common that are one to the disks of this system."""
    return name.casefold() if sys.platform in {"win32", "darwin"} else name
