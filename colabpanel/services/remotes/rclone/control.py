"""Asking a running rclone to do something, and waiting for it without being deaf to a cancel."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from colabpanel.errors import SourceLostError
from colabpanel.progress import Progress
from colabpanel.services.remotes.rclone.daemon import Daemon, running_rclone
from colabpanel.services.remotes.rclone.failures import as_error

__all__ = ["ask", "kind_of", "login_of", "work"]

_TO_ANSWER = 30.0
_LOOK_EVERY = 0.1


def ask(command: str, arguments: Mapping[str, Any], *, name: str = "rclone", path: str = "") -> dict[str, Any]:
    """Ask something that is answered at once.

    Args:
        command: What rclone calls it ("operations/list").
        arguments: What it takes.
        name: The remote it is about, for the words of an error.
        path: The path there, for the same.

    Raises:
        ColabPanelError: rclone could not do it.
    """
    daemon = running_rclone()
    try:
        status, body = _post(daemon, command, arguments)
    except (OSError, http.client.HTTPException) as error:
        raise SourceLostError(
            f"rclone does not answer: {type(error).__name__}.", hint="Try again: it is started anew."
        ) from error
    answer: dict[str, Any] = json.loads(body or b"{}")
    if status != http.client.OK:
        raise as_error(str(answer.get("error", "")), name, path)
    return answer


def kind_of(name: str) -> str:
    """Return what is behind a remote, as rclone names it; a remote may also be made by the environment."""
    told = os.environ.get(f"RCLONE_CONFIG_{name.upper().replace('-', '_')}_TYPE")
    return told or str(ask("config/get", {"name": name}, name=name).get("type", "")) or "unknown"


def login_of(daemon: Daemon) -> str:
    """Return the header that proves who asks."""
    return f"Basic {base64.b64encode(':'.join(daemon.login).encode()).decode()}"


def _post(daemon: Daemon, command: str, arguments: Mapping[str, Any]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=_TO_ANSWER)
    headers = {"Content-Type": "application/json", "Authorization": login_of(daemon)}
    with contextlib.closing(connection):
        connection.request("POST", f"/{command}", json.dumps(arguments), headers)
        response = connection.getresponse()
        return response.status, response.read()


def work(
    command: str,
    arguments: Mapping[str, Any],
    *,
    progress: Progress,
    name: str,
    path: str = "",
    counting: bool = False,
) -> dict[str, Any]:
    """Ask for something that takes long; cancelling stops it.

    Args:
        command: What rclone calls it.
        arguments: What it takes.
        progress: May cancel it.
        name: The remote it is about, for the words of an error.
        path: The path there, for the same.
        counting: Whether ``progress`` is told the bytes that go over the wire.

    Raises:
        JobCancelledError: ``progress`` cancelled it, and rclone has stopped.
        ColabPanelError: rclone could not do it.
    """
    group = f"colabpanel/{uuid.uuid4().hex}"
    job = ask(command, {**arguments, "_async": True, "_group": group}, name=name, path=path)["jobid"]
    pause, told = threading.Event(), 0
    try:
        while True:
            status = ask("job/status", {"jobid": job}, name=name, path=path)
            if counting:
                done = int(ask("core/stats", {"group": group, "short": True}).get("bytes", 0))
                progress.advance(max(done - told, 0))
                told = max(done, told)
            if status["finished"]:
                break
            progress.advance(0)
            pause.wait(_LOOK_EVERY)
    except BaseException:
        _stop(job)
        raise
    if not status["success"]:
        raise as_error(str(status.get("error", "")), name, path)
    output: dict[str, Any] = status.get("output") or {}
    return output


def _stop(job: int) -> None:
    """Stop a job, and wait until it has: what it writes to is tidied up next."""
    with contextlib.suppress(Exception):
        ask("job/stop", {"jobid": job})
        pause = threading.Event()
        for _ in range(30):
            if ask("job/status", {"jobid": job})["finished"]:
                return
            pause.wait(_LOOK_EVERY)
