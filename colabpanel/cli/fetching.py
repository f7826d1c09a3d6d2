"""``colabpanel fetch``."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from colabpanel.cli.terminal import run
from colabpanel.services.fetching.models import Fetched
from colabpanel.services.fetching.service import fetch, fetch_summary
from colabpanel.services.staging.request import Overwrite

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    add = commands.add_parser("fetch", help="bring the file behind an address or a share link here, and verify it")
    add.add_argument(
        "url", metavar="URL", help="an address, or a share link of Drive, Dropbox, Hugging Face and others"
    )
    add.add_argument("directory", metavar="DIR", nargs="?", default=".", help="the folder; this one if none is named")
    add.add_argument("--name", metavar="NAME", help="what to call the file; else the server names it")
    add.add_argument("--sha256", metavar="HEX", help="the checksum it must have")
    add.add_argument("--md5", metavar="HEX", help="the checksum it must have")
    add.add_argument("--overwrite", choices=get_args(Overwrite), default="changed", help="a file that is there already")
    add.add_argument("--unpack", action="store_true", help="unpack it into the folder as well")
    add.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add.set_defaults(run=_fetch)


def _fetch(parsed: argparse.Namespace) -> dict[str, Any]:
    options = {key: getattr(parsed, key) for key in ("name", "sha256", "md5", "overwrite", "unpack")}
    fetched: Fetched = run(lambda progress: fetch(parsed.url, parsed.directory, progress=progress, **options))
    unpacked = fetched.unpacked
    skipped = [*fetched.skipped, *(unpacked.skipped if unpacked else ())]
    return {
        "status": fetched.status,
        "message": fetch_summary(fetched),
        "path": str(fetched.path),
        "files": fetched.files,
        "bytes": fetched.size,
        "reused": fetched.reused,
        "resumed": fetched.resumed,
        "checked": list(fetched.checked),
        "unpacked": unpacked.files if unpacked else None,
        "skipped": [list(pair) for pair in skipped],
    }
