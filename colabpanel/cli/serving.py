"""``colabpanel serve``."""

from __future__ import annotations

import argparse
import json
from typing import Any

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    _add_serve(commands.add_parser("serve", help="serve the panel as a dashboard on this machine"))


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--root", default=".", help="the only folder it may touch (default: the current one)")
    serve.add_argument("--port", type=int, default=0, help="the port (default: any that is free)")
    serve.add_argument("--ip", default="127.0.0.1", help="the address to listen on (default: this machine only)")
    serve.add_argument("--theme", choices=("light", "dark"), default="light")
    serve.add_argument("--no-browser", action="store_true", help="only print the URL")
    serve.add_argument("--sample", action="store_true", help="put a small sample archive into the root")
    serve.add_argument(
        "--remote",
        action="append",
        default=[],
        metavar="NAME[:rw]",
        help="a remote of rclone, or drive, that visitors may read; with :rw also write to (may be given again)",
    )
    serve.add_argument(
        "--cull-after", type=int, default=300, metavar="SECONDS", help="end the kernel of a closed page after"
    )
    serve.add_argument("--json", action="store_true", help="print the URL as a JSON object")
    serve.set_defaults(run=_serve)


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
        remotes=parsed.remote,
    )
    return {"status": "ok", "message": "The dashboard has stopped."}
