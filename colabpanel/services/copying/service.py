"""The calls of copying. The work is done in a child process, so a hung Drive can be left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from colabpanel import words
from colabpanel.errors import ColabPanelError, InputError, JobCancelledError, SpaceError
from colabpanel.hosts import state_dir
from colabpanel.progress import Progress
from colabpanel.services.copying.models import CopiedData
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored
from colabpanel.services.skipped import Skipped

__all__ = ["copy", "copy_summary", "mirror"]

_LOOK = 0.25
_LONGEST = 1e6


def copy(
    source: str | Path, target: str | Path, *, root: str | Path | None = None, progress: Progress | None = None
) -> CopiedData:
    """Copy a file, or what is new or changed of a folder, and verify it.

    Each file is written beside its place, read back, and only then put there. Nothing is
    deleted at the target, and links are not followed.

    Args:
        source: A file or a folder.
        target: For a file, its new name, or the folder it goes into: one that exists, or whose name ends
            in a slash. For a folder, the folder that shall hold the same files.
        root: Refuse paths outside of this folder.
        progress: Is told the bytes copied, and may cancel; whole files stay, half ones do not.

    Returns:
        What was copied. ``status`` is ``partial`` when files were left out.

    Raises:
        InputError: A path cannot be used, or there is no room.
        StorageError: The disk or Drive failed; calling again goes on.
        JobCancelledError: ``progress`` cancelled it.
    """
    started = time.monotonic()
    arguments = {
        "source": anchored(source, root),
        "target": anchored(target, root),
        "into_folder": os.fspath(target).endswith(("/", os.sep)),
        "root": None if root is None else os.fspath(root),
        "state_dir": os.fspath(state_dir()),
    }
    found = call_isolated("colabpanel.services.copying.engine:copy_here", arguments, progress=progress)
    return CopiedData(
        status=found["status"],
        target=Path(found["target"]),
        files=found["files"],
        size=found["size"],
        unchanged=found["unchanged"],
        skipped=tuple(Skipped(*pair) for pair in found["skipped"]),
        seconds=time.monotonic() - started,
    )


def mirror(
    source: str | Path,
    target: str | Path,
    *,
    minutes: float = 10,
    root: str | Path | None = None,
    on_round: Callable[[CopiedData | ColabPanelError], None] | None = None,
    progress: Progress | None = None,
) -> NoReturn:
    """Copy now and again every so many minutes, until it is cancelled.

    A round that fails because the disk or Drive does is told and tried again when its time comes, and so is
    any that fails after one that went well.

    Args:
        source: See `copy`.
        target: See `copy`.
        minutes: From the end of a round to the next.
        root: Refuse paths outside of this folder.
        on_round: Is told what became of each round.
        progress: Cancels it; is told how each round goes on.

    Raises:
        InputError: A path cannot be used.
        JobCancelledError: ``progress`` cancelled it.
    """
    if not 0 < minutes < _LONGEST:
        raise InputError("minutes must be more than 0.", hint="Write minutes=10.")
    progress, went_well = progress or Progress(), False
    slash = "/" if os.fspath(target).endswith(("/", os.sep)) else ""
    source, target = anchored(source, root), anchored(target, root) + slash  # whatever the working folder is later
    while True:
        try:
            outcome: CopiedData | ColabPanelError = copy(source, target, root=root, progress=progress)
            went_well = True
        except JobCancelledError:
            raise
        except ColabPanelError as error:
            if isinstance(error, InputError) and not isinstance(error, SpaceError) and not went_well:
                raise
            outcome = error
        if on_round is not None:
            on_round(outcome)
        at = time.strftime("%H:%M", time.localtime(time.time() + minutes * 60))
        progress.start(None, f"Waiting, again at {at}", unit="rounds")
        due = time.monotonic() + minutes * 60
        while time.monotonic() < due:
            progress.advance(0)
            time.sleep(_LOOK)


def copy_summary(copied: CopiedData) -> str:
    """Say what became of a copying in one sentence."""
    if not copied.files and not copied.skipped:
        return (
            f"Nothing has changed: {words.plural(copied.unchanged, 'file is', 'files are')} in {copied.target} already."
        )
    text = (
        f"Copied {words.plural(copied.files, 'file')}, {words.size(copied.size)}, "
        f"in {words.duration(copied.seconds)} to {copied.target}"
    )
    if copied.unchanged:
        text += f"; {words.count(copied.unchanged)} had not changed"
    if copied.skipped:
        text += f"; {words.plural(len(copied.skipped), 'was', 'were')} left out"
    return text + "."
