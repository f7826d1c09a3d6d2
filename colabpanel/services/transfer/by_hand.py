"""The routes on which somebody else carries the file: Colab's helper, and Google Drive."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from urllib.parse import quote

from colabpanel import words
from colabpanel.errors import HostError, SpaceError, StorageError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.browsing.naming import free_name
from colabpanel.services.copying.service import copy
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.files import free_bytes
from colabpanel.services.transfer.outgoing import Outgoing
from colabpanel.services.waiting import apart, result_of

__all__ = ["link_on_drive", "send_by_drive", "send_by_helper"]

_OUTBOX = "outbox"
_KEPT = 3600.0
"""Seconds an archive is kept for the helper, which reads it while the browser takes it and does not say when it has."""

_ON_DRIVE = "colabpanel downloads"
_DRIVE = "https://drive.google.com"


def send_by_helper(source: Outgoing, host: Host, progress: Progress) -> int:
    """Let the host's own helper send it; returns the bytes.

    A folder is packed into a file first, for the helper takes nothing else.

    Raises:
        HostError: The archive is too large for the helper, or the helper refused.
        SpaceError: There is no room for the archive.
    """
    path = _packed(source, host, progress) if source.packed else source.path
    size = apart(lambda _: path.stat().st_size, progress)
    if size > host.sends_up_to:
        raise HostError(
            f"{source.name} is {words.size(size)}, too large for the helper of {host.name}.",
            hint="Mount Google Drive, and take the route 'drive'.",
        )
    progress.start(None, f"Handing it to {host.name}")
    result_of(host.on_main_thread(lambda: host.send_file(path)), progress)
    return size


def send_by_drive(source: Outgoing, host: Host, drive: Path, progress: Progress) -> tuple[int, str]:
    """Copy it into a folder on Google Drive, verified, beside what is there; returns the bytes, and a link to it.

    Raises:
        StorageError: It could not be written.
    """
    local = _packed(source, host, progress) if source.packed else source.path
    try:
        copied = copy(
            local, apart(lambda _: _place_on_drive(drive / _ON_DRIVE, source.name), progress), progress=progress
        )
    finally:
        if source.packed:
            shutil.rmtree(local.parent, ignore_errors=True)
    if copied.skipped:
        raise StorageError(
            f"{source.name} was not copied to Google Drive: {copied.skipped[0].reason}.", hint="Try again."
        )
    return copied.size, apart(lambda _: link_on_drive(copied.target), progress)


@disk_errors_in_words()
def _place_on_drive(folder: Path, name: str) -> Path:
    return folder / (free_name(folder, name) if os.path.lexists(folder / name) else name)


def link_on_drive(path: Path) -> str:
    """Return an address of a file on Drive: its own where the mount tells the file's id, else a search for its name."""
    with contextlib.suppress(OSError, AttributeError):
        name = os.getxattr(path, "user.drive.id").decode("ascii", "ignore")
        if name:
            return f"{_DRIVE}/file/d/{quote(name)}/view"
    return f"{_DRIVE}/drive/search?q={quote(path.name)}"


@disk_errors_in_words()
def _packed(source: Outgoing, host: Host, progress: Progress) -> Path:
    """Write the archive into a folder of its own in the state folder, which is on the local disk."""
    outbox = host.state_dir / _OUTBOX
    outbox.mkdir(parents=True, exist_ok=True)
    _sweep(outbox)
    if source.amount > free_bytes(outbox):
        raise SpaceError(f"There is no room to pack {source.name}.", hint="Free some space on the local disk.")
    path = outbox / f"{time.time_ns()}" / source.name
    path.parent.mkdir()
    try:
        progress.start(source.amount, "Packing")
        with path.open("wb") as stream:
            for piece in source.pieces(progress):
                stream.write(piece.data)
                progress.advance(piece.amount)
    except BaseException:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise
    return path


def _sweep(outbox: Path) -> None:
    for folder in outbox.iterdir():
        if time.time() - folder.stat().st_mtime > _KEPT:
            shutil.rmtree(folder, ignore_errors=True)
