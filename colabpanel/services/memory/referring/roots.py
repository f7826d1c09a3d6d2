"""Places that have a name: variables of the notebook, outputs, the last error, globals of modules."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, Literal

from colabpanel.hosts import Host
from colabpanel.services.memory.referring.last_error import frames_of, kept_errors
from colabpanel.services.snapshots.namespace import HISTORY

__all__ = ["Holder", "Roots"]

Holder = Literal["variable", "output", "error", "module", "running", "hidden"]
Named = tuple[Holder, str, str]

_OUTPUT = re.compile(r"_(\d+)")
_OURS = "colabpanel.services.memory."
_KEPT: Named = ("output", "_", "the last outputs that IPython keeps (_, __, ___)")
_ERROR: Named = ("error", "", "the last error")


class Roots:
    """Tells what an object is known as, if it is one of the places where names are."""

    def __init__(self, host: Host) -> None:
        shell = host.shell
        self._variables = host.namespace()
        self._outputs: Any = self._variables.get("_oh") if shell is not None else None
        self._modules = {id(vars(module)): name for name, module in _modules()}
        self._hidden = {id(each) for each in _history_of(shell)}
        self._hidden_names: Any = getattr(shell, "user_ns_hidden", None)
        errors = kept_errors(host)
        self._errors = {id(error) for error in errors}
        self._frames = {id(frame) for error in errors for frame in frames_of(error)}
        self._running = set(_running())

    def is_ours(self, thing: Any) -> bool:
        """Whether an object belongs to this search, or to the call that makes it."""
        if isinstance(thing, FrameType):
            return str(thing.f_globals.get("__name__", "")).startswith(_OURS)
        return type(thing).__module__.startswith(_OURS)

    def is_named(self, thing: Any) -> bool:
        """Whether an object is a place that has a name."""
        places = (self._variables, self._outputs, self._hidden_names)
        return any(thing is place for place in places) or any(
            id(thing) in known for known in (self._modules, self._hidden, self._errors, self._frames, self._running)
        )

    def names(self, thing: Any, child: Any) -> list[Named] | None:
        """Return what refers to ``child`` in a place that has a name, as it is called; None where it has none."""
        if thing is self._variables:
            return [self._variable(str(key)) for key in _keys(thing, child)]
        if thing is self._outputs:
            return [_output(key) for key in _keys(thing, child)]
        if thing is self._hidden_names:
            return [self._variable(str(key)) for key in _keys(thing, child)]
        if id(thing) in self._hidden:
            return [_KEPT]
        if id(thing) in self._frames:
            return [_frame("error", "the last error's frame of {}", thing)]
        if id(thing) in self._running:  # Python tells of some of them only
            return [_frame("running", "{}, which is running", thing)]
        if id(thing) in self._errors:
            return [_ERROR]
        module = self._modules.get(id(thing))
        if module is None:
            return None
        return [
            _ERROR if module == "sys" and str(key).startswith("last_") else _global(module, str(key))
            for key in _keys(thing, child)
        ]

    def _variable(self, name: str) -> Named:
        number = _OUTPUT.fullmatch(name)
        if number and self._outputs is not None and int(number[1]) in self._outputs:
            return _output(number[1])
        if self._outputs is not None and name in HISTORY:
            return _KEPT
        return "variable", name, f"variable `{name}`"


def _frame(kind: Holder, said: str, frame: FrameType) -> Named:
    function = frame.f_code.co_name
    return kind, function, said.format("the cell" if function == "<module>" else f"{function}()")


def _running() -> Iterator[int]:
    for innermost in sys._current_frames().values():  # noqa: SLF001 - its documented name
        frame: FrameType | None = innermost
        while frame is not None:
            yield id(frame)
            frame = frame.f_back


def _output(number: Any) -> Named:
    return "output", f"Out[{number}]", f"output Out[{number}]"


def _global(module: str, name: str) -> Named:
    return "module", module, f"`{name}` of module {module}"


def _keys(space: dict[Any, Any], child: Any) -> list[Any]:
    return [key for key, value in list(space.items()) if value is child]


def _modules() -> Iterator[tuple[str, Any]]:
    for name, module in list(sys.modules.items()):
        if isinstance(module, type(sys)) and not name.startswith(_OURS):
            yield name, module


def _history_of(shell: Any) -> list[Any]:
    """Return what of IPython refers to outputs beside the notebook's own names."""
    kept = [getattr(shell, "displayhook", None), getattr(shell, "last_execution_result", None)]
    return [each for one in kept if one is not None for each in (one, vars(one))]
