"""How deep what was loaded is nested: some containers, freed one within the other, use up the interpreter's stack."""

from __future__ import annotations

import collections
import sys
import types
from collections.abc import Iterator
from typing import Any

from colabpanel.errors import ArchiveError
from colabpanel.services.snapshots.scan import Wanted

__all__ = ["insist_on_shallow", "may_be_deep"]

_DEEPEST = 10_000
_FRAGILE = {"deque", "defaultdict", "_reconstruct"}
"""Names of what is freed by recursion; lists, tuples, sets and dictionaries are not."""

_SEQUENCES = {list, tuple, set, frozenset, collections.deque}
_MAPPINGS = {dict, collections.OrderedDict, collections.defaultdict, collections.Counter}


def may_be_deep(wanted: Wanted) -> bool:
    """Whether a pickle makes so many containers of that kind that it is worth a look."""
    return wanted.calls > _DEEPEST and not _FRAGILE.isdisjoint(name for _, name in wanted.names)


def insist_on_shallow(value: Any) -> None:
    """Refuse what is nested so deeply that to free it would end the process; it is taken apart first.

    Raises:
        ArchiveError: It is.
    """
    heights, nodes, path = dict[int, int](), list[Any](), [(value, _members(value))]
    heights[id(value)] = 0
    while path:
        node, members = path[-1]
        for member in members:
            if id(member) in heights:  # or is above: a circle is freed by the collector
                heights[id(node)] = max(heights[id(node)], heights[id(member)] + 1)
            elif _is_container(member):
                heights[id(member)] = 0
                path.append((member, _members(member)))
                break
        else:
            path.pop()
            nodes.append(node)
            if path:
                above = id(path[-1][0])
                heights[above] = max(heights[above], heights[id(node)] + 1)
    if max(heights.values()) > _DEEPEST:
        for node in nodes:
            _empty(node)
        raise ArchiveError(
            "A pickle in this file is made to crash whoever lets go of it.", hint="Do not use this file."
        )


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray and value.dtype.hasobject


def _is_container(value: Any) -> bool:
    kind = type(value)
    return kind in _SEQUENCES or kind in _MAPPINGS or kind is types.SimpleNamespace or _is_array(value)


def _members(value: Any) -> Iterator[Any]:
    kind = type(value)
    if kind in _MAPPINGS:
        return _pairs(value)
    if kind is types.SimpleNamespace:
        return iter(vars(value).values())
    return iter(value.flat if _is_array(value) else value if kind in _SEQUENCES else ())


def _pairs(value: Any) -> Iterator[Any]:
    for pair in value.items():
        yield from pair


def _empty(value: Any) -> None:
    if type(value) is types.SimpleNamespace:
        vars(value).clear()
    elif _is_array(value):
        value[...] = None
    elif type(value) not in {tuple, frozenset}:
        value.clear()
