"""``colabpanel drive health`` and ``safe``."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from colabpanel.cli.terminal import run
from colabpanel.services.drive.health import drive_health
from colabpanel.services.drive.safety import drive_safety, safety_summary, wait_until_safe

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to a parser."""
    drive = commands.add_parser("drive", help="look whether Drive answers, and whether files have reached it")
    actions = drive.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("health", help="look whether Drive, or a folder, answers")
    add.add_argument("path", metavar="PATH", nargs="?", help="the folder; else where Drive is mounted")
    add.set_defaults(run=_health)
    _add_json(add)
    add = actions.add_parser("safe", help="tell which files have reached Drive")
    add.add_argument("paths", metavar="PATH", nargs="+", help="a file, or a folder")
    add.add_argument("--wait", metavar="SECONDS", type=float, help="wait so long for those that are on their way")
    add.set_defaults(run=_safe)
    _add_json(add)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")


def _health(parsed: argparse.Namespace) -> dict[str, Any]:
    found = run(lambda progress: drive_health(parsed.path, progress=progress))
    return {
        "status": "ok" if found.state == "ok" else "failed",
        "message": found.sentence,
        "hint": found.hint,
        "state": found.state,
        "path": str(found.path),
        "seconds": found.seconds,
    }


def _safe(parsed: argparse.Namespace) -> dict[str, Any]:
    if parsed.wait is None:
        found = run(lambda progress: drive_safety(parsed.paths, progress=progress))
    else:
        found = run(lambda progress: wait_until_safe(parsed.paths, timeout=parsed.wait, progress=progress))
    return {
        "status": found.status,
        "message": safety_summary(found),
        "lines": [f"  {file.path}: {file.where}" for file in found.files if file.where != "safe"],
        "files": len(found.files),
        "where": dict(Counter(file.where for file in found.files)),
        "skipped": [list(pair) for pair in found.skipped],
    }
