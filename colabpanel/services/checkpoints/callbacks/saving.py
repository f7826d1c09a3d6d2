"""What the callbacks of all libraries do: save, and know of which step it was."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colabpanel.services.checkpoints.models import Checkpoint
    from colabpanel.services.checkpoints.service import Checkpoints

__all__ = ["Saving"]


class Saving:
    """Saves for a callback.

    Args:
        checkpoints: Where to.

    Attributes:
        step: The one at which training began, or was saved last: there is nothing new before another one.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints, self.step = checkpoints, -1

    def save(self, model: Any, *, step: int, **told: Any) -> Future[Checkpoint]:
        """Save a checkpoint; see `Checkpoints.save`. One that is refused, as the one before failed, is none."""
        begun = self._checkpoints.begun
        try:
            return self._checkpoints.save(model, step=step, **told)
        finally:
            if self._checkpoints.begun > begun:
                self.step = step

    def save_on_error(self, error: BaseException, step: int, save: Callable[[str], Future[Checkpoint]]) -> None:
        """Save a checkpoint for an error, unless there is nothing new."""
        self._checkpoints.save_on_error(error, save, is_saved=step == self.step)
