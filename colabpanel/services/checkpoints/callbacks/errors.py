"""Errors that end training, told where a library tells its callbacks nothing of them."""

from __future__ import annotations

import contextlib
import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["tell_errors", "told_of_errors"]

Tell = Callable[[Any, BaseException], None]
_UNTOLD = (
    "An error that ends this training will not be saved: its library was imported after Checkpoints(...) was made, or "
    "it runs in a loop of its own. Write `with checkpoints.saving_on_error(model):` around it."
)
_MARK = "__colabpanel_wraps__"
_calls = threading.local()


def _running() -> list[tuple[Any, list[Tell]]]:
    """Return the calls of wrapped methods on this thread, the innermost last: the object, and whom to tell."""
    found: list[tuple[Any, list[Tell]]] = _calls.__dict__.setdefault("running", [])
    return found


def tell_errors(kind: type, method: str) -> None:
    """Let a method of a library's class tell of the error that ends it, which goes on then.

    Args:
        kind: The class; the method is replaced in it.
        method: Its name.
    """
    found = getattr(kind, method)
    original = getattr(found, _MARK, found)  # of this package before it was loaded anew

    @functools.wraps(original)
    def telling(self: Any, *args: Any, **kwargs: Any) -> Any:
        told: list[Tell] = []
        _running().append((self, told))
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            for tell in told:
                _tell(tell, self, error)
            raise
        finally:
            _running().pop()

    telling.__module__, telling.__qualname__ = kind.__module__, f"{kind.__qualname__}.{method}"
    setattr(telling, _MARK, original)
    setattr(kind, method, telling)


def _tell(tell: Tell, owner: Any, error: BaseException) -> None:
    try:
        tell(owner, error)
    except Exception as problem:  # noqa: BLE001 - the error of training is what matters
        with contextlib.suppress(RuntimeWarning):
            warnings.warn(f"A checkpoint was not saved on this error: {problem}", RuntimeWarning, stacklevel=3)


def told_of_errors(is_owner: Callable[[Any], bool], tell: Tell) -> None:
    """Be told of the error that ends the wrapped method of an object that runs now; a warning says that none does."""
    for owner, told in reversed(_running()):
        if is_owner(owner):
            told.append(tell)
            return
    warnings.warn(_UNTOLD, RuntimeWarning, stacklevel=3)
