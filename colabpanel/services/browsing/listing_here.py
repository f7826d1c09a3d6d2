"""What runs in the child process: reading a folder, and looking at what a page of it shows."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

from colabpanel.errors import OutsideRootError
from colabpanel.progress import Progress
from colabpanel.services.browsing.models import Query, Whole
from colabpanel.services.browsing.ordering import chosen, needs_statuses
from colabpanel.services.folders import READ_FOR, has_parent
from colabpanel.services.mounts import DRIVE, mount_of
from colabpanel.services.paths import resolve_inside
from colabpanel.services.scanning import Scan, in_time, kind_of, look, scan, unlistable
from colabpanel.words import plural

__all__ = ["look_here", "on_drive", "page_here"]

_SCAN_FOR, _STATUSES_FOR = 2.2, 2.8
"""Seconds from the start until reading names ends, and until looking at all of them does."""

Row = tuple[str, int | None, float | None, str]
"""A letter for the kind, bytes, seconds since the epoch, and what a link says."""


def page_here(path: str, root: str | None, query: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Read a folder, and look at the entries of one page of it."""
    started, asked = time.monotonic(), Query(**query)
    folder = resolve_inside(root, path)
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            folder = folder.parent
    except OSError as error:
        raise unlistable(path, error) from None
    found = scan(folder, until=started + _SCAN_FOR, progress=progress)
    facts: dict[str, Any] = {
        "folder": str(folder),
        "parent": str(folder.parent) if has_parent(folder, root) else None,
        "top": str(resolve_inside(None, root)) if root else folder.anchor,
        "has_trash": on_drive(folder),
        "kinds": "".join(found.kinds),
        "sizes": [],
        "times": [],
        "complete": found.complete,
    }
    missing = 0
    if needs_statuses(asked):
        missing = _look_at_all(folder, found.names, facts, started + _STATUSES_FOR, progress)
    facts["trouble"] = _trouble(found, missing)
    order = chosen(Whole(**{**facts, "names": tuple(found.names)}), asked)
    page = min(max(asked.page, 0), max(len(order) - 1, 0) // asked.page_size)
    shown = order[page * asked.page_size : (page + 1) * asked.page_size]
    return {
        **facts,
        "names": "/".join(found.names),
        "shown": shown,
        "page": page,
        "matching": len(order),
        "folders": sum(found.kinds[number] in "dD" for number in order),
        "rows": _rows(folder, root, [found.names[number] for number in shown], started + READ_FOR, progress),
    }


def _look_at_all(folder: Path, names: list[str], facts: dict[str, Any], until: float, progress: Progress) -> int:
    """Find the size and time of every entry; returns how many did not answer in time."""
    sizes: list[int | None] = [None] * len(names)
    times: list[float | None] = [None] * len(names)
    answers = look(folder, names, until=until, progress=progress)
    for number, status in answers:
        if status is not None:
            sizes[number] = None if stat.S_ISDIR(status.st_mode) else status.st_size
            times[number] = status.st_mtime
    facts["sizes"], facts["times"] = sizes, times
    return len(names) - len(answers)


def _trouble(found: Scan, missing: int) -> str:
    """Say what could not be done in time."""
    read = plural(len(found.names), "entry", "entries")
    if found.error is not None:
        return f"Reading stopped after {read} ({os.strerror(found.error.errno or 0)})."
    if not found.complete:
        return f"No more than {read} could be read; the folder holds more."
    if missing:
        return f"{plural(missing, 'entry', 'entries')} could not be looked at in time: those stand last."
    if "?" in found.kinds:
        return "This disk is slow to tell folders from files, so they do not stand apart."
    return ""


def look_here(folder: str, root: str | None, names: list[str], progress: Progress) -> dict[str, Any]:
    """Look at the entries of a page of a folder that was read before."""
    until = time.monotonic() + READ_FOR
    return {"rows": _rows(resolve_inside(root, folder), root, names, until, progress)}


def _rows(folder: Path, root: str | None, names: list[str], until: float, progress: Progress) -> list[Row]:
    rows: list[Row] = [("?", None, None, "")] * len(names)
    links = []
    for number, status in look(folder, names, until=until, progress=progress):
        if status is None:
            continue
        kind = kind_of(status)
        rows[number] = (kind, None if kind == "d" else status.st_size, status.st_mtime, "")
        if kind == "l":
            links.append(number)
    if links:
        in_time(lambda: _follow(folder, root, names, links, rows), until, progress)
    return rows[:]


def _follow(folder: Path, root: str | None, names: list[str], links: list[int], rows: list[Row]) -> None:
    """Say of links where they lead; their size and time are those of what is there, unless it is outside the root."""
    for number in links:
        path, target = folder / names[number], ""
        try:
            target = os.fspath(path.readlink())
            status = resolve_inside(root, path).stat()
        except (OSError, OutsideRootError):  # it leads nowhere
            rows[number] = ("l", None, None, target)
            continue
        leads_to_folder = stat.S_ISDIR(status.st_mode)
        size = None if leads_to_folder else status.st_size
        rows[number] = ("D" if leads_to_folder else "l", size, status.st_mtime, target)


def on_drive(folder: Path) -> bool:
    """Whether a folder lies on Google Drive, where what is deleted goes to the Trash."""
    point, kind = mount_of(folder)
    return "drive" in kind or (bool(point) and DRIVE in (Path(point), *Path(point).parents))
