"""``colabpanel list``."""

from __future__ import annotations

import argparse
from typing import Any

from colabpanel import words
from colabpanel.cli.terminal import run
from colabpanel.progress import Progress
from colabpanel.services.browsing.listing import list_page
from colabpanel.services.browsing.models import Entry, FolderPage, Query

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    add = commands.add_parser("list", help="list a folder of any size, within five seconds")
    add.add_argument("path", metavar="PATH", nargs="?", default=".", help="the folder; without it, this one")
    add.add_argument("--sort", choices=["name", "size", "modified", "kind"], default="name", help="what to sort by")
    add.add_argument("--reverse", action="store_true", help="sort the other way round")
    add.add_argument("--filter", metavar="TEXT", default="", help="a part of the name, or a pattern such as '*.jpg'")
    add.add_argument("--page", metavar="N", type=int, default=1, help="which page, from 1")
    add.add_argument("--page-size", metavar="N", type=int, default=100, help="entries on a page, up to 1000")
    add.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add.set_defaults(run=_list)


def _list(parsed: argparse.Namespace) -> dict[str, Any]:
    query = Query(parsed.sort, parsed.reverse, parsed.filter, max(parsed.page - 1, 0), parsed.page_size)

    def work(progress: Progress) -> FolderPage:
        return list_page(parsed.path, query, progress=progress)

    page = run(work)
    more = "" if page.complete else "at least "
    message = f"{page.address} holds {more}{words.plural(page.matching, 'entry', 'entries')}"
    if page.matching != page.total:
        message += f" like that, of {words.count(page.total)}"
    if page.pages > 1:
        message += f"; this is page {page.page + 1} of {page.pages}"
    return {
        "status": "partial" if page.trouble else "ok",
        "message": f"{message}.{' ' if page.trouble else ''}{page.trouble}",
        "lines": [_line(entry) for entry in page.entries],
        "path": page.address,
        "total": page.total,
        "matching": page.matching,
        "complete": page.complete,
        "page": page.page + 1,
        "pages": page.pages,
        "entries": [_fields(entry) for entry in page.entries],
    }


def _line(entry: Entry) -> str:
    size = "" if entry.size is None else words.size(entry.size)
    when = "" if entry.modified is None else words.moment(entry.modified)
    target = f" -> {entry.target}" if entry.target else ""
    return f"  {size:>12}  {when:16}  {entry.name}{'/' if entry.is_folder else ''}{target}"


def _fields(entry: Entry) -> dict[str, Any]:
    keys = ("name", "kind", "is_folder", "size", "modified", "target")
    return {key: getattr(entry, key) for key in keys}
