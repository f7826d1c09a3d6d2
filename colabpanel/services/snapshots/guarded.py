"""Stand-ins for what untrusted pickles call: each does what pickles of plain data need, and no more.

Whatever they return is real. That arrays and types of NumPy are filled in afterwards by BUILD is answered in
`unpickling`, with `fill_array` and `fill_dtype`.
"""

from __future__ import annotations

import array
import codecs
import collections
import fractions
import math
import re
import types
from collections.abc import Callable
from typing import Any

from colabpanel.services.snapshots.stand_ins import EMPTY, ArrayType, Factory, StandIn

__all__ = ["GUARDED", "NotPlainError", "fill_array", "fill_dtype", "fill_namespace", "fill_ordered"]

_GATHERED = (list, tuple, dict, set, frozenset, str, bytes, bytearray)
_UNITS = frozenset(["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic"])
_ALIGNED = 0x80  # among the flags of a type
_DTYPE = re.compile(r"[<>|=]?([?bhilqpBHILQPefdgFDG]|[bBiufcSUVO]\d+|O|[mM]8(\[[\w/ ]+\])?)")


class NotPlainError(ValueError):
    """What the text names is more than plain data, or damaged."""


def _insist(condition: object, what: str) -> None:
    if not condition:
        raise NotPlainError(what)


def _encode(text: str, encoding: str) -> bytes:
    _insist(encoding == "latin1", "a pickle of bytes")
    return codecs.encode(text, "latin1")


def _of(kind: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes a container of one that is there already; a range would fill the memory."""

    def make(*parts: Any) -> Any:
        _insist(all(type(part) in (*_GATHERED, int, type(None)) for part in parts), "a container")
        return kind(*parts)

    return make


def _complex(real: float, imag: float) -> complex:
    _insist(type(real) is float and type(imag) is float, "a complex number")
    return complex(real, imag)


def _no_bytes() -> bytes:
    return b""


def _bytearray(*parts: Any) -> bytearray:
    _insist(not parts or type(parts[0]) in {bytes, str}, "a bytearray")
    return bytearray(*parts)


def _default_dict(*parts: Any) -> Any:
    factory, *rest = parts or (None,)
    kind = factory.kind if isinstance(factory, Factory | StandIn) else factory
    _insist(kind is None or kind in EMPTY, "a defaultdict")
    _insist(all(type(part) is dict for part in rest), "a defaultdict")
    return collections.defaultdict(kind, *rest)


def _fraction(*parts: int | str) -> fractions.Fraction:
    whole = (isinstance(part, int) or re.fullmatch(r"-?\d{1,4000}(/\d{1,4000})?", part) for part in parts)
    _insist(all(whole), "a fraction")
    return fractions.Fraction(*parts)


def _array_of(code: str, items: Any) -> Any:
    _insist(type(code) is str and type(items) in {list, bytes}, "an array")
    return array.array(code, items)


def _array(_type: Any, code: str, machine: int, data: bytes) -> Any:
    _insist(isinstance(data, bytes) and isinstance(machine, int), "an array")
    return array._array_reconstructor(array.array, code, machine, data)  # type: ignore[attr-defined]  # noqa: SLF001 - what its pickles call


def _dtype(text: str, *_flags: Any) -> Any:
    import numpy as np

    _insist(isinstance(text, str) and _DTYPE.fullmatch(text), "a type of NumPy")
    return np.dtype(text)


def _is_plain(dtype: Any) -> bool:
    import numpy as np

    return isinstance(dtype, np.dtype) and not dtype.hasobject and dtype.kind != "T"


def _scalar(dtype: Any, data: Any = None) -> Any:
    import numpy as np

    _insist(_is_plain(dtype) and isinstance(data, bytes) and len(data) == dtype.itemsize, "a scalar of NumPy")
    return np.frombuffer(data, dtype)[0] if data else dtype.type()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> Any:
    import numpy as np

    _insist(_is_plain(dtype) and isinstance(data, bytes | bytearray | memoryview), "an array")
    array = np.frombuffer(bytes(data), dtype).copy() if dtype.itemsize else np.empty(shape, dtype).reshape(-1)
    if order != "K":
        return array.reshape(shape, order=order)
    _insist(type(axes) is tuple and sorted(axes) == list(range(len(shape))), "an array")
    return array.reshape(shape, order="C").transpose(axes)


def _slice(*parts: Any) -> slice:
    _insist(all(type(part) in {int, float, str, type(None)} for part in parts), "a slice")
    return slice(*parts)


def _reconstruct(kind: Any, _shape: Any, _code: Any) -> Any:
    import numpy as np

    _insist(kind is np.ndarray or isinstance(kind, ArrayType), "an array")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


GUARDED: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _encode,
    ("array", "_array_reconstructor"): _array,
    ("array", "array"): _array_of,
    ("builtins", "bytearray"): _bytearray,
    ("builtins", "bytes"): _no_bytes,  # others are written by `_codecs.encode`
    ("builtins", "complex"): _complex,
    ("builtins", "frozenset"): _of(frozenset),
    ("builtins", "set"): _of(set),
    ("builtins", "slice"): _slice,
    ("collections", "Counter"): _of(collections.Counter),
    ("collections", "OrderedDict"): _of(collections.OrderedDict),
    ("collections", "defaultdict"): _default_dict,
    ("collections", "deque"): _of(collections.deque),
    ("fractions", "Fraction"): _fraction,
    ("numpy", "dtype"): _dtype,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
}


def fill_array(target: Any, state: Any) -> None:
    """Do what BUILD does to an array that `_reconstruct` made, once, for data that is what it says.

    Raises:
        ValueError: It is not.
    """
    import numpy as np

    _insist(target.shape == (0,) and target.dtype == np.dtype("b"), "an array filled twice")
    _insist(type(state) is tuple and len(state) == 5, "an array")  # noqa: PLR2004 - as NumPy writes it
    _version, shape, dtype, is_fortran, data = state
    _insist(isinstance(dtype, np.dtype), "an array")
    _insist(type(shape) is tuple and all(type(n) is int and 0 <= n < 1 << 48 for n in shape), "a shape")
    if dtype.kind == "T" or (dtype == np.dtype(object) and dtype.names is None):
        _insist(type(data) is list and len(data) == math.prod(shape), "an array of objects")
        missing = getattr(dtype, "na_object", "")
        _insist(dtype.kind == "O" or all(type(text) is str or text is missing for text in data), "an array of strings")
    else:
        _insist(_is_plain(dtype) and isinstance(data, bytes), "an array")
        _insist(len(data) == math.prod(shape) * dtype.itemsize, "an array")
    target.__setstate__((1, shape, dtype, bool(is_fortran), data))


def fill_ordered(target: collections.OrderedDict[Any, Any], state: Any) -> None:
    """Do what BUILD does to the dictionaries that PyTorch keeps weights in, which carry notes.

    Raises:
        ValueError: It would do more.
    """
    _insist(type(state) is dict and state.keys() <= {"_metadata"}, "a dictionary of weights")
    target.__dict__.update(state)


def fill_namespace(target: types.SimpleNamespace, state: Any) -> None:
    """Do what BUILD does to a namespace: give it its names.

    Raises:
        ValueError: It would do more.
    """
    _insist(type(state) is dict and all(type(name) is str for name in state), "a namespace")
    target.__dict__.update(state)


def fill_dtype(dtype: Any, state: Any) -> Any:
    """Return the type of NumPy that BUILD would make of one; its fields are put together anew, not believed.

    Raises:
        ValueError: They do not fit.
    """
    import numpy as np

    _insist(type(state) is tuple and 8 <= len(state) <= 9, "a type of NumPy")  # noqa: PLR2004 - as NumPy writes it
    _version, order, base, names, fields, size, *rest = state
    if base is not None:
        element, shape = base
        _insist(_is_plain(element), "a type of NumPy")
        return np.dtype((element, shape))
    if dtype.kind in "mM":
        return _moments(dtype.kind, order, rest)
    if names is None:
        return dtype if order in {"|", "="} or dtype.kind in "SVO" else dtype.newbyteorder(order)
    _insist(type(fields) is dict and type(names) is tuple, "a type of NumPy")
    told = [fields[name] for name in names]
    _insist(all(type(one) is tuple and _is_plain(one[0]) for one in told), "a type of NumPy")
    parts: dict[str, Any] = {"formats": [one[0] for one in told], "offsets": [one[1] for one in told]}
    if any(len(one) > 2 for one in told):  # noqa: PLR2004 - it has a title
        parts["titles"] = [one[2] if len(one) > 2 else None for one in told]  # noqa: PLR2004
    is_aligned = bool(rest[1] & _ALIGNED) and "titles" not in parts
    whole: Any = {"names": list(names), "itemsize": size, **parts}
    return np.dtype(whole, align=is_aligned)


def _moments(kind: str, order: str, rest: list[Any]) -> Any:
    """Return a type of moments or spans of time, whose unit is told at the end of what BUILD is given."""
    import numpy as np

    _notes, (unit, count, parts, events) = rest[-1]
    unit = unit.decode() if isinstance(unit, bytes) else unit
    _insist(isinstance(unit, str) and unit in _UNITS and (parts, events) == (1, 1), "a unit of time")
    _insist(type(count) is int and 0 < count < 1 << 31, "a unit of time")
    return np.dtype(f"{order}{kind}8" + ("" if unit == "generic" else f"[{count}{unit}]"))
