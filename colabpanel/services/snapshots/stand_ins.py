"""What stands for names in a pickle that nobody vouches for: it calls what it should, and nothing of it can be changed.

A pickle may also hold a type as a value, as ``{"id": str}`` does. Then the stand-in is exchanged for the type itself.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

__all__ = ["EMPTY", "FACTORIES", "ArrayType", "Factory", "StandIn"]

FACTORIES: dict[str, type] = {
    "bool": bool,
    "dict": dict,
    "float": float,
    "int": int,
    "list": list,
    "str": str,
    "tuple": tuple,
}
"""Types of Python itself that are named and not called, as ``defaultdict(list)`` does."""


class StandIn:
    """Calls something, and hides it: a pickle can set attributes of whatever it holds.

    Args:
        call: What is called.
        kind: The type that the name means, or None where it means a function.
    """

    __slots__ = ("__weakref__", "_call", "kind")

    _call: Callable[..., Any]
    kind: type | None

    def __init__(self, call: Callable[..., Any], kind: type | None = None) -> None:
        object.__setattr__(self, "_call", call)
        object.__setattr__(self, "kind", kind if kind is not None or not isinstance(call, type) else call)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._call(*arguments, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)


class Factory:
    """Stands for a type of `FACTORIES`, which is not called."""

    __slots__ = ("__weakref__", "kind")

    kind: type | None

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "kind", FACTORIES[name])

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)


class ArrayType(Factory):
    """Stands for ``numpy.ndarray``, which pickles of arrays name and do not call."""

    __slots__ = ()

    def __init__(self) -> None:
        import numpy as np

        object.__setattr__(self, "kind", np.ndarray)


EMPTY = frozenset(
    [
        *FACTORIES.values(),
        bytearray,
        collections.Counter,
        collections.OrderedDict,
        collections.defaultdict,
        collections.deque,
        complex,
        frozenset,
        set,
    ]
)
"""Types that make something small when they are called with nothing, as a ``defaultdict`` does."""
