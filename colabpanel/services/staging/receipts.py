"""Receipts of finished stagings: an archive that was staged into a folder is verified there, not unpacked again.

A receipt names the archive by its identity. It holds as long as every file that the
archive would give is in the folder, with its size and its time; so a file that was
changed or deleted since is noticed, and the archive is unpacked again.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from colabpanel.services.files import write_atomic
from colabpanel.services.staging.archive import Kind, Listing
from colabpanel.services.staging.partial import Outcome
from colabpanel.services.staging.request import Request
from colabpanel.services.staging.triage import triage
from colabpanel.services.staging.zips.entries import modified_at
from colabpanel.services.staging.zips.reader import ZipReader

__all__ = ["Receipts"]

_MOST = 50
_MOST_FILES = 500_000
_CLOCK = 2.0
"""Seconds by which two times of one file may differ: file systems round them."""

File = tuple[str, int, float | None]


class Receipts:
    """The receipts kept in the state folder, one for each target.

    Args:
        request: Names the state folder; without one nothing is kept.
    """

    def __init__(self, request: Request) -> None:
        self._folder = Path(request.state_dir) / "receipts" if request.state_dir else None

    def _path(self, directory: Path) -> Path | None:
        name = f"{zlib.crc32(os.fsencode(directory)):08x}"  # two folders of one name only evict each other
        return self._folder / f"{name}.json" if self._folder else None

    def still_holds(self, identity: list[Any], directory: Path, reader: Listing, request: Request) -> bool:
        """Whether the archive is in the folder already, whole and unchanged."""
        found = self.find(identity, directory, request)
        if found is None:
            return False
        files = _of_zip(reader, request) if isinstance(reader, ZipReader) else found["listing"]
        return all(_is_there(directory, *file) for file in files)

    def find(self, identity: list[Any], directory: Path, request: Request) -> dict[str, Any] | None:
        """Return the receipt of this archive in this folder, whose files are not yet looked at."""
        path = self._path(directory)
        if path is None or not request.resume or request.overwrite == "always":
            return None
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            matches = found["identity"] == json.loads(json.dumps(identity)) and found["directory"] == str(directory)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if matches else None

    def keep(self, identity: list[Any], directory: Path, outcome: Outcome, reader: Listing) -> None:
        """Write a receipt; a disk that refuses is no reason to fail."""
        path = self._path(directory)
        if path is None or outcome.skipped or outcome.files > _MOST_FILES:
            return
        listing = None if isinstance(reader, ZipReader) else outcome.listing
        if listing is not None and len(listing) != outcome.files:
            return
        receipt = {
            "identity": identity,
            "directory": str(directory),
            "files": outcome.files,
            "size": outcome.size,
            "listing": listing,
        }
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, json.dumps(receipt).encode())
            _drop_oldest(path.parent)


def _drop_oldest(folder: Path) -> None:
    receipts = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for path in receipts[:-_MOST]:
        path.unlink(missing_ok=True)


def _of_zip(reader: ZipReader, request: Request) -> Iterable[File]:
    for member, place in triage(reader, request, folds_case=False):
        if isinstance(place, tuple) and member.kind is Kind.FILE:
            yield "/".join(place), member.size, modified_at(reader.entry(member.number))


def _is_there(directory: Path, name: str, size: int, modified: float | None) -> bool:
    try:
        status = os.stat(f"{directory}/{name}", follow_symlinks=False)  # noqa: PTH116 - for each file
    except (OSError, ValueError):
        return False
    same_time = modified is None or abs(status.st_mtime - modified) <= _CLOCK
    return stat.S_ISREG(status.st_mode) and status.st_size == size and same_time
