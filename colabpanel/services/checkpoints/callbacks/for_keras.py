"""A callback for ``model.fit`` of Keras 3, on any backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Model
from keras.callbacks import Callback
from keras.ops import convert_to_numpy

from colabpanel.services.checkpoints.callbacks.errors import tell_errors

if TYPE_CHECKING:
    from concurrent.futures import Future

    from colabpanel.services.checkpoints.models import Checkpoint
    from colabpanel.services.checkpoints.service import Checkpoints

__all__ = ["KerasCallback"]


_training: set[KerasCallback] = set()
"""Held here, for nothing else does once Keras has cut its own frames out of the error's traceback."""


def _tell(model: Any, error: BaseException) -> None:
    for callback in [one for one in _training if one.model is model]:
        callback.on_exception(error)


class KerasCallback(Callback):
    """Saves the model after each epoch, between them when it is due, and when an error ends training.

    Args:
        checkpoints: Where to.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        super().__init__()
        self._checkpoints, self._step, self._epoch, self._saved_step = checkpoints, 0, 0, 0

    def on_train_begin(self, logs: Any = None) -> None:
        _training.add(self)
        iterations = getattr(getattr(self.model, "optimizer", None), "iterations", 0)
        self._step = self._saved_step = int(convert_to_numpy(iterations))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._checkpoints.resume_random()  # Keras has drawn numbers to look at the data

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._step += 1
        if self._checkpoints.is_due(self._step, self._epoch):
            self._save(self._epoch, None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._save(epoch + 1, logs)

    def on_train_end(self, logs: Any = None) -> None:
        _training.discard(self)
        self._checkpoints.settle()

    def on_exception(self, error: BaseException) -> None:
        """Save the model as it is when an error, or who interrupts it, ends training."""
        _training.discard(self)
        if self._step != self._saved_step:
            self._checkpoints.save_on_error(error, lambda tag: self._save(self._epoch, None, tag))

    def _save(self, epoch: int, metrics: Any, *tags: str) -> Future[Checkpoint]:
        if hasattr(self.model, "jax_state_sync"):  # on JAX the weights are elsewhere while it trains
            self.model.jax_state_sync()
        self._saved_step = self._step
        return self._checkpoints.save(self.model, step=self._step, epoch=epoch, metrics=metrics, tags=tags)


tell_errors(Model, "fit", _tell)
