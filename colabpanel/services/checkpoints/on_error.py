"""The checkpoint that is saved when an error ends training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

__all__ = ["ErrorSaving"]


class ErrorSaving:
    """Saves one checkpoint for an error: of several that notice it, as a callback and a ``with``, the first does.

    Args:
        settle: Waits until the checkpoint before is written.
    """

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle, self._is_saved = settle, False

    def training_goes_on(self) -> None:
        """What ends it from now on is another error."""
        self._is_saved = False

    def save(self, error: BaseException, save: Callable[[str], Future[Any]]) -> None:
        """Save a checkpoint with the error's name as its tag; what keeps it from that is a warning.

        Args:
            error: The error, which matters more than ours.
            save: Is given the tag.
        """
        if self._is_saved:
            return
        for step in (self._settle, lambda: save(type(error).__name__).result()):
            try:  # that the one before could not be written does not keep this one from it
                step()
            except Exception as problem:  # noqa: BLE001 - as said
                warnings.warn(f"A checkpoint was not saved on this error: {problem}", RuntimeWarning, stacklevel=4)
        self._is_saved = True
