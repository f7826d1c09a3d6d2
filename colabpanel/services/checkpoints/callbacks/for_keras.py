"""A callback for ``model.fit`` of Keras 3, on any backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras.callbacks import Callback
from keras.ops import convert_to_numpy

if TYPE_CHECKING:
    from colabpanel.services.checkpoints.service import Checkpoints

__all__ = ["KerasCallback"]


class KerasCallback(Callback):
    """Saves the model after each epoch, and between them when it is due.

    Args:
        checkpoints: Where to.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        super().__init__()
        self._checkpoints, self._step, self._epoch = checkpoints, 0, 0

    def on_train_begin(self, logs: Any = None) -> None:
        iterations = getattr(getattr(self.model, "optimizer", None), "iterations", 0)
        self._step = int(convert_to_numpy(iterations))

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
        self._checkpoints.settle()

    def _save(self, epoch: int, metrics: Any) -> None:
        if hasattr(self.model, "jax_state_sync"):  # on JAX the weights are elsewhere while it trains
            self.model.jax_state_sync()
        self._checkpoints.save(self.model, step=self._step, epoch=epoch, metrics=metrics)
