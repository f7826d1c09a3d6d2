"""What a file that nobody vouches for may call while it is loaded: exact names, each known to run nothing else.

The names are those that pickles of plain data use. Of the libraries, only what builds arrays and scalars is here;
everything else of theirs goes through codecs.
"""

from __future__ import annotations

import codecs
import fractions
import functools
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["hidden", "is_allowed", "resolve", "today"]

_ALLOWED = {
    "builtins": "complex set frozenset range slice object list dict tuple int float bool str",
    "array": "_array_reconstructor array",
    "collections": "OrderedDict Counter defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "ipaddress": "IPv4Address IPv6Address IPv4Network IPv6Network",
    "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath",
    "_codecs": "encode",
    "numpy": "dtype ndarray",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy._core.numeric": "_frombuffer",
    "numpy._core._internal": "_convert_to_stringdtype_kwargs",
    "pandas": "Interval NA",
    "pandas._libs.missing": "NA",
    "pandas._libs.tslibs.timestamps": "_unpickle_timestamp Timestamp",
    "pandas._libs.tslibs.timedeltas": "_timedelta_unpickle Timedelta",
    "pandas._libs.tslibs.nattype": "_nat_unpickle __nat_unpickle NaT",
    "pandas._libs.interval": "Interval",
    "torch": "Size",
}
_NAMES = {module: frozenset(names.split()) for module, names in _ALLOWED.items()}
_RENAMED = (("numpy.core.", "numpy._core."), ("__builtin__", "builtins"), ("pathlib._local", "pathlib"))
_HEAP_TYPE = 1 << 9
_LONGEST_RANGE = 10_000_000


def is_allowed(module: str, name: str) -> bool:
    """Whether such a name may be called."""
    return name in _NAMES.get(today(module), ())


def today(module: str) -> str:
    """Return what a module of an earlier version is called now."""
    for old, new in _RENAMED:
        if module.startswith(old):
            return new + module[len(old) :]
    return module


def resolve(module: str, name: str) -> Any:
    """Return what an allowed name stands for; what could be changed through it is wrapped, so that it cannot.

    Raises:
        ImportError: The library is not installed, or has no such name in this version.
    """
    module = today(module)
    if (module, name) in _GUARDED:
        return _Callable(_GUARDED[module, name])
    try:
        found = functools.reduce(getattr, name.split("."), _load(module))
    except AttributeError:
        raise ImportError(f"{module} has no {name}") from None
    if not callable(found) or (isinstance(found, type) and not found.__flags__ & _HEAP_TYPE):
        return found
    return _Callable(found)


def _load(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        if module.startswith("numpy._core"):  # NumPy 1
            return import_module(module.replace("numpy._core", "numpy.core", 1))
        raise


def _encode(text: str, encoding: str) -> bytes:
    """Do what pickles of protocol 2 need to hold bytes, and no more of what ``_codecs.encode`` can."""
    if encoding != "latin1":
        raise ValueError(f"not a pickle of bytes: {encoding!r}")
    return codecs.encode(text, "latin1")


def _range(*bounds: int) -> range:
    """Make a range that a list of it would not fill the memory with."""
    found = range(*bounds)
    if found and (found[-1] - found[0]) // found.step >= _LONGEST_RANGE:
        raise ValueError("a range as long as this could fill the memory")
    return found


def _fraction(*parts: int | str) -> fractions.Fraction:
    """Make a fraction of whole numbers; one like ``1e999999999`` would never be done."""
    if not all(isinstance(part, int) or re.fullmatch(r"-?\d+(/\d+)?", part) for part in parts):
        raise ValueError("not a fraction of whole numbers")
    return fractions.Fraction(*parts)


_GUARDED: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _encode,
    ("builtins", "range"): _range,
    ("fractions", "Fraction"): _fraction,
}


def hidden(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls a function and lets nothing of it be changed."""
    return _Callable(call)


class _Callable:
    """Calls something, and hides it: a pickle can set attributes of whatever it holds."""

    __slots__ = ("_call",)

    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_call", call)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._call(*arguments, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)
