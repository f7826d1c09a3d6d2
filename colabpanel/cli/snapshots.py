"""``colabpanel snapshot list``, ``show`` and ``export``."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.cli.terminal import run
from colabpanel.services.snapshots.catalog import contents, snapshots
from colabpanel.services.snapshots.exporting import export_snapshot
from colabpanel.services.snapshots.models import Contents, SavedVariable

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to a parser."""
    snapshot = commands.add_parser("snapshot", help="look into files of variables, without loading any")
    actions = snapshot.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("list", help="the snapshots in a folder, newest first")
    add.add_argument("folder", metavar="DIR", nargs="?", default=".")
    add.set_defaults(run=_list)
    _add_json(add)
    add = actions.add_parser("show", help="what a snapshot, pickle, .npy, .npz, Parquet or safetensors file holds")
    add.add_argument("file", metavar="FILE")
    add.set_defaults(run=_show)
    _add_json(add)
    add = actions.add_parser("export", help="write its variables as .npy, .parquet, .png and .json files")
    add.add_argument("file", metavar="FILE")
    add.add_argument("directory", metavar="DIR", nargs="?", help="the folder (default: one called like the file)")
    add.add_argument("--name", action="append", metavar="NAME", help="only this variable; may be given again")
    add.set_defaults(run=_export)
    _add_json(add)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")


def _list(parsed: argparse.Namespace) -> dict[str, Any]:
    found = run(lambda progress: snapshots(parsed.folder, progress=progress))
    lines = [f"{words.plural(len(found), 'snapshot')} in {Path(parsed.folder).absolute()}."]
    for one in found:
        when = "" if one.created is None else words.age(max(time.time() - one.created, 0))
        lines.append(
            f"  {one.path.name}: "
            + (one.problem or f"{words.size(one.size)}, {when}, {words.plural(len(one.names), 'variable')}")
        )
    told = [{**asdict(one), "path": str(one.path)} for one in found]
    return {"status": "ok", "message": lines[0], "lines": lines[1:], "snapshots": told}


def _show(parsed: argparse.Namespace) -> dict[str, Any]:
    found: Contents = run(lambda progress: contents(parsed.file, progress=progress))
    head = f"{found.path.name} ({found.kind}) holds {words.plural(len(found.variables), 'variable')}."
    lines = [f"  {_line(variable, signed=found.signed)}" for variable in found.variables]
    return {**asdict(found), "path": str(found.path), "status": "ok", "message": head, "lines": lines}


def _line(variable: SavedVariable, *, signed: bool) -> str:
    parts = [variable.type, variable.shape, words.size(variable.size) if variable.size else "", variable.note]
    if variable.needs and not signed:
        parts.append(f"would run {', '.join(variable.needs[:3])}")
    status = "" if variable.status == "saved" else f" [{variable.status}]"
    return f"{variable.name}{status}: {', '.join(part for part in parts if part)}"


def _export(parsed: argparse.Namespace) -> dict[str, Any]:
    folder = parsed.directory or Path(parsed.file).name.partition(".")[0] or "export"
    found = run(lambda progress: export_snapshot(parsed.file, folder, names=parsed.name, progress=progress))
    return {
        "status": found.status,
        "message": f"Exported {words.plural(len(found.files), 'file')} into {found.directory}.",
        "files": [str(path) for path in found.files],
        "skipped": [list(pair) for pair in found.skipped],
    }
