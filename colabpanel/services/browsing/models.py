"""What looking through folders asks and answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from colabpanel.services.skipped import Skipped

__all__ = [
    "Crumb",
    "Done",
    "Entry",
    "EntryKind",
    "FolderPage",
    "FolderSize",
    "Operation",
    "Overwrite",
    "Query",
    "SortKey",
    "Whole",
]

EntryKind = Literal["folder", "file", "link", "other", "unknown"]
SortKey = Literal["name", "size", "modified", "kind"]

Overwrite = Literal["ask", "rename", "replace"]
"""What happens to a name that is taken: nothing at all is done, a new name is found, or files are replaced."""

Operation = Literal["copy", "move", "rename", "delete", "make_folder", "zip", "measure", "to_disk", "from_disk"]


@dataclass(frozen=True)
class Query:
    """Which part of a folder is wanted.

    Attributes:
        sort: What to sort by. By name, folders come first, then links, then files; by kind, files are
            grouped by the endings of their names; what has no size or time known comes last.
        descending: Whether to sort the other way round.
        containing: Only names with this text in them, in any case; with ``*``, ``?`` or ``[`` in it, only
            names that match it as a pattern.
        page: Which page, from 0; beyond the last one, the last.
        page_size: Entries on a page.
    """

    sort: SortKey = "name"
    descending: bool = False
    containing: str = ""
    page: int = 0
    page_size: int = 50


@dataclass(frozen=True)
class Entry:
    """A name in a folder.

    Attributes:
        name: Its name.
        address: What to call it by: a path, or what the place takes in its stead.
        kind: What it is; a link stays a link, whatever it leads to.
        is_folder: Whether it can be entered; None where that is not known.
        size: Bytes; None for a folder, and where it is not known.
        modified: Seconds since the epoch, or None.
        target: What a link says it leads to.
    """

    name: str
    address: str
    kind: EntryKind
    is_folder: bool | None = None
    size: int | None = None
    modified: float | None = None
    target: str = ""


@dataclass(frozen=True)
class Crumb:
    """A folder on the way from the top of a place to where one is."""

    title: str
    address: str


@dataclass(frozen=True)
class Whole:
    """All names of a folder as they were when it was read, so that turning a page does not read it again.

    Attributes:
        folder: The real path of the folder.
        parent: The folder above, or None at the top.
        top: The folder above which nothing is shown.
        has_trash: See `FolderPage`.
        names: The names, in no order.
        kinds: A letter for each: d folder, D link to a folder, l other link, f file, o other, ? not known.
        sizes: Bytes of each, or None where not known; empty where none was asked for.
        times: Seconds since the epoch of each, likewise.
        complete: False when reading stopped before the end of the folder.
        trouble: What could not be done in time, in a sentence, or an empty string.
    """

    folder: str
    parent: str | None
    top: str
    has_trash: bool
    names: tuple[str, ...]
    kinds: str
    sizes: tuple[int | None, ...] = ()
    times: tuple[float | None, ...] = ()
    complete: bool = True
    trouble: str = ""


@dataclass(frozen=True)
class FolderPage:
    """A page of a folder.

    Attributes:
        address: The folder: a real path, or what the place takes in its stead.
        crumbs: The way to it from the top, itself included.
        parent: The folder above, or None at the top.
        entries: The entries of this page.
        page: Which page this is, from 0.
        pages: How many there are; at least 1.
        matching: How many entries there are on all pages.
        total: How many entries were found, whether they match or not.
        folders: How many of the matching ones are known to be folders.
        complete: False when the folder holds more than was found.
        trouble: What could not be done in time, in a sentence, or an empty string.
        has_trash: Whether what is deleted here goes to a Trash, where it takes room until that is emptied.
        whole: What the place keeps of the folder for its next page; nobody else looks into it.
    """

    address: str
    crumbs: tuple[Crumb, ...]
    parent: str | None
    entries: tuple[Entry, ...]
    page: int
    pages: int
    matching: int
    total: int
    folders: int
    complete: bool
    trouble: str = ""
    has_trash: bool = False
    whole: object = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Done:
    """What became of an operation.

    Attributes:
        status: ``ok``; ``partial`` when something was left out; ``taken`` when names were taken already, the
            rule was to ask, and so nothing was done.
        entries: How many of those that were chosen are done completely.
        files: Files that were copied, moved, deleted or packed.
        size: Their bytes; None where they were not counted.
        made: Addresses of what was made.
        taken: Names that were taken already, with the rule to ask.
        skipped: What was left out, each with its reason.
        seconds: How long it took.
    """

    status: Literal["ok", "partial", "taken"]
    entries: int = 0
    files: int = 0
    size: int | None = None
    made: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class FolderSize:
    """What a folder holds, its own folders included.

    Attributes:
        files: How many files were counted.
        size: Their bytes.
        complete: False when counting stopped before the end.
        skipped: What could not be looked at, each with its reason; links are in it.
    """

    files: int
    size: int
    complete: bool
    skipped: tuple[Skipped, ...] = ()
