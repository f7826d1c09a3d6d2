"""Transfers as the panel puts them into its queue."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.errors import ColabPanelError, HostError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.drive import find_drive
from colabpanel.services.skipped import Skipped
from colabpanel.services.transfer.chosen import ChosenFiles
from colabpanel.services.transfer.incoming import plan_upload
from colabpanel.services.transfer.link import Link, Patience
from colabpanel.services.transfer.models import Overwrite, Route
from colabpanel.services.transfer.queued import Outcome, Transfer
from colabpanel.services.transfer.receiving import receive
from colabpanel.services.transfer.service import received_summary, send_to_browser, sent_summary

__all__ = ["download_transfer", "upload_transfer"]

_MOST_NAMED = 200


def download_transfer(
    paths: Sequence[str],
    *,
    host: Host,
    link: Link | None,
    only: str = "",
    route: Route | None = None,
    drive: str | None = None,
    patience: Patience | None = None,
) -> Transfer:
    """Return a download for the queue; see `send_to_browser` for what the arguments mean."""

    def work(progress: Progress) -> Outcome:
        sent = send_to_browser(
            list(paths),
            host=host,
            link=link,
            only=only,
            route=route,
            drive=drive or _drive_of(host),
            patience=patience,
            progress=progress,
        )
        hint = "" if sent.sha256 or sent.link else "Your browser shows how far it is."
        return Outcome(sent.status, sent_summary(sent), sent.size, hint, sent.link, _listed(sent.skipped))

    again: dict[str, Any] = {"paths": list(paths), "only": only, "route": route}
    return Transfer("download", _title(paths), work, _absolute(paths), again=again)


def _drive_of(host: Host) -> str | None:
    """Return where Drive is, on hosts that mount it; one that does not answer is no way for a file."""
    if host.drive_mountpoint is None:
        return None
    try:
        found = find_drive(host=host)
    except ColabPanelError:
        return None
    return None if found is None else str(found.root)


def _title(paths: Sequence[str]) -> str:
    first = Path(paths[0]).name or paths[0]
    return first if len(paths) == 1 else f"{first} and {words.plural(len(paths) - 1, 'other')}"


def upload_transfer(
    chosen: ChosenFiles,
    directory: str,
    *,
    host: Host,
    link: Link,
    overwrite: Overwrite = "ask",
    patience: Patience | None = None,
) -> Transfer:
    """Return an upload for the queue; see `plan_upload` for what the arguments mean.

    Raises:
        HostError: The dashboard replaces nothing.
    """
    if host.is_served and overwrite == "replace":
        raise HostError("The dashboard replaces nothing.", hint="Choose to keep both.")

    def work(progress: Progress) -> Outcome:
        progress.start(None, "Looking at the folder")
        plan = plan_upload(chosen.files, directory, overwrite=overwrite, root=host.root, progress=progress)
        received = receive(link, plan, transfer=chosen.transfer, page=chosen.page, progress=progress, patience=patience)
        return Outcome(received.status, received_summary(received), received.size, details=_listed(received.skipped))

    first = chosen.files[0].path
    more = len(chosen.files) - 1
    title = f"{first} and {words.plural(more, 'other')}" if more else first
    return Transfer(
        "upload", f"{title} into {Path(directory).name or directory}", work, _absolute([directory]), chosen.page
    )


def _absolute(paths: Sequence[str]) -> tuple[str, ...]:
    """Return paths that mean the same in another folder, links in them not followed."""
    return tuple(map(os.path.abspath, paths))


def _listed(skipped: Sequence[Skipped]) -> str:
    rows = [f"{member}: {reason}" for member, reason in skipped[:_MOST_NAMED]]
    if len(skipped) > _MOST_NAMED:
        rows.append(f"and {words.count(len(skipped) - _MOST_NAMED)} more")
    return "\n".join(rows)
