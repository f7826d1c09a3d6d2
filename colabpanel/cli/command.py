"""From arguments to an exit code."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from colabpanel import __version__
from colabpanel.cli import (
    browsing,
    checkpoints,
    doctor,
    drive,
    fetching,
    images,
    remotes,
    requirements,
    serving,
    snapshots,
    staging,
)
from colabpanel.cli.terminal import EXIT_CODES, tell
from colabpanel.errors import ColabPanelError

__all__ = ["main"]

_REPORT = "The traceback above tells more; please file an issue with it."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        answer: dict[str, Any] = parsed.run(parsed)
    except ColabPanelError as error:
        answer = {"status": error.status, "message": error.message, "hint": error.hint}
    except Exception as error:  # noqa: BLE001 - a command ends with its one line, whatever happens
        traceback.print_exc()
        answer = {"status": "failed", "message": f"Unexpected error: {type(error).__name__}.", "hint": _REPORT}
    try:
        tell(answer, as_json=parsed.json)
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_CODES[answer["status"]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="colabpanel",
        description="Stage and fetch data, look into snapshots and checkpoints, and serve the panel as a dashboard.",
    )
    parser.add_argument("--version", action="version", version=f"colabpanel {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for part in (
        staging,
        fetching,
        browsing,
        drive,
        snapshots,
        checkpoints,
        images,
        requirements,
        remotes,
        serving,
        doctor,
    ):
        part.add_commands(commands)
    return parser
