"""A folder of any size page by page, within seconds, on any disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError
from colabpanel.progress import Progress
from colabpanel.services.browsing.models import Crumb, Entry, EntryKind, FolderPage, Query, Whole
from colabpanel.services.browsing.ordering import chosen, needs_statuses
from colabpanel.services.folders import LIST_DEADLINE
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored

__all__ = ["list_page"]

_CHILD = "colabpanel.services.browsing.listing_here"
_KINDS: dict[str, EntryKind] = {"d": "folder", "D": "link", "l": "link", "f": "file", "o": "other", "?": "unknown"}
_MOST_PER_PAGE = 1000


def list_page(
    path: str | Path,
    query: Query | None = None,
    *,
    earlier: FolderPage | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> FolderPage:
    """Return a page of a folder; of a file, a page of the folder it is in.

    It answers within five seconds: with what was found by then, and ``trouble`` says so. Names are read without
    looking at each entry; sizes and times are looked at on the page only, or all when it is sorted by them.

    Args:
        path: The folder.
        query: Which page, in which order; None is the first one, by name.
        earlier: A page of the same folder, which this one shall agree with: the folder is not read again.
        root: Refuse a folder outside of this one.
        progress: May cancel it.

    Raises:
        InputError: The query makes no sense.
        PathError: It does not exist, is outside the root, or may not be read.
        StorageError: The disk or Drive did not answer in time.
    """
    asked = query or Query()
    if not 1 <= asked.page_size <= _MOST_PER_PAGE:
        raise InputError(f"A page cannot have {asked.page_size} entries.", hint="Ask for 1 to 1,000.")
    top = None if root is None else os.fspath(root)
    whole = earlier.whole if earlier is not None else None
    if isinstance(whole, Whole) and (whole.sizes or not whole.names or not needs_statuses(asked)):
        return _turned(whole, asked, top, progress)
    arguments = {"path": anchored(path, root), "root": top, "query": asdict(asked)}
    found = call_isolated(f"{_CHILD}:page_here", arguments, progress=progress, deadline=LIST_DEADLINE)
    names = tuple(found["names"].split("/")) if found["kinds"] else ()
    keys = ("folder", "parent", "top", "has_trash", "kinds", "complete", "trouble")
    facts: dict[str, Any] = {key: found[key] for key in keys}
    whole = Whole(**facts, names=names, sizes=tuple(found["sizes"]), times=tuple(found["times"]))
    counts = (found["page"], found["matching"], found["folders"])
    return _page(whole, asked, counts, [names[number] for number in found["shown"]], found["rows"])


def _turned(whole: Whole, asked: Query, root: str | None, progress: Progress | None) -> FolderPage:
    order = chosen(whole, asked)
    page = min(max(asked.page, 0), max(len(order) - 1, 0) // asked.page_size)
    names = [whole.names[number] for number in order[page * asked.page_size : (page + 1) * asked.page_size]]
    arguments = {"folder": whole.folder, "root": root, "names": names}
    found = call_isolated(f"{_CHILD}:look_here", arguments, progress=progress, deadline=LIST_DEADLINE)
    folders = sum(whole.kinds[number] in "dD" for number in order)
    return _page(whole, asked, (page, len(order), folders), names, found["rows"])


def _page(
    whole: Whole, asked: Query, counts: tuple[int, int, int], names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> FolderPage:
    page, matching, folders = counts
    slow = any(kind == "?" for kind, *_ in rows)
    return FolderPage(
        address=whole.folder,
        crumbs=_crumbs(whole),
        parent=whole.parent,
        entries=tuple(_entry(whole.folder, name, row) for name, row in zip(names, rows, strict=True)),
        page=page,
        pages=max(-(-matching // asked.page_size), 1),
        matching=matching,
        total=len(whole.names),
        folders=folders,
        complete=whole.complete,
        trouble=whole.trouble or ("Some entries of this page could not be looked at." if slow else ""),
        has_trash=whole.has_trash,
        whole=whole,
    )


def _entry(folder: str, name: str, row: Sequence[Any]) -> Entry:
    kind, size, modified, target = row
    is_folder = None if kind == "?" else kind in "dD"
    address = os.path.join(folder, name)  # noqa: PTH118 - Path takes a name of spaces or dots apart
    return Entry(name, address, _KINDS[kind], is_folder, size, modified, target)


def _crumbs(whole: Whole) -> tuple[Crumb, ...]:
    folder, top = Path(whole.folder), Path(whole.top)
    way = [folder, *folder.parents]
    way = way[: way.index(top) + 1]
    return tuple(Crumb(step.name or str(step), str(step)) for step in reversed(way))
