"""Calls of checkpoints that a process of the sweeps makes, and what must hold after any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from colabpanel.progress import Progress
from colabpanel.services.checkpoints.mirroring import Mirroring
from colabpanel.services.checkpoints.policy import policy_of
from colabpanel.services.checkpoints.record import MANIFEST, read_manifest
from colabpanel.services.checkpoints.service import Checkpoints
from colabpanel.services.checkpoints.store import Store

__all__ = ["all_listed_load", "delete_here", "mirror_here", "opened", "save", "save_here"]

NUMBERS = 1000


def save_here(path: str, step: int, progress: Progress | None = None) -> bool:
    """Save a checkpoint, which deletes the oldest of those that are no longer kept."""
    import torch

    model = {"w": torch.full((NUMBERS,), float(step))}
    checkpoints = Checkpoints(path, monitor="loss", keep_best=1, keep_last=1)
    checkpoints.save(model, step=step, metrics={"loss": 1 / step}, extra={"n": step}).result()
    return True


def mirror_here(path: str, mirror: str, progress: Progress | None = None) -> bool:
    """Bring what is kept to the mirror."""
    mirroring = Mirroring(Store(Path(path)), Store(Path(mirror)), policy_of("loss", "min", 1, 1))
    mirroring._prunes = True
    mirroring._round()
    return True


def delete_here(path: str, name: str, progress: Progress | None = None) -> bool:
    """Delete a checkpoint."""
    Store(Path(path)).delete(name)
    return True


def all_listed_load(folder: Path) -> list[int]:
    """Load whatever the manifest lists, as it stands in the file, and what is found besides; returns the steps."""
    found = {record.name: record for record in [*read_manifest(folder / MANIFEST), *Store(folder).records()]}
    for record in found.values():
        assert not Store(folder).verify(record), record.name
        restored: Any = Checkpoints(folder, monitor="loss").restore(which=record.name)
        assert restored.model["w"].tolist() == [float(record.step)] * NUMBERS
        assert restored.extra == {"n": record.step}
    return sorted(record.step for record in found.values())


def opened(path: Path, **options: Any) -> Checkpoints:
    """Open a store whose best is the one of least loss."""
    return Checkpoints(path, **{"monitor": "loss", "keep_last": 2, **options})


def save(checkpoints: Checkpoints, step: int, **what: Any) -> Any:
    """Save an array full of the step; later ones are better."""
    what.setdefault("metrics", {"loss": 1 / step})
    return checkpoints.save({"w": np.full(1000, step)}, step=step, **what)
