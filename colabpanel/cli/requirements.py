"""``colabpanel requirements``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from colabpanel import words
from colabpanel.cli.terminal import run
from colabpanel.services.modules.installing import install_requirements
from colabpanel.services.modules.requirements import check_requirements

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    add = commands.add_parser("requirements", help="tell what a project needs and what of it is missing")
    add.add_argument("path", metavar="PATH", help="requirements.txt, pyproject.toml, or code whose imports are read")
    add.add_argument("--install", action="store_true", help="install what is missing, and change nothing that is there")
    add.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add.set_defaults(run=_requirements)


def _requirements(parsed: argparse.Namespace) -> dict[str, Any]:
    if parsed.install:
        done = run(lambda progress: install_requirements(parsed.path, progress=progress))
        message = f"Installed {words.plural(len(done.new), 'distribution')}; nothing else was changed."
        return {"status": "ok", "message": message, "new": done.new, "changed": done.changed}
    needed = run(lambda progress: check_requirements(parsed.path, progress=progress))
    unmet = [one for one in needed if one.state != "installed"]
    unread = sum(one.state == "not looked at" for one in needed)
    told = f" {words.plural(unread, 'line leads', 'lines lead')} elsewhere, and only pip follows it." if unread else ""
    return {
        "status": "partial" if unmet else "ok",
        "message": f"{words.plural(len(needed) - unread, 'requirement')}, "
        f"{words.count(len(unmet) - unread)} of them not met.{told}",
        "lines": [f"  {one.requirement}: {one.state}" for one in unmet],
        "needed": [asdict(one) for one in needed],
    }
