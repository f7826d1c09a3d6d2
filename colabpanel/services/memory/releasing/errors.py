"""The last error: what Python and IPython keep of it for ``%debug`` and ``%tb``."""

from __future__ import annotations

import contextlib
import inspect
import sys
from types import FrameType
from typing import Any

from colabpanel.hosts import Host
from colabpanel.services.memory.referring.last_error import frames_of, kept_errors

__all__ = ["forget_error"]

_GOES_ON = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def forget_error(host: Host) -> tuple[str, int] | None:
    """Forget the last error, and what the functions it went through had in their variables.

    Returns:
        What kind of error it was, and how many calls of functions were cleared; None where there was none.
    """
    errors = kept_errors(host)
    kind = type(errors[0]).__name__ if errors else ""
    frames = {id(frame): frame for error in errors for frame in frames_of(error)}
    cleared = sum([_clear(frame) for frame in frames.values()])
    for name in ("last_exc", "last_value", "last_traceback", "last_type"):
        if hasattr(sys, name):
            delattr(sys, name)
    _forget_in(host.shell)
    return (kind, cleared) if errors else None


def _clear(frame: FrameType) -> bool:
    """Clear the variables of a function that has ended; one that still runs, or may go on, keeps its own."""
    if frame.f_code.co_flags & _GOES_ON or not frame.f_code.co_flags & inspect.CO_OPTIMIZED:  # or a cell
        return False
    with contextlib.suppress(RuntimeError):
        frame.clear()
        return True
    return False


def _forget_in(shell: Any) -> None:
    for name in ("InteractiveTB", "SyntaxTB"):
        formatter = getattr(shell, name, None)
        for kept in ("tb", "etype", "evalue", "last_syntax_error"):
            if getattr(formatter, kept, None) is not None:
                setattr(formatter, kept, None)
    result = getattr(shell, "last_execution_result", None)
    for name in ("error_in_exec", "error_before_exec"):
        if getattr(result, name, None) is not None:
            setattr(result, name, None)
