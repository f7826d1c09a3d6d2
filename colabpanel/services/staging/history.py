"""The list of recent stagings, kept in the state folder."""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.errors import ColabPanelError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.files import alone_with, is_alive, write_atomic
from colabpanel.services.sources.addresses import shown_address
from colabpanel.services.staging.models import PackedData, StagedData
from colabpanel.services.staging.service import stage

__all__ = ["History", "HistoryEntry", "pack_summary", "stage_and_record", "summary"]

_LOG = logging.getLogger("colabpanel")
_FILE = "stagings.json"
_MOST = 50


@dataclass(frozen=True)
class HistoryEntry:
    """One staging.

    Attributes:
        key: Tells it from the others.
        source: The archive; of one elsewhere, its address without what may be secret in it.
        directory: The target folder.
        started: Seconds since the epoch.
        process: The process that ran it.
        status: ``running``, ``interrupted``, ``ok``, ``partial``, ``rejected``, ``failed``
            or ``cancelled``.
        message: The outcome in one sentence.
        files: Files staged, or None.
        size: Their bytes, or None.
        options: The keyword arguments of `stage`, the password left out.
    """

    key: str
    source: str
    directory: str
    started: float
    process: int
    status: str = "running"
    message: str = ""
    files: int | None = None
    size: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def resumable(self) -> bool:
        """Whether part of the work may be lying beside the target."""
        return self.status in {"cancelled", "interrupted", "failed"}


class History:
    """Recent stagings, newest first.

    Args:
        state_dir: The folder to keep the list in.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE

    def entries(self) -> list[HistoryEntry]:
        """Return the list; a staging whose process is gone reads as interrupted."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            entries = [HistoryEntry(**row) for row in rows]
        except (OSError, ValueError, TypeError):
            return []
        return [_with_true_status(entry) for entry in entries]

    def begin(self, source: str, directory: str, options: dict[str, Any]) -> HistoryEntry:
        """Add a staging that starts now, in place of an ended one of the same archive to the same folder."""
        entry = HistoryEntry(uuid.uuid4().hex, source, directory, time.time(), os.getpid(), options=options)
        pair = (source, directory)
        with alone_with(self._path):
            others = [
                other
                for other in self.entries()
                if (other.source, other.directory) != pair or other.status == "running"
            ]
            self._save([entry, *others])
        return entry

    def finish(
        self, entry: HistoryEntry, status: str, message: str, *, files: int | None = None, size: int | None = None
    ) -> None:
        """Note how a staging ended."""
        ended = replace(entry, status=status, message=message, files=files, size=size)
        with alone_with(self._path):
            self._save([ended if other.key == entry.key else other for other in self.entries()])

    def forget(self, key: str) -> None:
        """Drop one staging from the list."""
        with alone_with(self._path):
            self._save([entry for entry in self.entries() if entry.key != key])

    def clear(self, keys: Collection[str] | None = None) -> None:
        """Drop the stagings that have ended; those that run or can be resumed stay.

        Args:
            keys: Only of these; None means of all.
        """
        with alone_with(self._path):
            kept = [
                entry
                for entry in self.entries()
                if entry.status == "running" or entry.resumable or (keys is not None and entry.key not in keys)
            ]
            self._save(kept)

    def _save(self, entries: list[HistoryEntry]) -> None:
        rows = [asdict(entry) for entry in entries[:_MOST]]
        try:
            write_atomic(self._path, json.dumps(rows, indent=1).encode())
        except OSError as error:  # a list that cannot be kept is no reason to fail a staging
            _LOG.warning("The list of recent stagings cannot be kept: %s", error)


def _with_true_status(entry: HistoryEntry) -> HistoryEntry:
    if entry.status == "running" and not is_alive(entry.process, since=entry.started):
        return replace(entry, status="interrupted", message="Its process ended while it ran.")
    return entry


def stage_and_record(
    progress: Progress,
    /,
    history: History,
    source: str,
    directory: str,
    *,
    password: str | None = None,
    root: Path | None = None,
    host: Host | None = None,
    **options: Any,
) -> StagedData:
    """Call `stage` and keep its outcome in the list, however it ends."""
    kept = {name: value for name, value in options.items() if name != "resume"}  # going on means to resume it
    entry = history.begin(shown_address(source), directory, kept)
    try:
        staged = stage(source, directory, password=password, root=root, host=host, progress=progress, **options)
    except ColabPanelError as error:
        history.finish(entry, error.status, error.message)
        raise
    except BaseException:
        history.finish(entry, "failed", "Unexpected error.")
        raise
    history.finish(entry, staged.status, summary(staged), files=staged.files, size=staged.size)
    return staged


def pack_summary(packed: PackedData) -> str:
    """Say what became of a packing in one sentence."""
    where = packed.archives[0] if len(packed.archives) == 1 else words.plural(len(packed.archives), "archive")
    text = (
        f"Packed {words.plural(packed.files, 'file')}, {words.size(packed.size)}, into {where}, "
        f"{words.size(packed.packed)}, in {words.duration(packed.seconds)}"
    )
    if packed.reused:
        text += f"; {words.count(packed.reused)} of them were taken over unchanged"
    if packed.skipped:
        text += f"; {words.plural(len(packed.skipped), 'entry was', 'entries were')} left out"
    return text + "."


def summary(staged: StagedData) -> str:
    """Say what became of a staging in one sentence."""
    if staged.reused:
        files = words.plural(staged.files, "file")
        return f"All {files}, {words.size(staged.size)}, are in {staged.directory} already; nothing was unpacked."
    text = (
        f"Unpacked {words.plural(staged.files, 'file')}, {words.size(staged.size)}, "
        f"in {words.duration(staged.seconds)} into {staged.directory}"
    )
    if staged.kept:
        text += f"; {words.count(staged.kept)} of them were there already"
    if staged.skipped:
        text += f"; {words.plural(len(staged.skipped), 'member was', 'members were')} skipped"
    return text + "."
