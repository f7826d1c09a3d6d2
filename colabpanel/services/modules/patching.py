"""Turning old functions and classes into new ones in place, so that whoever holds them has the new ones, too.

IPython's own autoreload imports ``imp``, which Python has no more since 3.12, in the version that Colab has.
"""

from __future__ import annotations

import contextlib
import enum
import gc
from types import CellType, FunctionType, ModuleType
from typing import Any

__all__ = ["Patcher"]

_OF_CLASSES = {"__dict__", "__weakref__", "__doc__", "__module__", "__slots__"}
_OWN_CELL = "__class__"
_MOST_LOOKED_AT = 10_000


class Patcher:
    """Changes the objects of one module; it remembers which old object stands for which new one."""

    def __init__(self) -> None:
        self._stands_for: dict[int, tuple[Any, Any]] = {}
        self._known: dict[tuple[int, int], bool] = {}

    def patch(self, old: Any, new: Any) -> bool:
        """Make an object behave as another one of the same kind; returns whether that could be done.

        Functions get the code, the defaults and what the others enclose; classes get the attributes, so that
        instances that exist behave as new ones; nothing else is touched.
        """
        if old is new:
            return True
        pair = id(old), id(new)
        if pair not in self._known:
            self._known[pair] = True  # as long as it is under way: a function may enclose itself
            self._stands_for[id(new)] = new, old
            self._known[pair] = self._patched(old, new)
            if not self._known[pair]:
                del self._stands_for[id(new)]
        return self._known[pair]

    def _patched(self, old: Any, new: Any) -> bool:
        if isinstance(old, FunctionType) and isinstance(new, FunctionType):
            return self._patch_function(old, new)
        if isinstance(old, type) and isinstance(new, type):
            return self._patch_class(old, new)
        if type(old) is not type(new):
            return False
        if isinstance(old, staticmethod | classmethod):
            return self.patch(old.__func__, new.__func__)
        if isinstance(old, property):
            pairs = [(getattr(old, kind), getattr(new, kind)) for kind in ("fget", "fset", "fdel")]
            return all(self.patch(was, now) for was, now in pairs)
        return False

    def _patch_function(self, old: FunctionType, new: FunctionType) -> bool:
        """Change a function; two that enclose different names cannot be exchanged."""
        names = old.__code__.co_freevars
        if names != new.__code__.co_freevars:
            return False
        for name, was, now in zip(names, old.__closure__ or (), new.__closure__ or (), strict=True):
            if name != _OWN_CELL:
                self._patch_cell(was, now)
        old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
        old.__doc__, old.__annotations__ = new.__doc__, new.__annotations__
        old.__dict__.clear()
        old.__dict__.update(new.__dict__)
        return True

    def _patch_cell(self, old: CellType, new: CellType) -> None:
        """What a decorator encloses is the function of before: it is changed, or exchanged for the new one."""
        try:
            value = new.cell_contents
        except ValueError:  # it is empty
            return
        with contextlib.suppress(ValueError):
            if self.patch(old.cell_contents, value):
                return
        old.cell_contents = value

    def _patch_class(self, old: type, new: type) -> bool:
        if isinstance(old, enum.EnumMeta) or type(old) is not type(new) or _slots(old) != _slots(new):
            return False
        bases = tuple(self._old_of(base) for base in new.__bases__)
        if old.__bases__ != bases:
            try:
                old.__bases__ = bases
            except TypeError:
                return False
        for name in set(vars(old)) - set(vars(new)) - _OF_CLASSES:
            with contextlib.suppress(AttributeError, TypeError):
                delattr(old, name)
        slots = set(_slots(new))
        for name, value in list(vars(new).items()):
            if name in _OF_CLASSES or name in slots or (name in vars(old) and self.patch(vars(old)[name], value)):
                continue
            with contextlib.suppress(AttributeError, TypeError):
                setattr(old, name, self._moved(value))
        with contextlib.suppress(AttributeError, TypeError):
            old.__doc__ = new.__doc__
        return True

    def settle(self, module: ModuleType) -> None:
        """Let what the new text has made use the old classes and functions, which go by its names now.

        Without it an instance that the module makes for itself is none of its class, and ``except`` misses a subclass.
        """
        pairs = [(new, old) for new, old in self._stands_for.values() if isinstance(new, type)]
        for thing in gc.get_referrers(*(new for new, _ in pairs)) if pairs else []:
            if self._old_of(type(thing)) is not type(thing):
                with contextlib.suppress(AttributeError, TypeError):
                    object.__setattr__(thing, "__class__", self._old_of(type(thing)))
        for new, old in pairs:
            subclasses: list[type] = type.__subclasses__(new)
            for kind in subclasses:
                if kind is not old:
                    with contextlib.suppress(TypeError):
                        kind.__bases__ = tuple(map(self._old_of, kind.__bases__))
        for name, value in list(vars(module).items()):
            if not name.startswith("__"):
                vars(module)[name] = self._old_of(value)
                self._exchange_in(vars(module)[name], module.__name__, set())

    def _exchange_in(self, held: Any, module: str, seen: set[int]) -> None:
        """Exchange new classes and functions for the old ones in what a module holds: lists, dicts, its own objects."""
        if id(held) in seen or len(seen) > _MOST_LOOKED_AT:
            return
        seen.add(id(held))
        if type(held) is dict:
            for key, value in list(held.items()):
                held[key] = self._old_of(value)
        elif type(held) is list:
            held[:] = map(self._old_of, held)
        elif type(held) is set and any(self._old_of(one) is not one for one in held):
            old = {self._old_of(one) for one in held}
            held.clear()
            held.update(old)
        elif type(held).__module__ == module and isinstance(getattr(held, "__dict__", None), dict):
            self._exchange_in(vars(held), module, seen)
        for one in list(held.values()) if type(held) is dict else held if type(held) in {list, tuple, set} else ():
            self._exchange_in(one, module, seen)

    def _old_of(self, new: Any) -> Any:
        return self._stands_for.get(id(new), (None, new))[1]

    def _moved(self, value: Any) -> Any:
        """Let a method that came with a new class mean the old one by ``super()``."""
        for function in (value, *(getattr(value, name, None) for name in ("__func__", "fget", "fset", "fdel"))):
            for cell in getattr(function, "__closure__", None) or ():
                with contextlib.suppress(ValueError):
                    cell.cell_contents = self._old_of(cell.cell_contents)
        return self._old_of(value)


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
