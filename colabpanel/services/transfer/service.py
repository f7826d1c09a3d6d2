"""The call of a download: finds out what it is, chooses the way, and goes it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from colabpanel import words
from colabpanel.errors import HostError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.transfer.by_hand import send_by_drive, send_by_helper
from colabpanel.services.transfer.link import Link, Patience, Talk
from colabpanel.services.transfer.models import Received, Route, Sent
from colabpanel.services.transfer.outgoing import Outgoing, outgoing
from colabpanel.services.transfer.routes import choose_route
from colabpanel.services.transfer.sending import send

__all__ = ["received_summary", "send_to_browser", "sent_summary"]


def send_to_browser(
    paths: str | Path | Sequence[str | Path],
    *,
    host: Host,
    link: Link | None = None,
    only: str = "",
    route: Route | None = None,
    drive: str | Path | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Sent:
    """Hand files to the browser, which saves them.

    One file goes as it is; a folder, and several files, go as one zip archive that is made while
    it is sent.

    Args:
        paths: A file, a folder, or several of them.
        host: The notebook host; its ``root`` is not left.
        link: The line to the page, or None where there is none.
        only: A pattern such as ``*.png``, for the names of files in folders; empty takes all.
        route: The way to take; None chooses by host and size.
        drive: The folder on Google Drive for the route ``drive``.
        patience: How long the page may be silent.
        progress: Is told the bytes of the files, and may cancel.

    Raises:
        InputError: A path cannot be used, or there is nothing to send.
        HostError: No route is open, or the page does not answer or cannot.
        StorageError: A file cannot be read, or what arrived is not what was sent.
        JobCancelledError: ``progress`` cancelled it.
    """
    started, progress = time.monotonic(), progress or Progress()
    progress.start(None, "Looking at the files")
    source = outgoing(paths, only=only, root=host.root, progress=progress)
    chosen = choose_route(
        source, host=host, link=link, has_drive=bool(drive) and host.drive_mountpoint is not None, route=route
    )
    size: int | None = source.size
    digest, where = None, ""
    if chosen == "files":
        assert link is not None
        if not _opened(source, host, link, progress, patience):
            if route is not None:
                raise HostError(
                    f"The notebook's server does not hand out {source.name}.",
                    hint="It may lie in a hidden folder. Leave out route to send it through the notebook.",
                )
            chosen = "comm"
    if chosen == "comm":
        assert link is not None
        size, digest = send(link, source, progress, patience=patience)
    elif chosen == "colab":
        size = send_by_helper(source, host, progress)
    elif chosen == "drive":
        assert drive is not None
        size, where = send_by_drive(source, host, Path(drive), progress)
    return Sent(
        status="partial" if source.skipped else "ok",
        name=source.name,
        route=chosen,
        files=len(source.files) - _unread(source),
        size=size if size is not None else source.amount,
        sha256=digest,
        link=where,
        skipped=tuple(source.skipped),
        seconds=time.monotonic() - started,
    )


def _unread(source: Outgoing) -> int:
    names = {file.name for file in source.files}
    return sum(left.member in names for left in source.skipped)


def _opened(source: Outgoing, host: Host, link: Link, progress: Progress, patience: Patience | None) -> bool:
    """Let the page open the server's own address; False where the server does not hand the file out."""
    progress.start(None, "Opening the link")
    fields = {"url": host.file_url(source.path), "name": source.name, "size": source.amount}
    with Talk(link, patience=patience) as talk:
        return bool(talk.ask("address", ["opened", "no address"], progress, **fields)["kind"] == "opened")


def sent_summary(sent: Sent) -> str:
    """Say what became of a download in one sentence."""
    if sent.route == "drive":
        return f"{sent.name}, {words.size(sent.size)}, was copied to Google Drive."
    if sent.route in {"files", "colab"}:
        return f"{sent.name}, {words.size(sent.size)}, was handed to your browser."
    what = "" if sent.files == 1 else f" with {words.plural(sent.files, 'file')}"
    text = f"Downloaded {sent.name}{what}, {words.size(sent.size)}, in {words.duration(sent.seconds)}, verified"
    if sent.skipped:
        text += f"; {words.plural(len(sent.skipped), 'entry was', 'entries were')} left out"
    return text + "."


def received_summary(received: Received) -> str:
    """Say what became of an upload in one sentence."""
    files = words.plural(len(received.files), "file")
    text = f"Uploaded {files}, {words.size(received.size)}, in {words.duration(received.seconds)}"
    text += f" into {os.fspath(received.directory)}"
    if received.resumed:
        text += f"; {words.size(received.resumed)} of them had come before"
    if received.skipped:
        text += f"; {words.plural(len(received.skipped), 'file was', 'files were')} left out"
    return text + "."
