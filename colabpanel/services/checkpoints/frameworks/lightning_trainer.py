"""Trainers of Lightning: their own file, from which they resume by themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, InputError
from colabpanel.services.checkpoints.frameworks._base import Outcome, Parts
from colabpanel.services.checkpoints.frameworks.torch_models import fill_model, read_state, unwrapped

__all__ = ["LIGHTNING", "LightningTrainer", "is_lightning"]

LIGHTNING = "lightning.ckpt"


def is_lightning(model: Any) -> bool:
    """Whether this is a trainer of Lightning."""
    names = ("lightning.pytorch", "pytorch_lightning")
    return any(isinstance(model, sys.modules[name].Trainer) for name in names if name in sys.modules)


class LightningTrainer:
    """Saves before training goes on: the trainer itself writes the file."""

    name = "lightning"
    keeps_states = False

    def take(self, parts: Parts, folder: Path) -> Callable[[], None]:
        """Let the trainer write it."""
        parts.model.save_checkpoint(folder / LIGHTNING)
        return lambda: None

    def parameters(self, model: Any) -> int | None:
        """Return how many numbers its module learns."""
        return int(sum(parameter.numel() for parameter in model.lightning_module.parameters()))

    def restore(self, folder: Path, parts: Parts, *, strict: bool, trusted: bool) -> Outcome:
        """Fill a module with the weights; the rest is for the trainer."""
        import torch

        saved = read_state(folder / LIGHTNING, in_place=True, trusted=trusted)
        state = saved.get("state_dict") if isinstance(saved, dict) else None
        if not isinstance(state, dict):
            raise ArchiveError(f"{LIGHTNING} of this checkpoint holds no weights.", hint="Restore another one.")
        model = unwrapped(parts.model)
        if model is not None and not isinstance(model, torch.nn.Module):
            raise InputError("The weights of a trainer are put into its module.", hint="Write restore(module).")
        outcome = Outcome(parts.model if model is not None else state, ["model"])
        if model is not None:
            fill_model(model, state, outcome, strict=strict)
        resume = 'trainer.fit(module, ckpt_path=checkpoints.path("last") / "lightning.ckpt") restores it'
        outcome.not_restored += [(name, resume) for name in ("optimizer", "scheduler", "loops")]
        return outcome
