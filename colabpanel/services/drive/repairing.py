"""Bringing a Drive back that is mounted and does not answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from colabpanel import words
from colabpanel.errors import ColabPanelError, HostError, JobCancelledError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.drive.folder import DriveFolder
from colabpanel.services.drive.mounting import MOUNT_SECONDS, detach_if_sick, leave, mount_patiently, unmount_drive
from colabpanel.services.mounts import MOUNTS, mounted_at
from colabpanel.services.saves import saves

__all__ = ["RepairedDrive", "repair_drive"]

_MOST_DOUBTS = 5
_FLUSH_SECONDS = 60.0
"""Seconds a sick Drive may take to write out what is pending; a healthy one has ten minutes."""


@dataclass(frozen=True)
class RepairedDrive:
    """A Drive that was mounted anew.

    Attributes:
        drive: Where it is.
        steps: What was done, in sentences.
        unsure: What was saved to it in this session while nobody knows whether it has arrived.
    """

    drive: DriveFolder
    steps: tuple[str, ...]
    unsure: tuple[Path, ...]


def repair_drive(*, host: Host | None = None, mounts: Path = MOUNTS, progress: Progress | None = None) -> RepairedDrive:
    """Write out what can be written out, then mount Drive anew. On Colab only.

    Args:
        host: The notebook host; None detects it.
        mounts: The list of mounts.
        progress: Is told what it waits for, and may stop the waiting.

    Raises:
        HostError: The host cannot, or Drive did not come back.
    """
    host, progress = host or detect(), progress or Progress()
    place = host.drive_mountpoint
    if place is None:
        raise HostError(f"{host.name} mounts no Drive by itself.", hint="Reconnect the folder where it is mounted.")
    steps: list[str] = []
    if leave(place):
        steps.append(f"The working folder is {Path.cwd()} now: it was on Drive.")
    unsure = tuple(save.path for save in saves() if place in save.path.parents)
    flushed = not mounted_at(place, mounts) or _flushed(host, steps, progress)
    doubts = [] if flushed else [_doubt(save.path, save.when) for save in saves() if save.path in unsure]
    try:
        detached = detach_if_sick(place, host, mounts, progress)
        if detached:
            steps.append("It did not answer, and was detached.")
        force = detached or not flushed
        drive = mount_patiently(place, host, readonly=False, force=force, timeout=MOUNT_SECONDS, progress=progress)
    except JobCancelledError:
        raise
    except ColabPanelError as error:
        # Whoever hears that Drive did not come back must hear what may be lost, too.
        error.hint = " ".join([error.hint, *doubts[:_MOST_DOUBTS]]).strip()
        raise
    return RepairedDrive(drive, (*steps, f"Drive is mounted at {place}.", *doubts), () if flushed else unsure)


def _flushed(host: Host, steps: list[str], progress: Progress) -> bool:
    try:
        unmount_drive(timeout=_FLUSH_SECONDS, host=host, progress=progress)
    except JobCancelledError:
        raise
    except ColabPanelError as error:
        steps.append(f"What was pending could not be written out: {error.message}")
        return False
    steps.append("What was pending was written out.")
    return True


def _doubt(path: Path, when: float) -> str:
    age = words.age(max(time.time() - when, 0.0))
    return f"{path.name} was saved {age}; whether all of it has reached Drive cannot be told. Look at it."
