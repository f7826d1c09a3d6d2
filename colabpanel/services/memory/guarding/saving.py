"""The guard's snapshot: variables saved while there is little memory left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.errors import InputError, SpaceError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.snapshots.models import Snapshot
from colabpanel.services.snapshots.namespace import user_variables
from colabpanel.services.snapshots.panel_calls import new_name
from colabpanel.services.snapshots.service import DumpDraft, draft, write
from colabpanel.services.snapshots.sizes import size_of
from colabpanel.services.waiting import result_of

__all__ = ["Saved", "save_variables"]

_OWN = "colabpanel."
_SHARE = 0.5  # of the free memory that pickles may take


@dataclass(frozen=True)
class Saved:
    """What became of the guard's snapshot.

    Attributes:
        snapshot: The file.
        left_out: What is not in it, each with the reason, as sentences.
    """

    snapshot: Snapshot
    left_out: tuple[str, ...]


def save_variables(
    host: Host, folder: Path | str, names: Sequence[str] | None, *, free: int | None, waiting: Progress
) -> Saved:
    """Save variables of the notebook into a new snapshot, once no cell runs.

    Arrays are written from where they are. Objects of Python are pickled, so those are left out for whose pickles
    there is no room.

    Args:
        host: Has the variables.
        folder: Where the snapshot is made; it is made, too, if need be.
        names: The variables; None takes all.
        free: Bytes of memory that are free, or None where that is unknown.
        waiting: May cancel while a cell still runs.

    Raises:
        ColabPanelError: As for `dump`.
    """
    left_out: dict[str, str] = {}

    def take() -> DumpDraft:
        chosen = _chosen(user_variables(host), names, left_out)
        fitting = chosen if free is None else _fitting(chosen, free, left_out)
        if chosen and not fitting:
            raise SpaceError(" ".join(_sentences(left_out)), hint="Let the guard save earlier, or save arrays.")
        return draft(fitting)

    drafted = result_of(host.on_main_thread(take), waiting)
    snapshot = write(Path(folder) / new_name("guard"), drafted, root=host.root)
    left_out |= {variable.name: variable.note for variable in snapshot.skipped}
    return Saved(snapshot, _sentences(left_out))


def _sentences(left_out: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{name} could not be saved: {reason}" for name, reason in left_out.items())


def _chosen(there: dict[str, Any], names: Sequence[str] | None, left_out: dict[str, str]) -> dict[str, Any]:
    if names is None:
        return {name: value for name, value in there.items() if not _is_ours(value)}
    left_out |= {name: "there is no variable of this name." for name in names if name not in there}
    found = {name: there[name] for name in names if name in there}
    if not found:
        raise InputError("None of the chosen variables exists.", hint="Choose others for the guard to save.")
    return found


def _is_ours(value: Any) -> bool:
    """Whether it is a panel, or the guard itself, which nobody wants to have saved."""
    return type(value).__module__.startswith(_OWN)


def _fitting(chosen: dict[str, Any], free: int, left_out: dict[str, str]) -> dict[str, Any]:
    """Return those that can be pickled in the memory that is left, the small ones first."""
    pickled = {name: size_of(value).pickled for name, value in chosen.items()}
    room, kept = int(free * _SHARE), set()
    for name in sorted(pickled, key=lambda name: pickled[name]):
        room -= pickled[name]
        if room >= 0:
            kept.add(name)
        else:
            left_out[name] = f"it takes about {words.size(pickled[name])} of memory, which is not there."
    return {name: value for name, value in chosen.items() if name in kept}
