"""Models of scikit-learn, pytrees of JAX, and whatever else snapshots hold: the whole object is saved."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, InputError
from colabpanel.services.checkpoints.frameworks._base import Outcome, Parts
from colabpanel.services.checkpoints.trees import SNAPSHOT, arrays_in, write_list
from colabpanel.services.snapshots.service import draft, load, write

__all__ = ["Anything"]


class Anything:
    """Saves the model itself, before training goes on."""

    name = "snapshot"
    keeps_states = False

    def take(self, parts: Parts, folder: Path) -> Callable[[], None]:
        """Write it at once: nothing tells which parts of such an object training changes."""
        given = {"model": parts.model, "optimizer": parts.optimizer, "scheduler": parts.scheduler}
        found = {name: value for name, value in given.items() if value is not None}
        write_list(folder, found)
        saved = write(folder / SNAPSHOT, draft(found))
        if saved.skipped:
            first = saved.skipped[0]
            raise InputError(f"The {first.name} cannot be saved: {first.note}.", hint="Pass what can be pickled.")
        return lambda: None

    def parameters(self, model: Any) -> int | None:
        """Return how many numbers are in the arrays of a pytree, or of what an estimator has learned."""
        return sum(math.prod(array.shape) for _, array in arrays_in(model)) or None

    def restore(self, folder: Path, parts: Parts, *, strict: bool, trusted: bool) -> Outcome:
        """Return what was saved: such an object cannot be filled in place."""
        if not (folder / SNAPSHOT).exists():
            raise ArchiveError(f"{SNAPSHOT} is missing in this checkpoint.", hint="Restore another one.")
        found = load(folder / SNAPSHOT, trusted=trusted)
        restored: list[str] = [name for name in ("model", "optimizer", "scheduler") if name in found]
        outcome = Outcome(found.pop("model"), restored)
        outcome.extra.update(found)
        if parts.model is not None:
            outcome.not_restored.append(("model", "this cannot be filled: take restored.model"))
        return outcome
