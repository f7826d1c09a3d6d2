"""Naming and making entries, in the child process."""

from __future__ import annotations

import os

from colabpanel.errors import PathError
from colabpanel.progress import Progress
from colabpanel.services.browsing.listing_here import on_drive
from colabpanel.services.browsing.naming import check_name
from colabpanel.services.browsing.spots import entry_at, folder_at, insist_changeable
from colabpanel.services.disks import disk_errors_in_words

__all__ = ["make_folder_here", "rename_here"]


@disk_errors_in_words()
def rename_here(entry: str, name: str, *, root: str | None, progress: Progress) -> str:
    """Give an entry another name; returns its path."""
    spot = entry_at(root, entry)
    insist_changeable(spot)
    target = spot.parent / check_name(name, on_drive=on_drive(spot.parent))
    is_respelled = target.name.casefold() == spot.name.casefold() and os.path.lexists(target)
    is_respelled = is_respelled and os.path.samestat(target.lstat(), spot.lstat())  # on disks that know no case
    if os.path.lexists(target) and not is_respelled:
        raise PathError(f"{target.name} is there already.", hint="Choose another name.")
    progress.advance(0)
    spot.rename(target)
    return str(target)


@disk_errors_in_words()
def make_folder_here(folder: str, name: str, *, root: str | None, progress: Progress) -> str:
    """Make a folder; returns its path."""
    above = folder_at(root, folder)
    made = above / check_name(name, on_drive=on_drive(above))
    progress.advance(0)
    try:
        made.mkdir()
    except FileExistsError:
        raise PathError(f"{made.name} is there already.", hint="Choose another name.") from None
    return str(made)
