"""A callback for the ``Trainer`` of Transformers. What it saves is the folder that the trainer resumes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import Trainer, TrainerCallback

from colabpanel.services.checkpoints.callbacks.errors import tell_errors
from colabpanel.services.checkpoints.frameworks.transformers_folder import TransformersFolder

if TYPE_CHECKING:
    from concurrent.futures import Future

    from colabpanel.services.checkpoints.models import Checkpoint
    from colabpanel.services.checkpoints.service import Checkpoints

__all__ = ["TransformersCallback"]


def _tell(trainer: Any, error: BaseException) -> None:
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TransformersCallback):
            callback.on_exception(trainer, error)


class TransformersCallback(TrainerCallback):
    """Has the trainer save after each evaluation, when it is due, and when an error ends training.

    It takes over what the trainer saved.

    Args:
        checkpoints: Where to.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._metrics: dict[str, Any] = {}
        self._evaluated_step = self._saved_step = -1
        self._is_training = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._is_training, self._saved_step = True, state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._checkpoints.is_due(state.global_step, state.epoch):
            control.should_save = True

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        self._metrics, self._evaluated_step = dict(metrics or {}), state.global_step
        control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._take_over(args, state)

    def on_exception(self, trainer: Any, error: BaseException) -> None:
        """Have the trainer save what it resumes from when an error, or who interrupts it, ends training."""

        def save(tag: str) -> Future[Checkpoint]:
            trainer._save_checkpoint(trainer.model, trial=None)  # noqa: SLF001 - nothing public saves all of it
            return self._take_over(trainer.args, trainer.state, tag)

        is_training, self._is_training = self._is_training, False
        if is_training and trainer.state.global_step != self._saved_step:
            self._checkpoints.save_on_error(error, save)

    def _take_over(self, args: Any, state: Any, *tags: str) -> Future[Checkpoint]:
        self._saved_step = step = state.global_step
        folder = TransformersFolder(_folder_of(Path(args.output_dir), f"checkpoint-{step}"))
        metrics = self._metrics if self._evaluated_step == step else None
        return self._checkpoints.save(folder, step=step, epoch=state.epoch, metrics=metrics, tags=tags)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._is_training = False
        self._checkpoints.settle()


def _folder_of(output: Path, name: str) -> Path:
    """Return what the trainer wrote last under a name: in a search for hyperparameters each trial has a folder."""
    found = [path for path in (output / name, *output.glob(f"run-*/{name}")) if path.is_dir()]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=output / name)


tell_errors(Trainer, "train", _tell)
