"""Lists of numbers, or of arrays of one shape, which one array would hold in less memory."""

from __future__ import annotations

import sys
from typing import Any

from colabpanel import words
from colabpanel.services.memory.shrinking.models import NOTABLE, Saving, Way, every
from colabpanel.services.memory.shrinking.numbers import is_plain
from colabpanel.services.snapshots.sizes import size_of

__all__ = ["ONE_ARRAY"]

_SAMPLE = 1_000
_FITS = 1 << 62


def _find(name: str, value: Any) -> Saving | None:
    if type(value) is not list or not value:
        return None
    sample = value[:: every(len(value), _SAMPLE)]
    if all(is_plain(each) for each in sample):
        return _of_arrays(name, value, sample)
    kinds = {type(each) for each in sample}
    if kinds == {float} or (kinds == {int} and all(abs(each) < _FITS for each in sample)):
        saved = size_of(value).held - 8 * len(value)
        what = words.plural(len(value), "number")
        return _saving(name, saved, f"One array of {what} takes 8 bytes for each.", f"{name} = numpy.array({name})")
    return None


def _of_arrays(name: str, value: list[Any], sample: list[Any]) -> Saving | None:
    forms = {(array.shape, array.dtype) for array in sample}
    if len(forms) != 1 or any(array.base is not None for array in sample):
        return None
    frame = sys.getsizeof(sample[0]) - sample[0].nbytes + 8
    what = f"{words.plural(len(value), 'array')} of {words.size(sample[0].nbytes)}"
    said = f"The {what} have one shape. One array of all of them needs no {words.size(frame)} for each."
    return _saving(name, frame * len(value), said, f"{name} = numpy.stack({name})")


def _saving(name: str, saved: int, said: str, code: str) -> Saving | None:
    if saved < NOTABLE:
        return None
    said += " It is no list any more: nothing can be appended to it."
    return Saving(name, "one_array", saved, lossless=True, safe=False, sentence=said, code=code)


ONE_ARRAY = Way(_find, None)
