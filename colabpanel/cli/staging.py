"""``colabpanel stage``, ``plan``, ``pack`` and ``copy``."""

from __future__ import annotations

import argparse
import getpass
import os
from dataclasses import asdict
from typing import Any, get_args

from colabpanel import words
from colabpanel.cli.terminal import run, tell
from colabpanel.errors import ColabPanelError, InputError
from colabpanel.hosts import detect
from colabpanel.services.copying.models import CopiedData
from colabpanel.services.copying.service import copy, copy_summary, mirror
from colabpanel.services.sources.addresses import is_address, name_of
from colabpanel.services.staging.history import History, pack_summary, stage_and_record, summary
from colabpanel.services.staging.models import PackedData, Plan, StagedData
from colabpanel.services.staging.packing.service import pack
from colabpanel.services.staging.request import Overwrite
from colabpanel.services.staging.service import plan

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to a parser."""
    staging = _staging_options()
    add = commands.add_parser("stage", parents=[staging], help="unpack an archive into a folder")
    add.add_argument("--no-resume", action="store_true", help="begin anew instead of going on where it stopped")
    add.set_defaults(run=_stage)
    add = commands.add_parser("plan", parents=[staging], help="tell what stage would do, and write nothing")
    add.set_defaults(run=_plan)
    _add_pack(commands.add_parser("pack", help="pack the files of a folder into an archive"))
    _add_copy(commands.add_parser("copy", help="copy a file, or what has changed of a folder, and verify it"))


def _staging_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "source",
        metavar="SRC",
        help="a zip, 7z or tar archive, or a .gz, .bz2, .xz or .zst file; a path, or an https:// or s3:// address",
    )
    options.add_argument("directory", metavar="DST", help="the target folder")
    options.add_argument(
        "--include", action="append", default=[], metavar="PATTERN", help="only such files, as '*.jpg'"
    )
    options.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="leave such files out")
    options.add_argument("--first-per-folder", type=int, metavar="N", help="only the first N files of each folder")
    options.add_argument(
        "--overwrite",
        choices=get_args(Overwrite),
        default="changed",
        help="files that are there already; changed, the default, replaces what differs",
    )
    options.add_argument("--workers", type=int, metavar="N", help="how many workers unpack a zip archive")
    options.add_argument(
        "--ask-password", action="store_true", help="ask for the password (or set COLABPANEL_PASSWORD)"
    )
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return options


def _add_pack(pack: argparse.ArgumentParser) -> None:
    pack.add_argument("directory", metavar="SRC", help="the folder")
    pack.add_argument("archive", metavar="DST", help="the archive to write, ending in .zip or .tar.zst")
    pack.add_argument("--shard-size", type=int, metavar="MB", help="several archives, each of so many MB of files")
    pack.add_argument("--level", type=int, metavar="N", help="how hard to compress; 0 stores")
    pack.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    pack.set_defaults(run=_pack)


def _add_copy(copying: argparse.ArgumentParser) -> None:
    copying.add_argument("source", metavar="SRC", help="a file or a folder")
    copying.add_argument("target", metavar="DST", help="where it goes; nothing there is deleted")
    copying.add_argument(
        "--every", type=float, metavar="MINUTES", help="copy again every so many minutes, until it is interrupted"
    )
    copying.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    copying.set_defaults(run=_copy)


def _chosen(parsed: argparse.Namespace) -> dict[str, Any]:
    password = os.environ.get("COLABPANEL_PASSWORD")
    if parsed.ask_password:
        try:
            password = getpass.getpass("Password of the archive: ")
        except EOFError:
            raise InputError("No password was given.", hint="Set COLABPANEL_PASSWORD where nobody can type.") from None
    return {
        "include": parsed.include,
        "exclude": parsed.exclude,
        "first_per_folder": parsed.first_per_folder,
        "overwrite": parsed.overwrite,
        "password": password,
        "workers": parsed.workers,
    }


def _stage(parsed: argparse.Namespace) -> dict[str, Any]:
    options = {**_chosen(parsed), "resume": not parsed.no_resume}
    history = History(detect().state_dir)
    source, directory = _absolute(parsed.source), _absolute(parsed.directory)
    staged: StagedData = run(lambda progress: stage_and_record(progress, history, source, directory, **options))
    return {
        "status": staged.status,
        "message": summary(staged),
        "files": staged.files,
        "bytes": staged.size,
        "kept": staged.kept,
        "skipped": [list(pair) for pair in staged.skipped],
    }


def _absolute(path: str) -> str:
    """Return a path that means the same later, in the list of recent stagings; an empty one stays wrong."""
    if is_address(path):
        return path
    return os.path.abspath(path) if path.strip() else path  # noqa: PTH100


def _pack(parsed: argparse.Namespace) -> dict[str, Any]:
    shard_size = None if parsed.shard_size is None else parsed.shard_size << 20
    options = {"shard_size": shard_size, "level": parsed.level}
    packed: PackedData = run(lambda progress: pack(parsed.directory, parsed.archive, progress=progress, **options))
    return {
        "status": packed.status,
        "message": pack_summary(packed),
        "files": packed.files,
        "bytes": packed.size,
        "packed": packed.packed,
        "archives": [str(path) for path in packed.archives],
        "reused": packed.reused,
        "skipped": [list(pair) for pair in packed.skipped],
    }


def _copy(parsed: argparse.Namespace) -> dict[str, Any]:
    if parsed.every is None:
        return _of_copying(run(lambda progress: copy(parsed.source, parsed.target, progress=progress)))

    def tell_round(outcome: CopiedData | ColabPanelError) -> None:
        if isinstance(outcome, ColabPanelError):
            tell({"status": outcome.status, "message": outcome.message, "hint": outcome.hint}, as_json=parsed.json)
        else:
            tell(_of_copying(outcome), as_json=parsed.json)

    return run(
        lambda progress: mirror(
            parsed.source, parsed.target, minutes=parsed.every, on_round=tell_round, progress=progress
        )
    )


def _of_copying(copied: CopiedData) -> dict[str, Any]:
    return {
        "status": copied.status,
        "message": copy_summary(copied),
        "files": copied.files,
        "bytes": copied.size,
        "unchanged": copied.unchanged,
        "skipped": [list(pair) for pair in copied.skipped],
    }


def _plan(parsed: argparse.Namespace) -> dict[str, Any]:
    found: Plan = run(lambda progress: plan(parsed.source, parsed.directory, progress=progress, **_chosen(parsed)))
    facts = {**asdict(found), "source": str(found.source), "directory": str(found.directory)}
    if found.problem:
        return {**facts, "status": "rejected", "message": found.problem, "hint": found.hint}
    if found.format is None:
        size = "" if found.archive_size is None else f", {words.size(found.archive_size)},"
        message = f"The server gives the archive{size} only whole: it would be brought to the disk first."
        return {**facts, "status": "ok", "message": message}
    files = "an unknown number of files" if found.files is None else words.plural(found.files, "file")
    size = "" if found.size is None else f", {words.size(found.size)}"
    if found.reusable:
        name = name_of(str(found.source))
        return {**facts, "status": "ok", "message": f"{name} is in {found.directory} already, whole."}
    time = "" if found.seconds is None else f" in about {words.duration(found.seconds)}"
    return {**facts, "status": "ok", "message": f"{files}{size} would be unpacked into {found.directory}{time}."}
