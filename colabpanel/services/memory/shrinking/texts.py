"""Columns of texts that repeat, as categories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.services.memory.shrinking.columns import columns_of, convert_columns, is_frame
from colabpanel.services.memory.shrinking.models import NOTABLE, Saving, Task, Way, WouldChangeError, every
from colabpanel.services.snapshots.sizes import size_of

__all__ = ["CATEGORY"]

_SAMPLE = 10_000
_REPEATED = 20  # times that each text is there at least, on average
_CODES = ((1 << 7, 1), (1 << 15, 2), (1 << 31, 4))  # so many categories take so many bytes for each value


def _find(name: str, value: Any) -> Saving | None:
    if not is_frame(value):
        return None
    found = {label: saved for label, saved in _columns(value) if saved >= NOTABLE // 8}
    saved = sum(found.values())
    if saved < NOTABLE:
        return None
    kinds = dict.fromkeys(found, "category")
    where = "" if None in found else f" of {words.plural(len(found), 'column')}"
    return Saving(
        name,
        "category",
        saved,
        lossless=True,
        safe=True,
        sentence=f"The texts{where} repeat. As categories they stay what they are; other texts need a new category.",
        code=f"{name} = {name}.astype({kinds.get(None, kinds)!r})",
    )


def _columns(value: Any) -> Iterator[tuple[Any, int]]:
    """Yield the columns of texts that repeat, and what each would save."""
    for label, column in columns_of(value):
        if not _may_be_text(column.dtype) or not len(column):
            continue
        sample = column.iloc[:: every(len(column), _SAMPLE)]
        if not _is_text(sample) or (str(column.dtype) == "string" and column.isna().any()):  # NA would become NaN
            continue
        distinct = sample.nunique()
        if distinct * _REPEATED <= len(sample):
            width = next(width for most, width in _CODES if distinct <= most)
            yield label, size_of(column).held - len(column) * width


def _may_be_text(dtype: Any) -> bool:
    return str(dtype) in {"object", "str", "string"}


def _is_text(column: Any) -> bool:
    """Whether all of a column are texts or missing; other objects may be equal without being the same."""
    if str(column.dtype) != "object":
        return True
    return all(type(each) is str or (type(each) is float and each != each) for each in column)  # noqa: PLR0124 - NaN


def _make(value: Any, task: Task) -> tuple[Any, Path | None]:
    labels = [label for label, saved in _columns(value) if saved >= NOTABLE // 8]
    texts = {label: "category" for label, column in columns_of(value) if label in labels and _is_text(column)}
    if not texts:
        raise WouldChangeError
    return convert_columns(value, texts, task), None


CATEGORY = Way(_find, _make)
