"""Callbacks of the frameworks' own types; each is loaded only when it is asked for."""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from typing import Any

from colabpanel.errors import MissingLibraryError

__all__ = ["WithCallbacks", "prepare_keras"]


def _callback_class(library: str) -> Any:
    """Return the callback for ``keras``, ``lightning`` or ``transformers``.

    Raises:
        MissingLibraryError: The library is not installed.
    """
    try:
        module = import_module(f"{__name__}.for_{library}")
    except ImportError:
        raise MissingLibraryError(
            f"This callback needs {library.capitalize()}, which is not installed.", hint=f"Run: pip install {library}"
        ) from None
    return getattr(module, f"{library.capitalize()}Callback")


def prepare_keras() -> None:
    """Let Keras, if it is loaded, tell its callbacks of errors before any is made.

    In ``model.fit(..., callbacks=[checkpoints.keras()])`` Python looks ``fit`` up before it makes the callback.
    """
    if "keras" in sys.modules:
        with contextlib.suppress(MissingLibraryError):
            _callback_class("keras")


class WithCallbacks:
    """Makes callbacks that save into it."""

    def keras(self) -> Any:
        """Return a callback for ``model.fit`` of Keras 3.

        Raises:
            MissingLibraryError: Keras 3 is not installed.
        """
        return _callback_class("keras")(self)

    def lightning(self) -> Any:
        """Return a callback for the ``Trainer`` of Lightning.

        Raises:
            MissingLibraryError: Lightning is not installed.
        """
        return _callback_class("lightning")(self)

    def transformers(self) -> Any:
        """Return a callback for the ``Trainer`` of Transformers.

        Raises:
            MissingLibraryError: Transformers is not installed.
        """
        return _callback_class("transformers")(self)
