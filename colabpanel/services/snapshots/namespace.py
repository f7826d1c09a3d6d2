"""The variables of a notebook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.hosts import Host
from colabpanel.services.limits.applying import applying_limit
from colabpanel.services.snapshots.sizes import size_of

__all__ = ["HISTORY", "insist_on_memory", "user_variables"]

HISTORY = ("_", "__", "___")
"""What IPython calls the last three outputs."""

_SHELL = {"In", "Out", "exit", "quit", "get_ipython", "open"}
_SHELLS_UNDERSCORED = re.compile(r"__\w+__|_i?\d+|_i{1,3}|_[ido]h|_exit_code|_sh")
_SPARE = 64 << 20


def user_variables(host: Host, *, underscored: bool = False) -> dict[str, Any]:
    """Return what the user made in the notebook; names of IPython are not.

    Args:
        host: Has the notebook.
        underscored: Whether names that begin with an underscore are returned, too.
    """
    hidden = set(getattr(host.shell, "user_ns_hidden", ())) | _SHELL
    return {
        name: value
        for name, value in dict(host.namespace()).items()
        if isinstance(name, str)
        and (not name.startswith("_") or (underscored and _is_own(host, name, value)))
        and not (name in hidden and _is_shells(host, name, value))
    }


def _is_own(host: Host, name: str, value: Any) -> bool:
    """Whether a name that begins with an underscore is one that the user chose."""
    if name in HISTORY:  # a loop may use it
        output = getattr(host.shell, "displayhook", None)
        return output is None or getattr(output, name, None) is not value
    return _SHELLS_UNDERSCORED.fullmatch(name) is None


def _is_shells(host: Host, name: str, value: Any) -> bool:
    """Whether a name still stands for what IPython put there; a user may have put something else."""
    marked = getattr(host.shell, "user_ns_hidden", {})
    return name in _SHELL or (isinstance(marked, Mapping) and marked.get(name) is value)


def insist_on_memory(variables: Mapping[str, Any]) -> None:
    """Refuse to pickle objects of Python for which there is no room in memory beside themselves.

    Raises:
        InputError: There is not enough memory.
    """
    pickled = sum(size_of(value).pickled for value in variables.values())
    if pickled < _SPARE:
        return
    amount = applying_limit().amount
    free = amount.left if amount is not None else None
    if free is not None and pickled + _SPARE > free:
        raise InputError(
            f"Saving this takes about {words.size(pickled)} of memory, and {words.size(free)} are free.",
            hint="Save fewer variables at a time, or put numbers into arrays: they need no extra memory.",
        )
