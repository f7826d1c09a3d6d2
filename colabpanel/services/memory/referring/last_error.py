"""The error that a notebook keeps for ``%debug`` and ``%tb``, with the variables of every frame it went through."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from colabpanel.hosts import Host

__all__ = ["frames_of", "kept_errors"]

_MOST = 100  # errors that led to each other


def kept_errors(host: Host) -> list[BaseException]:
    """Return the errors that Python and IPython keep, with those they came of, newest first."""
    result = getattr(host.shell, "last_execution_result", None)
    names = ("error_in_exec", "error_before_exec")
    left = [getattr(sys, "last_exc", None), getattr(sys, "last_value", None)]
    left += [getattr(result, name, None) for name in names]
    found: dict[int, BaseException] = {}
    while left and len(found) < _MOST:
        error = left.pop(0)
        if isinstance(error, BaseException) and id(error) not in found:
            found[id(error)] = error
            left += [error.__cause__, error.__context__, *_members(error)]
    return list(found.values())


def _members(error: BaseException) -> tuple[Any, ...]:
    """Return the errors of a group, as Python has them from 3.11 on."""
    members = getattr(error, "exceptions", ())
    return members if isinstance(members, tuple) else ()


def frames_of(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames an error went through, outermost first."""
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame
        step = step.tb_next
