"""The list of earlier transfers, kept in the state folder."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colabpanel.services.files import write_atomic

__all__ = ["PastTransfer", "TransferHistory"]

_LOG = logging.getLogger("colabpanel")
_FILE = "transfers.json"
_MOST = 100
_SAVING = threading.Lock()


@dataclass(frozen=True)
class PastTransfer:
    """One transfer that has ended.

    Attributes:
        key: Tells it from the others.
        kind: ``download`` or ``upload``.
        title: What was sent, in a few words.
        ended: Seconds since the epoch.
        status: ``ok``, ``partial``, ``rejected``, ``failed`` or ``cancelled``.
        message: The outcome in one sentence.
        size: Bytes, or None.
        paths: What on this machine it touched.
        again: What it takes to do it again: keyword arguments, as JSON; empty where that is not possible.
    """

    key: str
    kind: str
    title: str
    ended: float
    status: str
    message: str
    size: int | None = None
    paths: list[str] = field(default_factory=list)
    again: dict[str, Any] = field(default_factory=dict)


class TransferHistory:
    """Earlier transfers, newest first.

    Args:
        state_dir: The folder to keep the list in.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE

    def entries(self) -> list[PastTransfer]:
        """Return the list; one that cannot be read is empty."""
        try:
            return [PastTransfer(**row) for row in json.loads(self._path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return []

    def add(self, entry: PastTransfer) -> None:
        """Put a transfer on top."""
        with _SAVING:
            self._save([entry, *self.entries()])

    def clear(self, keys: Collection[str] | None = None) -> None:
        """Forget these, or all of them; files stay where they are."""
        with _SAVING:
            self._save([] if keys is None else [entry for entry in self.entries() if entry.key not in keys])

    def _save(self, entries: list[PastTransfer]) -> None:
        try:
            write_atomic(self._path, json.dumps([asdict(entry) for entry in entries[:_MOST]], indent=1).encode())
        except OSError as error:  # a list that cannot be kept is no reason to fail a transfer
            _LOG.warning("The list of transfers cannot be kept: %s", error)
