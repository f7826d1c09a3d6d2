"""Models of scikit-learn, pytrees of JAX, and whatever else snapshots hold: the whole object is saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, InputError
from colabpanel.services.checkpoints.frameworks._base import Outcome, Parts
from colabpanel.services.snapshots.service import dump, load

__all__ = ["Anything"]

_FILE = "model.snapshot.zip"


class Anything:
    """Saves the model itself, before training goes on."""

    name = "snapshot"
    keeps_states = False

    def take(self, parts: Parts, folder: Path) -> Callable[[], None]:
        """Write it at once: nothing tells which parts of such an object training changes."""
        found = {"model": parts.model, "optimizer": parts.optimizer, "scheduler": parts.scheduler}
        saved = dump(folder / _FILE, {name: value for name, value in found.items() if value is not None})
        if saved.skipped:
            first = saved.skipped[0]
            raise InputError(f"The {first.name} cannot be saved: {first.note}.", hint="Pass what can be pickled.")
        return lambda: None

    def parameters(self, model: Any) -> int | None:
        """Return how many numbers a pytree has, or an estimator that tells."""
        sizes = [leaf.size for leaf in _leaves(model) if isinstance(getattr(leaf, "size", None), int)]
        return sum(sizes) or None

    def restore(self, folder: Path, parts: Parts, *, strict: bool, trusted: bool) -> Outcome:
        """Return what was saved: such an object cannot be filled in place."""
        if not (folder / _FILE).exists():
            raise ArchiveError(f"{_FILE} is missing in this checkpoint.", hint="Restore another one.")
        found = load(folder / _FILE, trusted=trusted)
        restored: list[str] = [name for name in ("model", "optimizer", "scheduler") if name in found]
        outcome = Outcome(found.pop("model"), restored)
        outcome.extra.update(found)
        if parts.model is not None:
            outcome.not_restored.append(("model", "this cannot be filled: take restored.model"))
        return outcome


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in _leaves(value)]
    if isinstance(tree, (list, tuple)):
        return [leaf for value in tree for leaf in _leaves(value)]
    return [tree]
