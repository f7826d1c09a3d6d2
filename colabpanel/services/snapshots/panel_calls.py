"""What the panel does with snapshots: the public calls, with the notebook's variables and a file's name."""

from __future__ import annotations

import keyword
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, PathError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.snapshots.catalog import contents, prune_snapshots, snapshots
from colabpanel.services.snapshots.folder import SUFFIX
from colabpanel.services.snapshots.models import Contents, Snapshot
from colabpanel.services.snapshots.namespace import user_variables
from colabpanel.services.snapshots.service import draft, insist_on_any, load, write
from colabpanel.services.waiting import between_cells

__all__ = ["Dumped", "dump_chosen", "load_chosen", "new_name"]


@dataclass(frozen=True)
class Dumped:
    """What was saved from the panel.

    Attributes:
        snapshot: What became of the variables.
        deleted: Older snapshots that were deleted.
    """

    snapshot: Snapshot
    deleted: Sequence[Path]


def new_name(name: str) -> str:
    """Return a file's name for a snapshot that is made now.

    Raises:
        InputError: It cannot be part of a file's name.
    """
    name = name.strip() or "snapshot"
    if name != Path(name).name or name.startswith(".") or not name.isprintable():
        raise InputError(f"A snapshot cannot be called {name!r}.", hint="Use letters, digits and dashes.")
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S')}{SUFFIX}"


def dump_chosen(
    progress: Progress,
    /,
    host: Host,
    folder: str,
    name: str,
    names: Sequence[str],
    *,
    incremental: bool = False,
    keep: int | None = None,
) -> Dumped:
    """Save variables of the notebook into a new snapshot in a folder.

    They are taken apart on the main thread, once no cell runs, so no object is looked at while it changes.

    Args:
        progress: Is told the bytes written, and may cancel.
        host: Has the variables.
        folder: Where snapshots are.
        name: What the file is called, before the date.
        names: The variables.
        incremental: Build on the newest snapshot of this name, if there is one.
        keep: Delete all but so many of this name afterwards, if every variable could be saved.

    Raises:
        ColabPanelError: As for `dump`.
    """
    target = Path(folder) / new_name(name)
    progress.start(None, "Waiting until no cell runs", unit="cells")

    drafted = between_cells(host, lambda: draft(user_variables(host), names=names), progress)
    insist_on_any(drafted)
    base = _newest(folder, name, host.root, progress) if incremental else None
    snapshot = write(target, drafted, base=base, root=host.root, progress=progress)
    prefix = name.strip() or "snapshot"
    deleted: Sequence[Path] = ()
    if keep and snapshot.status == "ok":  # one that lacks something takes the place of none
        deleted = prune_snapshots(folder, keep=keep, name=prefix, root=host.root, progress=progress)
    return Dumped(snapshot, deleted)


def _newest(folder: str, name: str, root: Path | None, progress: Progress) -> Path | None:
    prefix = f"{name.strip() or 'snapshot'}-"
    try:
        there = snapshots(folder, root=root, progress=progress)
    except PathError:  # a folder that is made with its first snapshot
        return None
    return next((one.path for one in there if one.path.name.startswith(prefix) and not one.problem), None)


def load_chosen(
    progress: Progress, /, host: Host, path: str, names: Sequence[str], *, prefix: str = "", trusted: bool = False
) -> list[str]:
    """Load variables of a file into the notebook, each under its name with a prefix; returns the new names.

    They are put there on the main thread, once no cell runs; what runs code to be loaded is loaded there, too.

    Raises:
        ColabPanelError: As for `load`, or that the dashboard has no notebook; then nothing is changed.
    """
    if host.is_served:
        raise InputError("The dashboard has no notebook to load into.", hint="Export the variables instead.")
    wanted = _identifiers(names, prefix)

    def loaded() -> dict[str, Any]:
        return load(path, names=wanted, trusted=trusted, root=host.root, progress=progress)

    told = contents(path, root=host.root, progress=progress)
    found = None if _runs_code(told, names, trusted=trusted) else loaded()
    progress.start(None, "Waiting until no cell runs", unit="cells")

    def put() -> list[str]:
        new = loaded() if found is None else found
        host.namespace().update(new)
        return list(new)

    return between_cells(host, put, progress)


def _runs_code(told: Contents, names: Sequence[str], *, trusted: bool) -> bool:
    """Whether loading these variables may run code, which may expect to be on the main thread."""
    return (trusted or told.signed) and any(one.needs != () for one in told.variables if one.name in names)


def _identifiers(names: Sequence[str], prefix: str) -> dict[str, str]:
    """Return names that code can use, each another one; those in other files may hold dots and slashes."""
    found: dict[str, str] = {}
    taken = set[str]()
    for name in sorted(names, key=lambda name: not (prefix + name).isidentifier()):  # those that may stay first
        made = wanted = _identifier(prefix + name)
        number = 2
        while made in taken:
            made, number = f"{wanted}_{number}", number + 1
        taken.add(made)
        found[name] = made
    return {name: found[name] for name in names}


def _identifier(name: str) -> str:
    made = "".join(letter if letter.isidentifier() or letter.isdigit() else "_" for letter in name)
    if keyword.iskeyword(made):
        return f"{made}_"
    return made if made.isidentifier() else f"_{made}"
