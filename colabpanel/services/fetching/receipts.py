"""Which files were fetched from where, so that one that is there as it is need not come again."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from colabpanel.services.files import write_atomic
from colabpanel.services.web.answers import Version

__all__ = ["Receipts"]

_FILE = "fetched.json"
_MOST = 500


class Receipts:
    """The latest receipts, kept in the state folder.

    Args:
        state_dir: The folder, or None to keep none.
    """

    def __init__(self, state_dir: str | None) -> None:
        self._path = Path(state_dir) / _FILE if state_dir else None

    def holds(self, target: Path, key: str, version: Version) -> bool:
        """Whether this version of a file stands at its place, unchanged since it was fetched."""
        try:
            status = target.stat()
        except OSError:
            return False
        there = [key, *version, status.st_size, status.st_mtime_ns]
        return version.is_told_apart and self._all().get(str(target)) == there

    def keep(self, target: Path, key: str, version: Version) -> None:
        """Remember a file that was fetched; a disk that refuses is no reason to fail."""
        if self._path is None or not version.is_told_apart:
            return
        with contextlib.suppress(OSError):
            status, receipts = target.stat(), self._all()
            receipts.pop(str(target), None)
            receipts[str(target)] = [key, *version, status.st_size, status.st_mtime_ns]
            latest = dict(list(receipts.items())[-_MOST:])
            write_atomic(self._path, json.dumps(latest).encode())

    def _all(self) -> dict[str, Any]:
        if self._path is None:
            return {}
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
