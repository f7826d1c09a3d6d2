"""Calls that other processes make for the tests: with arguments and results that JSON can say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from colabpanel.progress import Progress
from colabpanel.services.snapshots import catalog
from colabpanel.services.snapshots.catalog import delete_snapshot, prune_snapshots
from colabpanel.services.snapshots.inspecting import list_here
from colabpanel.services.snapshots.service import dump, load

__all__ = ["dump_here", "fold_here", "prune_here", "round_trip", "value_of", "variables_of"]


def variables_of(version: int) -> dict[str, Any]:
    """Return variables that differ from version to version, and one that does not."""
    same = np.arange(40_000, dtype=np.int32)
    return {"same": same, "other": np.full(30_000, version, np.uint8), "text": ["x" * version, {"version": version}]}


def value_of(path: str) -> int:
    """Return the version of a snapshot, all of which must be right."""
    found = load(path)
    version: int = found["text"][1]["version"]
    for name, value in variables_of(version).items():
        assert np.array_equal(found[name], value) if isinstance(value, np.ndarray) else found[name] == value
    return version


def round_trip(folder: Path, **variables: Any) -> dict[str, Any]:
    """Return variables as they come back from a file, all of which must go into it."""
    snapshot = dump(folder / "a.snapshot.zip", variables)
    assert snapshot.status == "ok"
    return load(folder / "a.snapshot.zip")


def dump_here(path: str, version: int, base: str | None, progress: Progress) -> dict[str, Any]:
    """Dump a version of the variables."""
    snapshot = dump(path, variables_of(version), base=base, progress=progress)
    return {"status": snapshot.status, "size": snapshot.size, "reused": snapshot.reused}


def fold_here(path: str, progress: Progress) -> dict[str, Any]:
    """Delete a snapshot that others may need."""
    delete_snapshot(path, fold=True, progress=progress)
    return {}


def prune_here(folder: str, keep: int, progress: Progress) -> dict[str, Any]:
    """Delete older snapshots, listed in this process: starting a child for that takes longer than all the rest."""
    vars(catalog)["call_isolated"] = lambda _target, arguments, *, progress: list_here(**arguments, progress=progress)
    return {"deleted": [path.name for path in prune_snapshots(folder, keep=keep, progress=progress)]}
