"""A callback for the ``Trainer`` of Transformers. What it saves is the folder that the trainer resumes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import Trainer, TrainerCallback

from colabpanel.services.checkpoints.callbacks.errors import tell_errors, told_of_errors
from colabpanel.services.checkpoints.callbacks.saving import Saving
from colabpanel.services.checkpoints.frameworks.transformers_folder import TransformersFolder

if TYPE_CHECKING:
    from concurrent.futures import Future

    from colabpanel.services.checkpoints.models import Checkpoint
    from colabpanel.services.checkpoints.service import Checkpoints

__all__ = ["TransformersCallback"]


class TransformersCallback(TrainerCallback):
    """Has the trainer save after each evaluation, when it is due, and when an error ends training.

    It takes over what the trainer saved.

    Args:
        checkpoints: Where to.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints, self._saving = checkpoints, Saving(checkpoints)
        self._metrics: dict[str, Any] = {}
        self._evaluated_step = -1

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._metrics, self._evaluated_step, self._saving.step = {}, -1, state.global_step
        told_of_errors(self._is_of, self.on_exception)

    def _is_of(self, trainer: Any) -> bool:
        return isinstance(trainer, Trainer) and any(one is self for one in trainer.callback_handler.callbacks)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._checkpoints.is_due(state.global_step, state.epoch):
            control.should_save = True

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        before = self._metrics if self._evaluated_step == state.global_step else {}  # of another set of data
        self._metrics, self._evaluated_step = {**before, **(metrics or {})}, state.global_step
        control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._take_over(args, state)

    def on_exception(self, trainer: Any, error: BaseException) -> None:
        """Have the trainer save what it resumes from when an error, or who interrupts it, ends training."""

        def save(tag: str) -> Future[Checkpoint]:
            trainer._save_checkpoint(trainer.model, trial=None)  # noqa: SLF001 - nothing public saves all of it
            return self._take_over(trainer.args, trainer.state, tag)

        is_alone = trainer.args.world_size == 1  # saving waits for all processes, of which one has failed
        if is_alone and trainer.hp_search_backend is None:  # in a search, a trial that is no good ends so, too
            self._saving.save_on_error(error, trainer.state.global_step, save)

    def _take_over(self, args: Any, state: Any, *tags: str) -> Future[Checkpoint]:
        step = state.global_step
        folder = TransformersFolder(_folder_of(Path(args.output_dir), f"checkpoint-{step}"))
        metrics = self._metrics if self._evaluated_step == step else None
        return self._saving.save(folder, step=step, epoch=state.epoch, metrics=metrics, tags=tags)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._checkpoints.settle()


def _folder_of(output: Path, name: str) -> Path:
    """Return what the trainer wrote last under a name: in a search for hyperparameters each trial has a folder."""
    found = [path for path in (output / name, *output.glob(f"run-*/{name}")) if path.is_dir()]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=output / name)


tell_errors(Trainer, "train")
