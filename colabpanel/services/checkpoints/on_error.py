"""The checkpoint that is saved when an error ends training."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

__all__ = ["ErrorSaving"]


class ErrorSaving:
    """Saves a checkpoint for an error.

    Args:
        settle: Waits until the checkpoint before is written.

    Attributes:
        is_saved: Whether what an error ended is saved, since training went on last.
    """

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle, self.is_saved = settle, False

    def training_goes_on(self) -> None:
        """What ends it from now on is another error."""
        self.is_saved = False

    def save(self, error: BaseException, save: Callable[[str], Future[Any]], *, is_saved: bool) -> None:
        """Save a checkpoint with the error's name as its tag; what keeps it from that is a warning.

        Args:
            error: The error, which matters more than ours.
            save: Is given the tag.
            is_saved: Whether what stands there was saved before, if that could be written.
        """
        is_saved = _done(self._settle) and is_saved  # that it could not be does not keep this one from it
        self.is_saved = is_saved or _done(lambda: save(type(error).__name__).result())


def _done(step: Callable[[], object]) -> bool:
    try:
        step()
    except Exception as problem:  # noqa: BLE001 - the error of training is what matters
        with contextlib.suppress(RuntimeWarning):  # where warnings are errors
            warnings.warn(f"A checkpoint was not saved on this error: {problem}", RuntimeWarning, stacklevel=5)
        return False
    return True
