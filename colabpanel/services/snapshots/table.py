"""The variables of a notebook as a list to choose from, made without stalling on any of them."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from colabpanel.services.snapshots.describe import shape_of, type_of
from colabpanel.services.snapshots.fingerprint import Fingerprints, fingerprint
from colabpanel.services.snapshots.pickling import reason_of_type
from colabpanel.services.snapshots.sizes import size_of

__all__ = ["Change", "VariableInfo", "change_of", "variable_table"]

Change = Literal["new", "changed", "same", "unknown"]


@dataclass(frozen=True)
class VariableInfo:
    """A variable of the notebook.

    Attributes:
        name: Its name.
        type: Its type, as ``numpy.ndarray``.
        shape: Its shape or length, or empty.
        size: Bytes it holds in memory; memory that variables share counts for the largest of them.
        at_least: Whether it may hold more than could be seen.
        pickled: Bytes of extra memory that saving it takes, about: what of it has to be pickled.
        note: Why it cannot be saved, as far as its type tells; or what will be saved of it.
        savable: Whether it can be saved, as far as its type tells.
        fingerprint: What tells later whether it has changed, as far as samples of it do.
    """

    name: str
    type: str
    shape: str
    size: int
    at_least: bool
    pickled: int
    note: str
    savable: bool
    fingerprint: str | None


def variable_table(variables: Mapping[str, Any]) -> list[VariableInfo]:
    """Return the variables, largest first."""
    largest = sorted(variables.items(), key=lambda item: -size_of(item[1]).held)
    counted = set[int]()
    return [_info(name, value, counted) for name, value in largest]


def _info(name: str, value: Any, counted: set[int]) -> VariableInfo:
    size = size_of(value, counted)
    is_module = isinstance(value, types.ModuleType)
    reason = "" if is_module else reason_of_type(value)
    note = "Only its import is noted." if is_module else reason
    return VariableInfo(
        name=name,
        type=type_of(value),
        shape=shape_of(value),
        size=size.held,
        at_least=size.at_least,
        pickled=size.pickled,
        note=note,
        savable=not reason,
        fingerprint=fingerprint(value),
    )


def change_of(variable: VariableInfo, last: Fingerprints) -> Change:
    """Return what became of a variable since a snapshot, of which the fingerprints are given."""
    if variable.name not in last:
        return "new"
    now, then = variable.fingerprint, last[variable.name]
    if now is None or then is None:
        return "unknown"
    return "same" if now == then else "changed"
