"""What refers to an object without Python's collector knowing it: simple containers, and views of arrays.

The collector leaves out dictionaries and tuples that hold nothing but numbers, texts and arrays, and arrays hold the
array they are a view of without telling. They are found from the other end, from the variables of the notebook.
"""

from __future__ import annotations

import gc
import types
from collections import deque
from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

from colabpanel.hosts import Host
from colabpanel.services.snapshots.library_sizes import is_of

__all__ = ["Unlisted"]

_LOOKED_AT = 100_000
_OF_ONE = 20_000
_NEVER = (type, types.ModuleType, types.BuiltinFunctionType, str, bytes, int, float, type(None))


class Kept(list[Any]):
    """A list of ours, which the search for referrers knows by its type."""


class Unlisted:
    """Knows the simple containers and the views that lead from the notebook's variables to arrays."""

    def __init__(self, host: Host) -> None:
        self._containers, self._views = Kept(), Kept()
        self._walk([host.namespace()])

    def _walk(self, values: Iterable[Any]) -> None:
        left = deque(values)
        seen = set[int]()
        while left and len(seen) < _LOOKED_AT:
            thing = left.popleft()
            if id(thing) in seen or issubclass(type(thing), _NEVER):
                continue
            seen.add(id(thing))
            if is_of(type(thing), "numpy", "ndarray"):
                if thing.base is not None:
                    self._views.append(thing)
                continue
            if issubclass(type(thing), (dict, tuple)) and not gc.is_tracked(thing):
                self._containers.append(thing)
            left.extend(_members(thing))

    def holders_of(self, thing: Any) -> list[Any]:
        """Return the simple containers that hold an object, and the arrays that are views of it."""
        if gc.is_tracked(thing):
            return []
        found = [each for each in self._containers if any(one is thing for one in gc.get_referents(each))]
        return found + [view for view in self._views if self.is_view(view, thing)]

    def is_view(self, view: Any, thing: Any) -> bool:
        """Whether an array is a view of another one."""
        return is_of(type(view), "numpy", "ndarray") and view.base is thing


def _members(thing: Any) -> Iterable[Any]:
    """Return what an object holds; nothing of it is run, though it be of a class that does as it likes."""
    kind = type(thing)
    if issubclass(kind, dict):
        return list(islice(chain(dict.values(thing), dict.keys(thing)), _OF_ONE))
    for plain in (list, tuple, set, frozenset, deque):
        if issubclass(kind, plain):
            return list(islice(plain.__iter__(thing), _OF_ONE))
    if kind is types.FunctionType:
        return (thing.__defaults__, thing.__kwdefaults__, *(thing.__closure__ or ()))
    return gc.get_referents(thing)[:_OF_ONE]
