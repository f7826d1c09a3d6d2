"""Arrays of strings, some of which may be missing: as one text, or, where few of them differ, as those and numbers.

In the text each string is followed by NUL. ESC 0 stands for a NUL in a string, and ESC 1 for an ESC.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from colabpanel.services.snapshots.capture import Capture, Leaf

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from colabpanel.services.snapshots.codecs._base import LeafReader

__all__ = ["Strings", "build_strings", "take_strings"]

_END, _ESCAPE = "\0", "\x1b"
_BLOCK = 32_768  # strings made into text at a time
_SEARCH = 1 << 20  # bytes made into strings at a time
_SAMPLE = 2_000
_OTHER = 255  # the code of what is neither a string nor missing
_FEW = 0.2  # the share of different strings in a sample, up to which numbers are tried

Strings = tuple[int, int, "int | None", "int | None"]
"""How many strings the text holds, its leaf, and the arrays of numbers and of what is missing, or None."""


def take_strings(values: Any, capture: Capture) -> Strings | None:
    """Take an array of objects apart if all are strings or missing; None, and nothing taken, where one is not.

    Args:
        values: One dimension, of objects.
        capture: Takes the leaves.
    """
    missing = _missing(values)
    if missing is None:
        return None
    complete = not missing.any()
    absent = None if complete else capture.array(missing)
    sample = values[:: max(len(values) // _SAMPLE, 1)].tolist()
    if len(set(sample)) <= _FEW * len(sample):
        numbers, distinct = _numbered(values, complete=complete)
        if numbers is not None:
            leaf = capture.leaf(distinct, lambda: _text_leaf(distinct, complete=True))
            return len(distinct), leaf, capture.array(numbers), absent
    return len(values), capture.leaf(values, lambda: _text_leaf(values, complete=complete)), None, absent


def _blocks(values: Any) -> Iterator[list[Any]]:
    for start in range(0, len(values), _BLOCK):
        yield values[start : start + _BLOCK].tolist()


def _missing(values: Any) -> Any | None:
    """Return 0 for each string, 1 for None, 2 for NaN, 3 for pandas' NA; None where there is anything else."""
    found = np.zeros(len(values), np.uint8)
    for number, block in enumerate(_blocks(values)):
        if set(map(type, block)) == {str}:
            continue
        codes = list(map(_code, block))
        if _OTHER in codes:
            return None
        found[number * _BLOCK : number * _BLOCK + len(block)] = codes
    return found


def _code(value: Any) -> int:
    if type(value) is str:
        return 0
    if value is None:
        return 1
    if type(value) is float and math.isnan(value):
        return 2
    pandas = sys.modules.get("pandas")
    return 3 if pandas is not None and value is pandas.NA else _OTHER


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def _numbered(values: Any, *, complete: bool) -> tuple[Any, Any]:
    """Return a number for each string and the different ones in order, or None where there are too many."""
    numbers = np.empty(len(values), np.uint32)
    known: dict[str, int] = {}
    for number, found in enumerate(_blocks(values)):
        block = found if complete else list(map(_text, found))
        for value in dict.fromkeys(block):
            known.setdefault(value, len(known))
        if len(known) > _FEW * len(values) + _SAMPLE:
            return None, None
        numbers[number * _BLOCK : number * _BLOCK + len(block)] = list(map(known.__getitem__, block))
    distinct = np.empty(len(known), object)
    distinct[:] = list(known)
    return numbers.astype(np.min_scalar_type(max(len(known) - 1, 0))), distinct


def _text_leaf(values: Any, *, complete: bool) -> Leaf:
    def parts() -> Iterator[Buffer]:
        for found in _blocks(values):
            block = found if complete else list(map(_text, found))
            text = _END.join(block)
            if text.count(_END) != len(block) - 1 or _ESCAPE in text:
                text = _END.join(map(_escaped, block))
            yield (text + _END).encode("utf-8", "surrogatepass")

    sample = values[:: max(len(values) // _SAMPLE, 1)].tolist()
    about = sum(len(_text(value)) for value in sample) * len(values) // max(len(sample), 1) + len(values)
    return Leaf(".txt", parts, about, exact=False)


def _escaped(text: str) -> str:
    return text.replace(_ESCAPE, _ESCAPE + "1").replace(_END, _ESCAPE + "0")


def _plain(text: str) -> str:
    return text.replace(_ESCAPE + "0", _END).replace(_ESCAPE + "1", _ESCAPE)


def build_strings(reader: LeafReader, count: int, leaf: int, numbers: int | None, missing: int | None) -> Any:
    """Return the array of objects again."""
    strings = np.empty(count, object)
    data = memoryview(reader.bytes_of(leaf)).cast("B")
    start = filled = 0
    while filled < count:
        end = _end_of_string(data, start)
        text = str(data[start:end], "utf-8", "surrogatepass")
        block = text.split(_END)
        strings[filled : filled + len(block)] = list(map(_plain, block)) if _ESCAPE in text else block
        filled, start = filled + len(block), end + 1
    if numbers is not None:
        strings = strings[reader.array(numbers)]
    if missing is not None:
        _put_missing(strings, reader.array(missing))
    return strings


def _end_of_string(data: memoryview, start: int) -> int:
    """Return where a string ends, some way after ``start``."""
    end = min(start + _SEARCH, len(data) - 1)
    while data[end] != 0:
        end += 1
    return end


def _put_missing(strings: Any, codes: Any) -> None:
    strings[codes == 1] = None
    strings[codes == 2] = math.nan  # noqa: PLR2004 - as `_missing` writes it
    if (codes == 3).any():  # noqa: PLR2004 - as `_missing` writes it
        import pandas as pd

        strings[codes == 3] = pd.NA  # noqa: PLR2004 - as `_missing` writes it
