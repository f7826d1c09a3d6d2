"""``colabpanel remote list``, ``quota``, ``put`` and ``get``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from colabpanel import words
from colabpanel.cli.terminal import run
from colabpanel.services.remotes.models import RemoteEntry
from colabpanel.services.remotes.service import get_remote, list_remote, put_remote, remote_quota, remotes
from colabpanel.services.remotes.summaries import put_summary, quota_summary

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to a parser."""
    remote = commands.add_parser("remote", help="list, read and write rclone's remotes: Drive, Dropbox, S3 and others")
    actions = remote.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("list", help="the remotes, or what is in a folder of one")
    add.add_argument("address", metavar="NAME:PATH", nargs="?", help="the folder; without it, the remotes")
    add.set_defaults(run=_list)
    _add_json(add)
    add = actions.add_parser("quota", help="how much room a remote has")
    add.add_argument("address", metavar="NAME:", help="the remote")
    add.set_defaults(run=_quota)
    _add_json(add)
    add = actions.add_parser("put", help="copy a file to a remote, and verify it")
    add.add_argument("file", metavar="FILE")
    add.add_argument("address", metavar="NAME:PATH", help="where to; with a slash at its end, a folder")
    _add_carrying(add, _put)
    add = actions.add_parser("get", help="copy a file from a remote, and verify it")
    add.add_argument("address", metavar="NAME:PATH")
    add.add_argument("path", metavar="PATH", nargs="?", default=".", help="where to; in a folder, it keeps its name")
    _add_carrying(add, _get)


def _add_carrying(parser: argparse.ArgumentParser, action: Any) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace a file of that name")
    parser.set_defaults(run=action)
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")


def _list(parsed: argparse.Namespace) -> dict[str, Any]:
    if parsed.address is None:
        found = remotes()
        message = f"rclone knows {words.plural(len(found), 'remote')}."
        lines = [f"  {one.name}: ({one.kind})" for one in found]
        told = [{"name": one.name, "kind": one.kind} for one in found]
        return {"status": "ok", "message": message, "lines": lines, "remotes": told}
    folder = run(lambda progress: list_remote(parsed.address, progress=progress))
    return {
        "status": "ok",
        "message": f"{folder.address} holds {words.plural(len(folder.entries), 'entry', 'entries')}.",
        "lines": [_line(entry) for entry in folder.entries],
        "address": folder.address,
        "entries": [asdict(entry) for entry in folder.entries],
    }


def _line(entry: RemoteEntry) -> str:
    size = "" if entry.size is None else words.size(entry.size)
    when = "" if entry.modified is None else words.moment(entry.modified)
    return f"  {size:>12}  {when:16}  {entry.name}{'/' if entry.is_folder else ''}"


def _quota(parsed: argparse.Namespace) -> dict[str, Any]:
    found = run(lambda progress: remote_quota(parsed.address, progress=progress))
    return {**asdict(found), "status": "ok", "message": quota_summary(found)}


def _put(parsed: argparse.Namespace) -> dict[str, Any]:
    put = run(lambda progress: put_remote(parsed.file, parsed.address, overwrite=parsed.overwrite, progress=progress))
    facts = {"address": put.address, "files": 1, "bytes": put.size, "checked": put.checked}
    return {"status": "ok", "message": put_summary(put), **facts}


def _get(parsed: argparse.Namespace) -> dict[str, Any]:
    got = run(lambda progress: get_remote(parsed.address, parsed.path, overwrite=parsed.overwrite, progress=progress))
    facts = {"path": got.path, "files": 1, "bytes": got.size, "checked": got.checked}
    return {"status": "ok", "message": f"Brought {got.path}, {words.size(got.size)}.", **facts}
