"""Errors that end training, told where a library tells its callbacks nothing of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["tell_errors"]


def tell_errors(kind: type, method: str, tell: Callable[[Any, BaseException], None]) -> None:
    """Let a method of a library's class tell of the error that ends it, which goes on then.

    Args:
        kind: The class; the method is replaced in it, once.
        method: Its name.
        tell: Is given the object and the error.
    """
    original = getattr(kind, method)
    if hasattr(original, "__colabpanel__"):
        return

    @functools.wraps(original)
    def telling(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            tell(self, error)
            raise

    telling.__colabpanel__ = True  # type: ignore[attr-defined]  # seen above
    setattr(kind, method, telling)
