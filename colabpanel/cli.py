"""The command line: ``colabpanel stage``, ``plan``, ``pack``, ``copy`` and ``serve``.

Each command ends with one line: a sentence, or with ``--json`` one JSON object. Exit
codes: 0 done, 3 partly done, 1 rejected or failed, 2 wrong usage, 130 cancelled.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar, get_args

from colabpanel import __version__, words
from colabpanel.errors import ColabPanelError
from colabpanel.hosts import detect
from colabpanel.jobs import Job, JobRunner, JobSnapshot
from colabpanel.progress import Progress
from colabpanel.services.copying.models import CopiedData
from colabpanel.services.copying.service import copy, copy_summary, mirror
from colabpanel.services.staging.history import History, pack_summary, stage_and_record, summary
from colabpanel.services.staging.models import PackedData, Plan, StagedData
from colabpanel.services.staging.packing.service import pack
from colabpanel.services.staging.request import Overwrite
from colabpanel.services.staging.service import plan

__all__ = ["main"]

T = TypeVar("T")

_EXIT_CODES = {"ok": 0, "partial": 3, "rejected": 1, "failed": 1, "cancelled": 130}
_LOOK_EVERY = 0.2
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
    _tell(answer, as_json=parsed.json)
    return _EXIT_CODES[answer["status"]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="colabpanel", description="Stage data, and serve the panel as a dashboard.")
    parser.add_argument("--version", action="version", version=f"colabpanel {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    staging = _staging_options()
    add = commands.add_parser("stage", parents=[staging], help="unpack an archive into a folder")
    add.add_argument("--no-resume", action="store_true", help="begin anew instead of going on where it stopped")
    add.set_defaults(run=_stage)
    add = commands.add_parser("plan", parents=[staging], help="tell what stage would do, and write nothing")
    add.set_defaults(run=_plan)
    _add_pack(commands.add_parser("pack", help="pack the files of a folder into an archive"))
    _add_copy(commands.add_parser("copy", help="copy a file, or what has changed of a folder, and verify it"))
    _add_serve(commands.add_parser("serve", help="serve the panel as a dashboard on this machine"))
    return parser


def _staging_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("source", metavar="SRC", help="a zip, 7z or tar archive, or a .gz, .bz2, .xz or .zst file")
    options.add_argument("directory", metavar="DST", help="the target folder")
    options.add_argument(
        "--include", action="append", default=[], metavar="PATTERN", help="only such files, as '*.jpg'"
    )
    options.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="leave such files out")
    options.add_argument("--first-per-folder", type=int, metavar="N", help="only the first N files of each folder")
    options.add_argument(
        "--overwrite", choices=get_args(Overwrite), default="changed", help="files that are there already"
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


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--root", default=".", help="the only folder it may touch (default: the current one)")
    serve.add_argument("--port", type=int, default=0, help="the port (default: any that is free)")
    serve.add_argument("--ip", default="127.0.0.1", help="the address to listen on (default: this machine only)")
    serve.add_argument("--theme", choices=("light", "dark"), default="light")
    serve.add_argument("--no-browser", action="store_true", help="only print the URL")
    serve.add_argument("--sample", action="store_true", help="put a small sample archive into the root")
    serve.add_argument(
        "--cull-after", type=int, default=300, metavar="SECONDS", help="end the kernel of a closed page after"
    )
    serve.add_argument("--json", action="store_true", help="print the URL as a JSON object")
    serve.set_defaults(run=_serve)


def _chosen(parsed: argparse.Namespace) -> dict[str, Any]:
    password = os.environ.get("COLABPANEL_PASSWORD")
    if parsed.ask_password:
        password = getpass.getpass("Password of the archive: ")
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
    staged: StagedData = _run(lambda progress: stage_and_record(progress, history, source, directory, **options))
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
    return os.path.abspath(path) if path.strip() else path  # noqa: PTH100


def _pack(parsed: argparse.Namespace) -> dict[str, Any]:
    shard_size = None if parsed.shard_size is None else parsed.shard_size << 20
    options = {"shard_size": shard_size, "level": parsed.level}
    packed: PackedData = _run(lambda progress: pack(parsed.directory, parsed.archive, progress=progress, **options))
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
        return _of_copying(_run(lambda progress: copy(parsed.source, parsed.target, progress=progress)))

    def tell(outcome: CopiedData | ColabPanelError) -> None:
        if isinstance(outcome, ColabPanelError):
            _tell({"status": outcome.status, "message": outcome.message, "hint": outcome.hint}, as_json=parsed.json)
        else:
            _tell(_of_copying(outcome), as_json=parsed.json)

    return _run(
        lambda progress: mirror(parsed.source, parsed.target, minutes=parsed.every, on_round=tell, progress=progress)
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
    found: Plan = _run(lambda progress: plan(parsed.source, parsed.directory, progress=progress, **_chosen(parsed)))
    facts = {**asdict(found), "source": str(found.source), "directory": str(found.directory)}
    if found.problem:
        return {**facts, "status": "rejected", "message": found.problem, "hint": found.hint}
    files = "an unknown number of files" if found.files is None else words.plural(found.files, "file")
    size = "" if found.size is None else f", {words.size(found.size)}"
    if found.reusable:
        return {**facts, "status": "ok", "message": f"{found.source.name} is in {found.directory} already, whole."}
    time = "" if found.seconds is None else f" in about {words.duration(found.seconds)}"
    return {**facts, "status": "ok", "message": f"{files}{size} would be unpacked into {found.directory}{time}."}


def _serve(parsed: argparse.Namespace) -> dict[str, Any]:
    from colabpanel.app.launcher import serve

    def announce(url: str) -> None:
        print(json.dumps({"url": url}) if parsed.json else f"The dashboard is at {url}", flush=True)

    serve(
        parsed.root,
        announce,
        port=parsed.port,
        ip=parsed.ip,
        theme=parsed.theme,
        open_browser=not parsed.no_browser,
        sample=parsed.sample,
        cull_after=parsed.cull_after,
    )
    return {"status": "ok", "message": "The dashboard has stopped."}


def _run(work: Callable[[Progress], T]) -> T:
    """Do long work with its progress in the terminal; an interrupt cancels it."""
    runner = JobRunner()
    job: Job[T] = runner.submit("command", work)
    earlier = {name: signal.signal(name, lambda *_: job.cancel()) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        while True:
            try:
                job.exception(timeout=_LOOK_EVERY)
            except TimeoutError:
                _draw(job.snapshot())
            else:
                return job.result()
    finally:
        _draw(None)
        for name, handler in earlier.items():
            signal.signal(name, handler)


def _draw(snapshot: JobSnapshot | None) -> None:
    """Draw one line of progress on a terminal, or wipe it."""
    if not sys.stderr.isatty():
        return
    line = ""
    if snapshot is not None:
        share = "" if snapshot.fraction is None else f" {snapshot.fraction:.0%}"
        rate = f", {words.size(snapshot.rate)}/s" if snapshot.rate and snapshot.unit == "bytes" else ""
        left = f", {words.duration(snapshot.seconds_left)} left" if snapshot.seconds_left else ""
        line = f"{snapshot.description}{share}{rate}{left}"
    sys.stderr.write(f"\r\x1b[K{line}")
    sys.stderr.flush()


def _tell(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer), flush=True)
        return
    stream = sys.stdout if _EXIT_CODES[answer["status"]] in {0, 3} else sys.stderr
    print(_printable(answer["message"]), file=stream, flush=True)
    for member, reason in answer.get("skipped", ()):
        print(_printable(f"  skipped {member}: {reason}"), file=sys.stderr)
    if answer.get("hint"):
        print(_printable(answer["hint"]), file=stream)


def _printable(text: str) -> str:
    """Return text that cannot steer a terminal, however a member is named."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
