"""Whether what was made in this session is safe, should its machine go away now: what is known, and what is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from colabpanel import words
from colabpanel.errors import ColabPanelError, JobCancelledError, StorageError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.checkpoints.service import Checkpoints, active_checkpoints
from colabpanel.services.drive.safety import drive_safety
from colabpanel.services.mounts import is_remote
from colabpanel.services.saves import SafeSave, saves
from colabpanel.services.waiting import apart

__all__ = ["SafetyCheck", "insist_on_safety", "look_whether_safe"]


@dataclass(frozen=True)
class SafetyCheck:
    """Something that was looked at.

    Attributes:
        state: ``safe``; ``risk`` where something may be lost or cannot be told; ``unsafe`` where something failed.
        sentence: What was found.
        hint: What to do about it, or nothing.
    """

    state: Literal["safe", "risk", "unsafe"]
    sentence: str
    hint: str = ""


def look_whether_safe(
    host: Host, *, changed_since: float | None = None, progress: Progress | None = None
) -> tuple[SafetyCheck, ...]:
    """Look at the last cell, at the checkpoints that are open, and at what was saved in this session.

    It waits until checkpoints are written and on their mirrors. Files that other means have saved are not known of.

    Args:
        host: The notebook host.
        changed_since: When the last cell began, in seconds since 1970, or None where that is not known.
        progress: May cancel the waiting.
    """
    progress = progress or Progress()
    progress.start(None, "Looking whether everything is safe", unit="seconds")
    return (*_last_cell(host), *_open_checkpoints(progress), apart(lambda _: _newest_save(changed_since), progress))


def insist_on_safety(checks: Sequence[SafetyCheck], *, anyway: bool) -> None:
    """Refuse to go on where something failed; likewise where something may be lost, unless ``anyway``.

    Raises:
        ColabPanelError: With the first such finding.
    """
    for state in ("unsafe", "risk"):
        found = next((check for check in checks if check.state == state), None)
        if found is not None and not (state == "risk" and anyway):
            allow = " Or allow it nevertheless (anyway=True)." if state == "risk" else ""
            raise ColabPanelError(f"{found.sentence} Nothing was released.", hint=found.hint + allow)


def _last_cell(host: Host) -> Iterator[SafetyCheck]:
    if threading.current_thread() is threading.main_thread():  # a cell that has come this far asks, and has not failed
        return
    if host.last_cell_failed():
        yield SafetyCheck(
            "unsafe",
            "The last cell ended with an error or was interrupted.",
            "Run it again, or any cell once you have seen to it.",
        )
    else:
        yield SafetyCheck("safe", "The last cell ended without an error.")


def _open_checkpoints(progress: Progress) -> Iterator[SafetyCheck]:
    for store in active_checkpoints():
        try:
            found = apart(lambda _, store=store: _checkpoints_of(store), progress)  # type: ignore[misc]
        except JobCancelledError:
            raise
        except ColabPanelError as error:
            yield SafetyCheck("unsafe", f"Checkpoints in {store.directory} are not safe: {error.message}", error.hint)
        else:
            if found is not None:
                yield found


def _checkpoints_of(store: Checkpoints) -> SafetyCheck | None:
    """Wait until the checkpoints of a store are where they belong, and tell where that is; None if there are none.

    Raises:
        ColabPanelError: They did not come there.
    """
    store.wait()
    table = store.table()
    if not table:
        return None
    newest = table[-1].name
    if store.mirror is not None and "mirror" in table[-1].places and is_remote(store.mirror):
        return SafetyCheck("safe", f"{newest} is verified in {store.mirror}.")
    return SafetyCheck(
        "risk",
        f"{newest} in {store.directory} is on this machine only.",
        "Open Checkpoints with mirror= set to a folder on Drive: what is missing there is copied.",
    )


def _newest_save(changed_since: float | None) -> SafetyCheck:
    known = saves()
    elsewhere = next((save for save in known if is_remote(save.path)), None)
    if not known:
        return SafetyCheck(
            "risk",
            "colabpanel has saved nothing in this session, so whether your work is safe is not known.",
            "Save what you need to Drive with Dump/Load, or copy it there.",
        )
    newest = known[0]
    if elsewhere is None or elsewhere.when < newest.when:
        return SafetyCheck(
            "risk", f"{_called(newest.path)} is on this machine only, as far as is known.", "Copy it to Drive."
        )
    if changed_since is not None and elsewhere.when < changed_since:
        later = words.duration(changed_since - elsewhere.when)
        return SafetyCheck(
            "risk",
            f"The last cell began {later} after {_called(elsewhere.path)} was saved.",
            "Save what that cell has made, if you need it.",
        )
    return _not_there_yet(known) or SafetyCheck("safe", f"{_called(elsewhere.path)} {_saved(elsewhere)}.")


def _not_there_yet(known: Sequence[SafeSave]) -> SafetyCheck | None:
    """Return what Drive has not uploaded; where it does not tell, what was read back counts, and None is returned."""
    for save in known:
        if not is_remote(save.path):
            continue
        try:
            found = drive_safety(save.path)
        except StorageError as error:
            return SafetyCheck(
                "risk",
                f"Whether {save.path.name} has reached Drive cannot be told: {error.message}",
                "Look at Drive in the Drive tab, and repair it there.",
            )
        except ColabPanelError:  # it was moved or deleted since
            continue
        if found.count("on its way"):
            return SafetyCheck(
                "risk",
                f"{save.path.name} is written, but not all of it has reached Drive yet.",
                "Wait a minute, or unmount Drive in the Drive tab: that writes out everything.",
            )
    return None


def _called(path: Path) -> str:
    return f"The newest save, {path.name},"


def _saved(save: SafeSave) -> str:
    return f"is on Drive or a network, {words.age(max(time.time() - save.when, 0.0))}"
