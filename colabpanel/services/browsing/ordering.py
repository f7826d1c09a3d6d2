"""Which entries of a folder match, and in which order they stand."""

from __future__ import annotations

import fnmatch
import os.path
import re
from collections.abc import Sequence

from colabpanel.services.browsing.models import Query, Whole

__all__ = ["chosen", "needs_statuses"]

_GROUPS = {"d": 0, "D": 0, "l": 1}
_PATTERN = re.compile(r"[*?\[]")


def needs_statuses(query: Query) -> bool:
    """Whether every entry has to be looked at before the first page can be shown."""
    return query.sort in {"size", "modified"}


def chosen(whole: Whole, query: Query) -> list[int]:
    """Return the numbers of the entries that match, in order."""
    matching, names = _matching(whole.names, query.containing.strip()), whole.names
    folded = [name.casefold() for name in names]
    # Each sorting is stable: what is equal stays in the order of the one before.
    matching.sort(key=names.__getitem__, reverse=query.descending)
    matching.sort(key=folded.__getitem__, reverse=query.descending)
    if query.sort == "name":
        matching.sort(key=lambda number: _GROUPS.get(whole.kinds[number], 2))
    elif query.sort == "kind":
        matching.sort(key=lambda number: _kind(whole, number), reverse=query.descending)
    else:
        values: Sequence[float | None] = whole.sizes if query.sort == "size" else whole.times
        matching = _by_value(matching, values, descending=query.descending)
    return matching


def _kind(whole: Whole, number: int) -> tuple[int, str]:
    return _GROUPS.get(whole.kinds[number], 2), os.path.splitext(whole.names[number].casefold())[1]  # noqa: PTH122 - many


def _matching(names: Sequence[str], containing: str) -> list[int]:
    if not containing:
        return list(range(len(names)))
    wanted = containing.casefold()
    if _PATTERN.search(wanted):
        fits = re.compile(fnmatch.translate(wanted)).match
        return [number for number, name in enumerate(names) if fits(name.casefold())]
    return [number for number, name in enumerate(names) if wanted in name.casefold()]


def _by_value(numbers: list[int], values: Sequence[float | None], *, descending: bool) -> list[int]:
    known = [(value, number) for number in numbers if (value := values[number]) is not None]
    known.sort(key=lambda pair: pair[0], reverse=descending)
    return [number for _, number in known] + [number for number in numbers if values[number] is None]
