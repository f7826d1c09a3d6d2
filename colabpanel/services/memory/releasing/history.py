"""The outputs that IPython keeps: ``Out``, ``_12``, ``_``, ``__``, ``___``, and the copies it has of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from colabpanel.hosts import Host
from colabpanel.services.snapshots.namespace import HISTORY

__all__ = ["forget_outputs"]

_NOTHING = ""  # what IPython itself puts where there is no output


def forget_outputs(host: Host, chosen: Callable[[Any], bool] = lambda _value: True) -> list[str]:
    """Let IPython forget outputs, and return what they were called, as ``Out[12]``.

    Args:
        host: Has the notebook.
        chosen: Whether an object is to be forgotten; by default all are.
    """
    shell, space = host.shell, host.namespace()
    outputs = space.get("_oh")
    if shell is None or not isinstance(outputs, MutableMapping):
        return []
    hidden = getattr(shell, "user_ns_hidden", {})
    forgotten = [*_last_outputs(shell, space, hidden, chosen)]
    for number in [number for number, value in list(outputs.items()) if chosen(value)]:
        value = outputs.pop(number)
        for names in (space, hidden):
            if names.get(f"_{number}", _NOTHING) is value:
                del names[f"_{number}"]
        forgotten.append(f"Out[{number}]")
    _forget_result(shell, chosen)
    return forgotten


def _last_outputs(
    shell: Any, space: dict[str, Any], hidden: MutableMapping[str, Any], chosen: Callable[[Any], bool]
) -> Iterator[str]:
    for name in HISTORY:
        value = getattr(shell.displayhook, name, _NOTHING)
        if value is _NOTHING or not chosen(value):
            continue
        setattr(shell.displayhook, name, _NOTHING)
        for names in (space, hidden):
            if names.get(name) is value:  # else the user has put something else there
                names[name] = _NOTHING
        yield name


def _forget_result(shell: Any, chosen: Callable[[Any], bool]) -> None:
    last = getattr(shell, "last_execution_result", None)
    if last is not None and last.result is not None and chosen(last.result):
        last.result = None
