"""Callbacks of the frameworks' own types; each is loaded only when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from colabpanel.errors import MissingLibraryError

__all__ = ["callback_class"]


def callback_class(library: str) -> Any:
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
