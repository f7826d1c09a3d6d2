"""A callback for the ``Trainer`` of Transformers. What it saves is the folder that the trainer resumes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from colabpanel.services.checkpoints.frameworks.transformers_folder import TransformersFolder

if TYPE_CHECKING:
    from colabpanel.services.checkpoints.service import Checkpoints

__all__ = ["TransformersCallback"]


class TransformersCallback(TrainerCallback):
    """Has the trainer save after each evaluation and when it is due, and takes over what it saved.

    Args:
        checkpoints: Where to.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._metrics: dict[str, Any] = {}
        self._evaluated_step = -1

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._checkpoints.is_due(state.global_step, state.epoch):
            control.should_save = True

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        self._metrics, self._evaluated_step = dict(metrics or {}), state.global_step
        control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        step = state.global_step
        folder = TransformersFolder(_folder_of(Path(args.output_dir), f"checkpoint-{step}"))
        metrics = self._metrics if self._evaluated_step == step else None
        self._checkpoints.save(folder, step=step, epoch=state.epoch, metrics=metrics)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._checkpoints.settle()


def _folder_of(output: Path, name: str) -> Path:
    """Return what the trainer wrote last under a name: in a search for hyperparameters each trial has a folder."""
    found = [path for path in (output / name, *output.glob(f"run-*/{name}")) if path.is_dir()]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=output / name)
