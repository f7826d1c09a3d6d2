"""Mounting and unmounting Google Drive on Colab, with the second try that its known race needs."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from colabpanel.errors import HostError, MountFailedError, PathError, StorageError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.drive.diagnosis import diagnose, log_sizes
from colabpanel.services.drive.folder import DriveFolder, inspect_drive_folder, own_folder
from colabpanel.services.drive.health import drive_health
from colabpanel.services.isolated import call_isolated
from colabpanel.services.mounts import MOUNTS, mounted_at
from colabpanel.services.paths import anchored, resolve_inside
from colabpanel.services.waiting import result_of

__all__ = [
    "FLUSH_SECONDS",
    "MOUNT_SECONDS",
    "detach_if_sick",
    "leave",
    "mount_drive",
    "mount_patiently",
    "unmount_drive",
]

MOUNT_SECONDS, FLUSH_SECONDS = 120.0, 600.0
"""How long Drive may take to mount, and to write out what is pending (Google's own limit for that is a day)."""

_LOOK_DEADLINE = 5.0
_LOOK_EVERY = 0.5
_BETWEEN_TRIES = 2.0

_WAITING = "Mounting Drive: allow it in the window that opens, once no cell runs"
_STARTING = "Mounting Drive"


def mount_drive(
    mountpoint: str | Path | None = None,
    *,
    readonly: bool = False,
    force: bool = False,
    timeout: float = MOUNT_SECONDS,
    host: Host | None = None,
    mounts: Path = MOUNTS,
    progress: Progress | None = None,
) -> DriveFolder:
    """Mount Google Drive; the host asks the user for consent. On Colab only.

    It runs on the main thread, so from another thread it waits until no cell runs. Where Drive's own program gives up,
    as it is known to do now and then, it is tried once more.

    Args:
        mountpoint: An empty folder; None takes the host's usual one (``/content/drive``).
        readonly: Whether to refuse writing.
        force: Whether to mount anew if it is mounted already; what is pending is written out first.
        timeout: Seconds Drive may take.
        host: The notebook host; None detects it.
        mounts: The list of mounts.
        progress: Is told what it waits for, and may stop the waiting.

    Raises:
        PathError: The folder cannot be a mountpoint.
        HostError: The host cannot, or Drive refused; the hint says what to do.
        StorageError: It mounted, but its folder does not answer.
    """
    host, progress = host or detect(), progress or Progress()
    place = Path(anchored(mountpoint, host.root)) if mountpoint is not None else host.drive_mountpoint
    if place is None:
        raise HostError(
            f"{host.name} cannot mount Google Drive by itself.",
            hint="Choose a folder that serves as Drive, such as the one Google Drive for desktop makes.",
        )
    if mountpoint is not None and host.root is not None:
        resolve_inside(host.root, mountpoint)
    if not mounted_at(place, mounts):
        _insist_on_mountpoint(place, progress)
    elif not force:
        return _mounted_already(place, host, mounts, progress)
    else:
        leave(place)
        unmount_drive(host=host, progress=progress)
        detach_if_sick(place, host, mounts, progress)
    drive = mount_patiently(place, host, readonly=readonly, force=force, timeout=timeout, progress=progress)
    host.drive_mountpoint = place  # from now on it is looked at, repaired and unmounted there
    return drive


def _mounted_already(place: Path, host: Host, mounts: Path, progress: Progress) -> DriveFolder:
    health = drive_health(place, host=host, mounts=mounts, progress=progress)
    if health.state != "ok":
        raise StorageError(health.sentence, hint=health.hint)
    return DriveFolder(inspect_drive_folder(own_folder(place)), place)


def mount_patiently(
    place: Path, host: Host, *, readonly: bool, force: bool, timeout: float, progress: Progress
) -> DriveFolder:
    """Mount, and once more where Drive's program gives up without a reason that is known; see `mount_drive`."""
    written = log_sizes(host.drive_logs)
    for is_last in (False, True):
        progress.start(None, _WAITING, unit="seconds")
        mounting = host.on_main_thread(lambda: host.mount_drive(place, readonly=readonly, force=force, timeout=timeout))
        try:
            result_of(mounting, _Phases(progress, host, mounting))
        except MountFailedError as error:
            found = diagnose(host.drive_logs, reason=error.message, after=written)
            if found is not None:
                raise HostError(f"Drive did not mount. {found.sentence}", hint=found.hint) from error
            if is_last:
                raise HostError(f"{error.message} It was tried twice.", hint=error.hint) from error
            _pause(_BETWEEN_TRIES, progress)
        else:
            break
    return DriveFolder(inspect_drive_folder(own_folder(place)), place)


def _pause(seconds: float, progress: Progress) -> None:
    progress.start(None, "Drive gave up; it often works the second time", unit="seconds")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        progress.advance(0)
        time.sleep(0.1)


class _Phases(Progress):
    """Tells when the consent was given and Drive's program runs, as far as that can be seen from outside."""

    def __init__(self, progress: Progress, host: Host, mounting: Future[None]) -> None:
        self._progress, self._host, self._mounting = progress, host, mounting
        self._starting, self._next = False, 0.0

    def advance(self, amount: int = 1) -> None:
        now = time.monotonic()
        if not self._starting and now >= self._next and self._mounting.running():
            self._next = now + _LOOK_EVERY
            if self._host.drive_is_starting():
                self._starting = True
                self._progress.start(None, _STARTING, unit="seconds")
        self._progress.advance(amount)


def _insist_on_mountpoint(place: Path, progress: Progress) -> None:
    """Refuse what Drive's program would refuse, and more clearly, before anybody is asked for consent."""
    if " " in str(place):
        raise PathError("Colab cannot mount Drive at a path with a space.", hint="Use /content/drive.")
    found = call_isolated(
        "colabpanel.services.drive.mounting:look_here",
        {"path": str(place)},
        progress=progress,
        deadline=_LOOK_DEADLINE,
    )
    if found:
        raise PathError(found, hint="Use /content/drive, or choose another folder that is empty.")


def look_here(path: str, progress: Progress) -> str:
    """Return why a folder can be no mountpoint, or nothing."""
    progress.advance(0)
    place = Path(path)
    if place.is_symlink():
        return f"{path} is a link, and Drive needs a real folder."
    if not place.exists():
        return "" if place.parent.is_dir() else f"{place.parent}, in which the mountpoint should be, does not exist."
    if not place.is_dir():
        return f"{path} is a file, and Drive needs a folder."
    with os.scandir(place) as entries:
        full = next(iter(entries), None) is not None
    return f"{path} already contains files, so Drive cannot be mounted there." if full else ""


def leave(mountpoint: Path) -> bool:
    """Go to the folder above a mountpoint where the working folder is below it; returns whether it was.

    A process that stays in there keeps the mount busy, and its relative paths are dead once it is mounted anew.
    """
    try:
        here: Any = Path.cwd()
    except OSError:  # the folder is gone, or its disk is
        here = Path(os.environ.get("PWD", "/"))
    if here != mountpoint and mountpoint not in here.parents:
        return False
    os.chdir(mountpoint.parent)
    return True


def detach_if_sick(place: Path, host: Host, mounts: Path, progress: Progress) -> bool:
    """Take a Drive that does not answer out of the folder tree; returns whether it was one.

    ``google.colab`` looks into the mountpoint before it mounts anew, on the main thread: one that hangs would hold up
    the notebook for ever.

    Raises:
        HostError: It hangs and cannot be taken out.
    """
    if not drive_health(place, host=host, deadline=_LOOK_DEADLINE, mounts=mounts, progress=progress).is_sick:
        return False
    try:
        command = ["umount", "--lazy", os.fspath(place)]
        subprocess.run(command, check=True, capture_output=True, timeout=_LOOK_DEADLINE)
    except (OSError, subprocess.SubprocessError) as error:
        raise HostError(
            f"{place} does not answer, and cannot be detached.",
            hint="Restart the runtime. Copy what you need from its disk first; Drive's copy may lack the newest.",
        ) from error
    return True


def unmount_drive(
    *, timeout: float = FLUSH_SECONDS, host: Host | None = None, progress: Progress | None = None
) -> None:
    """Write out what is pending and unmount Google Drive. On Colab only.

    Where the working folder is on Drive, it is the one above Drive afterwards.

    Args:
        timeout: Seconds the writing may take.
        host: The notebook host; None detects it.
        progress: Is told what it waits for, and may stop the waiting.

    Raises:
        HostError: The host cannot, or not everything could be written out.
    """
    host, progress = host or detect(), progress or Progress()
    progress.start(None, "Writing out and unmounting Drive", unit="seconds")
    if host.drive_mountpoint is not None:
        leave(host.drive_mountpoint)
    result_of(host.on_main_thread(lambda: host.unmount_drive(timeout=timeout)), progress)
