"""How the Dump/Load tab puts variables and snapshots into words."""

from __future__ import annotations

import time
from pathlib import Path

from colabpanel import words
from colabpanel.services.snapshots.catalog import SnapshotFile
from colabpanel.services.snapshots.fingerprint import Fingerprints
from colabpanel.services.snapshots.models import Contents, SavedVariable, Snapshot
from colabpanel.services.snapshots.table import VariableInfo, change_of
from colabpanel.widgets.data_table import Cell

__all__ = [
    "contents_row",
    "dump_code",
    "file_row",
    "file_title",
    "load_code",
    "prediction",
    "skipped_variables",
    "variable_row",
    "variable_title",
]

_BUFFERS = 8 << 20
"""Memory that a dump takes whatever is saved."""

_CHANGES = {
    "new": Cell("not in it"),
    "changed": Cell("changed", "warning"),
    "same": Cell("as it was", "ok", "As far as samples of it tell"),
    "unknown": Cell("not known", full="Telling would run code of its type, or the snapshot is of an earlier version"),
}


def variable_row(variable: VariableInfo, last: Fingerprints | str) -> list[str | Cell]:
    """Return the row of a variable of the notebook; ``last`` are the last snapshot's, or why there are none."""
    size = ("at least " if variable.at_least else "") + words.size(variable.size)
    change = Cell(last) if isinstance(last, str) else _CHANGES[change_of(variable, last)]
    if variable.note:
        change = Cell(variable.note, "" if variable.savable else "warning")
    return [variable.name, _short(variable.type), variable.shape, Cell(size, number=variable.size), change]


def _short(kind: str) -> Cell:
    return Cell(kind.rpartition(".")[2], full=kind)


def variable_title(variable: VariableInfo) -> str:
    """Name a variable in a list to choose from."""
    parts = [variable.name, variable.type.rpartition(".")[2], variable.shape, words.size(variable.size)]
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)


def prediction(chosen: list[VariableInfo]) -> str:
    """Say what saving variables would take; empty for none."""
    if not chosen:
        return ""
    at_least = "at least" if any(variable.at_least for variable in chosen) else "about"
    size, extra = sum(variable.size for variable in chosen), sum(variable.pickled for variable in chosen)
    return (
        f"{words.plural(len(chosen), 'variable')}, {at_least} {words.size(size)} in the file; "
        f"saving takes about {words.size(extra + _BUFFERS)} of extra memory."
    )


def skipped_variables(snapshot: Snapshot) -> str:
    """List what could not be saved, with the reasons."""
    return "\n".join(f"{variable.name}: {variable.note}" for variable in snapshot.skipped)


def file_row(found: SnapshotFile) -> list[str | Cell]:
    """Return the row of a snapshot."""
    age = None if found.created is None else max(time.time() - found.created, 0)
    when = "" if age is None else Cell(words.age(age), number=age)
    size = Cell(words.size(found.size), number=found.size)
    if found.problem:
        return [found.path.name, "", size, when, Cell("cannot be read", "error", found.problem)]
    names = ", ".join(found.names)
    shown = Cell(names if len(names) <= 40 else f"{names[:37]}...", full=names)  # noqa: PLR2004 - as a cell can show
    base = ", ".join(found.bases) or "no other"
    return [found.path.name, shown, size, when, base]


def file_title(found: SnapshotFile) -> str:
    """Name a snapshot in a list to choose from."""
    return f"{found.path.name} \N{MIDDLE DOT} {words.plural(len(found.names), 'variable')}"


def contents_row(variable: SavedVariable, contents: Contents, here: set[str]) -> list[str | Cell]:
    """Return the row of a variable in a file; ``here`` are the names that the notebook has."""
    size = Cell(words.size(variable.size), number=variable.size) if variable.size else ""
    return [variable.name, _short(variable.type), variable.shape, size, _state(variable, contents, here)]


def _state(variable: SavedVariable, contents: Contents, here: set[str]) -> Cell:
    if variable.status == "skipped":
        return Cell("not saved" if contents.kind == "snapshot" else "damaged", "error", variable.note)
    if variable.status == "import":
        return Cell(variable.note)
    replaces = "would replace yours" if variable.name in here else ""
    if not contents.signed and variable.needs != ():
        what = "holds code" if variable.needs else "may hold code"
        runs = (
            f"Loading it would run {', '.join(variable.needs)}"
            if variable.needs
            else "It is looked through when it is loaded"
        )
        return Cell(f"{what}, {replaces}" if replaces else what, "warning", runs)
    if replaces:
        return Cell(replaces, "warning")
    return Cell(variable.note or "ready", "ok")


def dump_code(folder: str, name: str, names: list[str], *, incremental: bool, keep: str) -> list[str]:
    """Return the code that saves variables as the button does."""
    name = name.strip() or "snapshot"
    dated = str(Path(folder) / name).replace("%", "%%") + "-%Y%m%d-%H%M%S.snapshot.zip"
    options = f", names={names!r}" if names else ""
    lines = ["import os, time", "import colabpanel", ""]
    if incremental:
        beginning = f"{name}-"
        lines += [
            f"there = colabpanel.snapshots({folder!r}) if os.path.isdir({folder!r}) else []",
            f"earlier = [one.path for one in there if one.path.name.startswith({beginning!r}) and not one.problem]",
        ]
        options += ", base=earlier[0] if earlier else None"
    lines.append(f"saved = colabpanel.dump(time.strftime({dated!r}){options})")
    if keep.strip().isdecimal():
        lines += [
            "if saved.status == 'ok':",
            f"    colabpanel.prune_snapshots({folder!r}, keep={int(keep)}, name={name!r})",
        ]
    return lines


def load_code(path: str, names: list[str], prefix: str, *, trusted: bool) -> list[str]:
    """Return the code that loads variables."""
    wanted = f"{ {name: prefix + name for name in names}!r}" if prefix else repr(names)
    options = f", names={wanted}" if names else ""
    options += ", trusted=True" if trusted else ""
    return ["import colabpanel", "", f"colabpanel.load({path!r}{options}, into=globals())"]
