"""One step from a container to what it holds, in words."""

from __future__ import annotations

import types
from typing import Any

from colabpanel.services.snapshots.describe import type_of

__all__ = ["attributes_of", "step_words"]

_LONGEST = 40
_RUNS = {
    types.FunctionType: "function",
    types.GeneratorType: "generator",
    types.CoroutineType: "coroutine",
    types.AsyncGeneratorType: "generator",
}


def step_words(thing: Any, child: Any) -> str:
    """Say how one gets from a container or object to what it refers to; empty where there is nothing to say."""
    kind = type(thing)
    if kind is types.CellType or (kind is tuple and all(type(each) is types.CellType for each in thing)):
        return ""  # variables that a function has of another one: the function says it
    if kind in _RUNS:
        return f"{_RUNS[kind]} {thing.__name__}()"
    if kind is types.FrameType:
        return f"a frame of {thing.f_code.co_name}()"
    if kind is types.TracebackType:
        return ""
    if issubclass(kind, dict):
        return _item(thing, next((key for key, value in list(dict.items(thing)) if value is child), None))
    for plain in (list, tuple):
        if issubclass(kind, plain):
            return _item(thing, next((at for at, value in enumerate(plain.__iter__(thing)) if value is child), None))
    attributes = attributes_of(thing)
    name = next((name for name, value in list(attributes.items()) if value is child), None)
    return f"{type_of(thing)}, attribute {name}" if name else type_of(thing)


def attributes_of(thing: Any) -> dict[str, Any]:
    """Return the attributes that an object itself has; nothing of it is run."""
    try:
        found = object.__getattribute__(thing, "__dict__")
    except Exception:  # noqa: BLE001 - objects may do anything when they are asked
        return {}
    return found if isinstance(found, dict) else {}


def _item(thing: Any, key: Any) -> str:
    if not isinstance(key, str | int):  # to show others might run code of theirs
        return type_of(thing)
    shown = repr(key)
    return f"{type_of(thing)}, item {shown if len(shown) <= _LONGEST else shown[:_LONGEST] + '…'}"
