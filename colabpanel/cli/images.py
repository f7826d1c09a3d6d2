"""``colabpanel images``."""

from __future__ import annotations

import argparse
from typing import Any

from colabpanel import words
from colabpanel.cli.terminal import run
from colabpanel.progress import Progress
from colabpanel.services.images.listing import list_images
from colabpanel.services.images.models import CheckedImages, ImageFolder
from colabpanel.services.images.service import check_images

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    add = commands.add_parser("images", help="count the images of a folder or archive; find broken ones and duplicates")
    add.add_argument("path", metavar="PATH", help="the folder, or an archive, which is not unpacked")
    add.add_argument("--check", action="store_true", help="decode every image")
    add.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add.set_defaults(run=_images)


def _images(parsed: argparse.Namespace) -> dict[str, Any]:
    def work(progress: Progress) -> tuple[ImageFolder, CheckedImages | None]:
        folder = list_images(parsed.path, progress=progress)
        return folder, check_images(folder, progress=progress) if parsed.check else None

    folder, checked = run(work)
    more = "" if folder.complete else "at least "
    message = f"{parsed.path} holds {more}{words.plural(len(folder.names), 'image')}"
    found: dict[str, Any] = {"files": len(folder.names), "complete": folder.complete, "classes": folder.classes}
    lines = [f"  {name}: {words.plural(count, 'image')}" for name, count in folder.classes.items()]
    if checked is not None:
        message += f"; {words.count(len(checked.broken))} broken, {words.plural(len(checked.duplicates), 'duplicate')}"
        lines = [f"  {member}: {reason}" for member, reason in checked.broken]
        lines += [f"  the same: {', '.join(group)}" for group in checked.duplicates]
        found |= {"broken": checked.broken, "duplicates": checked.duplicates}
    whole = folder.complete and not folder.skipped and not (checked and checked.broken)
    return {
        "status": "ok" if whole else "partial",
        "message": f"{message}.",
        "lines": lines,
        **found,
        "skipped": [list(pair) for pair in folder.skipped],
    }
