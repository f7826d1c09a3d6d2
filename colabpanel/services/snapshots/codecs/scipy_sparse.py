"""Sparse matrices and arrays of SciPy, by the arrays they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs._base import Codec, LeafReader, Reduce, built

__all__ = ["CODEC"]

_COMPRESSED = ("csr", "csc", "bsr")


def _take(matrix: Any, _capture: Capture) -> Any:
    name, shape = type(matrix).__name__, tuple(map(int, matrix.shape))
    if matrix.format in _COMPRESSED:
        parts: tuple[Any, ...] = (matrix.data, matrix.indices, matrix.indptr)
    elif matrix.format == "coo":
        parts = (matrix.data, *getattr(matrix, "coords", (matrix.row, matrix.col)))
    elif matrix.format == "dia":
        parts = (matrix.data, matrix.offsets)
    else:
        coo = matrix.tocoo()
        parts = (coo.data, *getattr(coo, "coords", (coo.row, coo.col)))
    return built("scipy.sparse", name, matrix.format, shape, parts)


def _build(_reader: LeafReader, name: str, form: str, shape: tuple[int, ...], parts: tuple[Any, ...]) -> Any:
    if name not in _NAMES:
        raise ValueError(name)
    if not all(type(part) is np.ndarray and not part.dtype.hasobject for part in parts):
        raise TypeError("parts")
    kind = getattr(sp, name)
    if form in _COMPRESSED:
        made = kind(parts, shape=shape)
        made.check_format(full_check=True)
        return made
    if form == "dia":
        return kind(parts, shape=shape)
    data, *places = parts
    if form == "coo":
        return kind((data, tuple(places)), shape=shape)
    as_coo = sp.coo_array if name.endswith("_array") else sp.coo_matrix
    return kind(as_coo((data, tuple(places)), shape=shape))


_FORMATS = (*_COMPRESSED, "coo", "dia", "lil", "dok")
_NAMES = {f"{form}_{ending}" for form in _FORMATS for ending in ("matrix", "array")}


def _reducer(kind: type) -> Reduce | None:
    return _take if kind.__name__ in _NAMES and getattr(sp, kind.__name__, None) is kind else None


CODEC = Codec("scipy", _reducer, {"sparse": _build})
