"""How much memory a value holds, by looking at a part of it: never more than so many objects, whatever it is."""

from __future__ import annotations

import contextlib
import gc
import sys
import types
from collections import deque
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any, NamedTuple

from colabpanel.services.snapshots.library_sizes import HOST, Piece, is_of, pieces_of, tensors_of

__all__ = ["Size", "size_of"]

_LOOKED_AT = 2_000  # objects in all
_SAMPLE = 64  # members of one container
_FEWEST = 8
_DICT_SPREAD = 4_096  # entries of a dictionary that the sample is taken from
_DEEPEST = 8
_SINGLE = (str, bytes, bytearray, int, float, complex, type(None), type, types.ModuleType, types.FunctionType)
_CONTAINERS = (list, tuple, set, frozenset, deque)
_CONSTANTS = {bool, type(None)}
_NUMBERS = {int, float, *_CONSTANTS}
_HEAP_TYPE = 1 << 9  # among the flags of a type: it was not compiled in
_SHARED_INTEGERS = range(-5, 257)  # Python has one object for each of these

_ENVIRONS = {"Panel": "colabpanel.panel", "ZMQInteractiveShell": "ipykernel.zmqshell"}
"""Classes of objects that know the whole notebook, and hold none of it."""


class Size(NamedTuple):
    """Bytes of a value.

    Attributes:
        held: In memory, as far as could be seen; that of devices and files that are mapped is counted.
        pickled: Of it what has to be pickled, about; the rest is written from where it is.
        at_least: Whether there may be more, in memory that a library does not tell of.
        elsewhere: Of what is held, what is not in the memory of this machine.
    """

    held: int
    pickled: int
    at_least: bool = False
    elsewhere: int = 0


_AGAIN = Size(0, 0)
_UNKNOWN = Size(64, 64, at_least=True)


def size_of(
    value: Any,
    counted: set[int] | None = None,
    *,
    looks: int = _LOOKED_AT,
    known: Collection[int] = (),
    places: set[str] | None = None,
) -> Size:
    """Return how much memory a value holds.

    Args:
        value: Anything.
        counted: The memory of arrays that was counted for other values already, by its identity; is added to.
        looks: How many objects may be looked at.
        known: Objects, by `id`, that are counted elsewhere: met inside the value they hold nothing, and are added to
            ``counted``.
        places: Where the memory lies is added to it: ``cpu``, ``cuda:0``, ``file``.
    """
    sizer = _Sizer(counted if counted is not None else set(), looks, known, places if places is not None else set())
    return sizer.size(value, 0)


class _Sizer:
    def __init__(self, counted: set[int], looks: int, known: Collection[int], places: set[str]) -> None:
        self._counted, self._left, self._known, self._places = counted, looks, known, places
        self._sample = max(min(_SAMPLE, looks // 3), _FEWEST)
        self._seen: set[int] = set()

    def size(self, value: Any, depth: int) -> Size:
        kind = type(value)
        if kind in _NUMBERS:
            return self._number(value, kind)
        identity = id(value)
        if identity in self._seen:
            return _AGAIN
        self._seen.add(identity)
        if depth and identity in self._known:
            self._counted.add(identity)
            return _AGAIN
        self._left -= 1
        try:
            if kind is str or kind is dict or kind is list or kind is tuple:
                return self._of_python(value, depth)
            if _ENVIRONS.get(kind.__qualname__) == kind.__module__:
                own = sys.getsizeof(value, 64)
                return Size(own, own)
            found = self._of_library(value, kind, depth)
            return found if found is not None else self._of_python(value, depth)
        except Exception:  # noqa: BLE001 - objects may do anything when they are asked
            return _UNKNOWN

    @staticmethod
    def _number(value: Any, kind: type) -> Size:
        own: int = value.__sizeof__()
        is_shared = kind in _CONSTANTS or (kind is int and value in _SHARED_INTEGERS)
        return Size(0 if is_shared else own, own)

    def _of_library(self, value: Any, kind: type, depth: int) -> Size | None:
        """Return the size of what a library keeps in memory of its own, or None."""
        tensors = tensors_of(value, kind)
        if tensors is not None:
            sizes = [self._of_pieces(pieces_of(tensor, type(tensor)) or ()) for tensor in tensors]
            held = sum(size.held for size in sizes)
            return Size(sys.getsizeof(value, 64) + held, 64 * len(tensors), elsewhere=sum(s.elsewhere for s in sizes))
        pieces = pieces_of(value, kind)
        if pieces is None:
            return None
        found = self._of_pieces(pieces)
        return found if found is _AGAIN else self._with_objects(value, found, depth)

    def _of_pieces(self, pieces: Sequence[Piece]) -> Size:
        held = elsewhere = 0
        again = bool(pieces)
        for identity, size, place in pieces:
            if not size or identity not in self._counted:
                again = False
                self._places.add(place)
                held += size
                elsewhere += size if place != HOST else 0
                if size:
                    self._counted.add(identity)
        return _AGAIN if again else Size(held, 0, elsewhere=elsewhere)

    def _with_objects(self, value: Any, found: Size, depth: int) -> Size:
        """Add what the cells of an array or frame refer to, where they are objects of Python."""
        blocks: Any = getattr(getattr(value, "_mgr", None), "blocks", None)
        is_frame = isinstance(blocks, tuple)
        inner = getattr(value, "_data", None) if is_of(type(value), "pandas", "Index") else value
        columns: list[Any] = [block.values for block in blocks] if is_frame else [inner]
        for column in columns:
            if getattr(getattr(column, "dtype", None), "hasobject", False) and hasattr(column, "flat"):
                inside = self._several(list(column.flat[:: max(column.size // self._sample, 1)]), column.size, depth)
                pickled = found.pickled + (0 if is_frame else found.held) + inside.held
                found = Size(found.held + inside.held, pickled, at_least=is_frame or inside.at_least)
        return found

    def _of_python(self, value: Any, depth: int) -> Size:
        own = sys.getsizeof(value, 64)
        if isinstance(value, _SINGLE):
            return Size(own, 0 if isinstance(value, bytes) else own)
        groups = self._members(value)
        if depth >= _DEEPEST or self._left <= 0:
            return Size(own, own, at_least=any(members for members, _count in groups))
        held, pickled, elsewhere = own, 0, 0
        at_least = _hides(value, groups)
        for members, count in groups:
            size = self._several(members, count, depth)
            held, pickled, elsewhere = held + size.held, pickled + size.pickled, elsewhere + size.elsewhere
            at_least = at_least or size.at_least
        return Size(held, pickled, at_least, elsewhere)

    def _several(self, members: Sequence[Any], count: int, depth: int) -> Size:
        """Return the size of so many objects, of which some are given."""
        held = pickled = elsewhere = looked = again = 0
        at_least = False
        for member in members:
            if self._left <= 0 and looked and count > len(members):
                break
            found = self.size(member, depth + 1)
            looked += 1
            again += found is _AGAIN
            held, pickled, elsewhere = held + found.held, pickled + found.pickled, elsewhere + found.elsewhere
            at_least = at_least or found.at_least
        # Where most of a sample was seen before, as views of one array, the rest will have been, too.
        factor = count / looked if looked and 2 * again < looked else 1
        return Size(int(held * factor), 9 * count + int(pickled * factor), at_least, int(elsewhere * factor))

    def _members(self, value: Any) -> list[tuple[Sequence[Any], int]]:
        """Return some of what a container or object holds, by kinds, and how much of each there is in all."""
        if isinstance(value, dict):
            half = max(self._sample // 2, 1)
            spread = min(len(value), _DICT_SPREAD)
            pairs = list(islice(value.items(), 0, spread, max(spread // half, 1)))
            return [([key for key, _ in pairs], len(value)), ([each for _, each in pairs], len(value))]
        if isinstance(value, list | tuple) and len(value) > self._sample:
            return [([value[place] for place in range(0, len(value), len(value) // self._sample)], len(value))]
        if isinstance(value, _CONTAINERS):
            return [(list(islice(value, self._sample)), len(value))]
        attributes = getattr(value, "__dict__", None)
        held = list(attributes.values()) if isinstance(attributes, dict) else []
        held += _in_slots(value)
        return [(held[: self._sample], len(held))] if held else []


def _in_slots(value: Any) -> list[Any]:
    """Return what an object holds in fields of its class, as one with ``__slots__``, or a bound method, does."""
    found = []
    for kind in type(value).__mro__:
        for field in vars(kind).values():
            if type(field) is types.MemberDescriptorType:
                with contextlib.suppress(AttributeError):  # it was not set
                    found.append(field.__get__(value))
    return found


def _hides(value: Any, shown: list[tuple[Sequence[Any], int]]) -> bool:
    """Whether an object holds more than it shows, as a generator or an iterator does."""
    is_made_by_class = bool(type(value).__flags__ & _HEAP_TYPE)
    if isinstance(value, (dict, *_CONTAINERS)) or (is_made_by_class and shown):
        return False
    known = {id(one) for members, _ in shown for one in members}
    return any(one is not type(value) and id(one) not in known for one in gc.get_referents(value))
