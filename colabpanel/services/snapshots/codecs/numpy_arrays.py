"""Arrays of NumPy: their memory becomes ``.npy`` members, that of arrays of strings their text."""

from __future__ import annotations

from typing import Any

import numpy as np

from colabpanel.services.snapshots import rebuild
from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs import numpy_random
from colabpanel.services.snapshots.codecs._base import Codec, LeafReader, Reduce, built
from colabpanel.services.snapshots.codecs.strings import build_strings, take_strings

__all__ = ["CODEC"]

_VIEWS: dict[type, str] = {np.matrix: "matrix", np.recarray: "recarray", np.memmap: "ndarray"}
_TYPES: dict[str, Any] = {"matrix": np.matrix, "recarray": np.recarray}
_MANY = 1000  # strings from which an array of them is worth a leaf


def _take_array(array: np.ndarray[Any, Any], capture: Capture) -> Any:
    if _is_plain(array.dtype):
        return rebuild.array, (capture.array(array),)
    if array.dtype == object and array.size >= _MANY:
        strings = take_strings(array.reshape(-1), capture)
        if strings is not None:
            return built("numpy.strings", strings, array.shape)
    return NotImplemented


def _is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether the bytes of such an array, and the text of its type, are all there is to it."""
    if dtype.hasobject:
        return False
    if dtype.isbuiltin == 1:
        return True
    if dtype.type.__module__ == "ml_dtypes":
        return True
    try:
        descr = np.lib.format.dtype_to_descr(dtype)
        return bool(dtype.metadata is None and np.lib.format.descr_to_dtype(descr) == dtype)
    except (ValueError, TypeError):
        return False


def _take_view(array: np.ndarray[Any, Any], capture: Capture) -> Any:
    plain = array.view(np.ndarray)
    if plain.dtype.type is np.record:
        plain = plain.view(np.dtype((np.void, plain.dtype)))
    if not _is_plain(plain.dtype):
        return NotImplemented
    name = _VIEWS[type(array)]
    number = capture.array(plain)
    return (rebuild.array, (number,)) if name == "ndarray" else built("numpy.view", name, number)


def _take_masked(array: Any, capture: Capture) -> Any:
    data = np.asarray(array.data)
    if not _is_plain(data.dtype) or array._baseclass is not np.ndarray:  # noqa: SLF001 - of which class it is made
        return NotImplemented
    mask = None if array.mask is np.ma.nomask else capture.array(np.asarray(array.mask))
    return built("numpy.masked", capture.array(data), mask, array.fill_value, array.hardmask)


def _reducer(kind: type) -> Reduce | None:
    if kind is np.ndarray:
        return _take_array
    if kind in _VIEWS:
        return _take_view
    return _take_masked if kind is np.ma.MaskedArray else numpy_random.REDUCERS.get(kind)


def _build_view(reader: LeafReader, name: str, number: int) -> Any:
    return reader.array(number).view(_TYPES[name])


def _build_masked(reader: LeafReader, data: int, mask: int | None, fill_value: Any, hard_mask: bool) -> Any:  # noqa: FBT001 - as it stands in files
    mask_array = np.ma.nomask if mask is None else reader.array(mask)
    return np.ma.MaskedArray(reader.array(data), mask_array, fill_value=fill_value, hard_mask=hard_mask)


def _build_string_array(reader: LeafReader, strings: Any, shape: tuple[int, ...]) -> Any:
    return build_strings(reader, *strings).reshape(shape)


def _build_array(reader: LeafReader, number: int) -> Any:
    return reader.array(number)


def _build_rows(reader: LeafReader, first: int, count: int) -> list[Any]:
    return reader.rows(first, count)


CODEC = Codec(
    "numpy",
    _reducer,
    {
        "array": _build_array,
        "rows": _build_rows,
        "view": _build_view,
        "masked": _build_masked,
        "strings": _build_string_array,
        **numpy_random.BUILDERS,
    },
)
