"""From arguments to an exit code."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

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

_WRONG_USAGE = 2
_REPORT = "The traceback above tells more; please file an issue with it."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know the letters of a name
    try:
        parsed = _parser().parse_args(arguments)
    except _UsageError as error:
        if "--json" in (sys.argv[1:] if arguments is None else arguments):
            tell({"status": "rejected", "message": f"{error}.", "hint": "See --help."}, as_json=True)
        return _WRONG_USAGE
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


class _UsageError(Exception):
    """The arguments make no sense."""


class _Parser(argparse.ArgumentParser):
    """Lets wrong usage end as everything else does, with one JSON object where that was asked for."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        sys.stderr.write(f"{self.prog}: error: {message}\n")
        raise _UsageError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
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
