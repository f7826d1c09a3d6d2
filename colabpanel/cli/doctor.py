"""``colabpanel doctor``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from colabpanel import words
from colabpanel.cli.terminal import run
from colabpanel.services.session.environment import environment

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    doctor = commands.add_parser("doctor", help="what this machine has, and what is wrong with it")
    doctor.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    doctor.set_defaults(run=_doctor)


def _doctor(_parsed: argparse.Namespace) -> dict[str, Any]:
    found = run(lambda _: environment())
    count = len(found.problems)
    message = "Everything is as it should be." if not count else f"{words.plural(count, 'thing')} to look at."
    lines = [*found.report().splitlines(), *(f"  {one.sentence} {one.hint}".rstrip() for one in found.problems)]
    return {
        "status": "partial" if any(one.status == "error" for one in found.problems) else "ok",
        "message": message,
        "lines": lines,
        **asdict(found),
        "report": found.report(),
    }
