"""A callback for the ``Trainer`` of Lightning. What it saves is Lightning's own file, from which a trainer resumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback  # type: ignore[assignment]  # the same under its older name

from colabpanel.services.checkpoints.callbacks.saving import Saving
from colabpanel.services.checkpoints.frameworks.lightning_trainer import LIGHTNING
from colabpanel.services.checkpoints.randomness import RANDOM, restore_random

if TYPE_CHECKING:
    from concurrent.futures import Future

    from colabpanel.services.checkpoints.models import Checkpoint
    from colabpanel.services.checkpoints.service import Checkpoints

__all__ = ["LightningCallback"]


class LightningCallback(Callback):
    """Saves what the trainer needs to go on: after each validation, or each epoch where there is none.

    Args:
        checkpoints: Where to.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints, self._saving = checkpoints, Saving(checkpoints)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._saving.step = trainer.global_step
        resumed = Path(str(trainer.ckpt_path)) if trainer.ckpt_path else None
        if resumed is not None and resumed.name == LIGHTNING and (resumed.parent / RANDOM).exists():
            restore_random((resumed.parent / RANDOM).read_bytes())
            _draw_the_order_anew(trainer.fit_loop)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self._checkpoints.is_due(trainer.global_step):
            self._save(trainer, None)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking and trainer.state.fn == "fit":
            self._save(trainer, trainer.callback_metrics)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self._saving.step != trainer.global_step:
            self._save(trainer, trainer.callback_metrics)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        if trainer.world_size > 1:  # saving waits for all processes, of which one has failed
            return
        self._saving.save_on_error(exception, trainer.global_step, lambda tag: self._save(trainer, None, tag))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._checkpoints.settle()

    def _save(self, trainer: Any, metrics: Any, *tags: str) -> Future[Checkpoint]:
        batches = trainer.fit_loop.epoch_loop.batch_progress
        is_over = batches.is_last_batch and batches.current.processed == batches.current.ready
        epochs = trainer.current_epoch + int(is_over)
        return self._saving.save(trainer, step=trainer.global_step, epoch=epochs, metrics=metrics, tags=tags)


def _draw_the_order_anew(loop: Any) -> None:
    """Make the iterator over the data once more, now that random numbers are those of then.

    Each epoch begins with it; but Lightning 2.6 takes one that it made before for the first epoch after a whole one.
    """
    if getattr(loop, "is_resuming", False) and not loop.epoch_loop.restarting:
        iter(loop._data_fetcher)  # noqa: SLF001 - as the loop does it
