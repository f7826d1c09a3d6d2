"""A callback for ``model.fit`` of Keras 3, on any backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Model
from keras.callbacks import Callback
from keras.ops import convert_to_numpy

from colabpanel.services.checkpoints.callbacks.errors import tell_errors, told_of_errors
from colabpanel.services.checkpoints.callbacks.saving import Saving

if TYPE_CHECKING:
    from concurrent.futures import Future

    from colabpanel.services.checkpoints.models import Checkpoint
    from colabpanel.services.checkpoints.service import Checkpoints

__all__ = ["KerasCallback"]


class KerasCallback(Callback):
    """Saves the model after each epoch, between them when it is due, and when an error ends training.

    Args:
        checkpoints: Where to.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        super().__init__()
        self._checkpoints, self._saving = checkpoints, Saving(checkpoints)
        self._step = self._epoch = 0
        self._last_batch = -1

    def __deepcopy__(self, _: Any) -> KerasCallback:
        return KerasCallback(self._checkpoints)  # for each trial of a tuner, into the same store

    def on_train_begin(self, logs: Any = None) -> None:
        iterations = getattr(getattr(self.model, "optimizer", None), "iterations", 0)
        self._step = self._saving.step = int(convert_to_numpy(iterations))
        model = self.model
        told_of_errors(lambda one: one is model, self.on_exception)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._last_batch = epoch, -1
        self._checkpoints.resume_random()  # Keras has drawn numbers to look at the data

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._step += batch - self._last_batch  # several at once, with steps_per_execution
        self._last_batch = batch
        if self._checkpoints.is_due(self._step, self._epoch):
            self._save(self._epoch, None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._save(epoch + 1, logs)

    def on_train_end(self, logs: Any = None) -> None:
        self._checkpoints.settle()

    def on_exception(self, _model: Any, error: BaseException) -> None:
        """Save the model as it is when an error, or who interrupts it, ends training."""
        self._saving.save_on_error(error, self._step, lambda tag: self._save(self._epoch, None, tag))

    def _save(self, epoch: int, metrics: Any, *tags: str) -> Future[Checkpoint]:
        if hasattr(self.model, "jax_state_sync"):  # on JAX the weights are elsewhere while it trains
            self.model.jax_state_sync()
        return self._saving.save(self.model, step=self._step, epoch=epoch, metrics=metrics, tags=tags)


tell_errors(Model, "fit")
