"""What a file that nobody vouches for may call while it is loaded: exact names, each known to run nothing else.

The names are those that pickles of plain data use; everything else of other libraries goes through codecs. Some
are answered by stand-ins, in `guarded`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from colabpanel.services.snapshots.guarded import GUARDED
from colabpanel.services.snapshots.stand_ins import FACTORIES, ArrayType, Factory, StandIn

__all__ = ["is_allowed", "resolve", "today"]

_ALLOWED = {
    "builtins": "object range xrange",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "ipaddress": "IPv4Address IPv6Address",
    "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath",
    "numpy._core._internal": "_convert_to_stringdtype_kwargs",
    "pandas": "Interval NA",
    "pandas._libs.missing": "NA",
    "pandas._libs.tslibs.timestamps": "_unpickle_timestamp",
    "pandas._libs.tslibs.timedeltas": "_timedelta_unpickle",
    "pandas._libs.tslibs.nattype": "_nat_unpickle __nat_unpickle",
    "pandas._libs.interval": "Interval",
}
_NAMES = {module: frozenset(names.split()) for module, names in _ALLOWED.items()}
_NAMED_SINCE = {"xrange": "range"}  # in pickles that Python 2 could read
_ARRAY = ("numpy", "ndarray")
_RENAMED = (("numpy.core.", "numpy._core."), ("__builtin__", "builtins"), ("pathlib._local", "pathlib"))


def today(module: str) -> str:
    """Return what a module of an earlier version is called now."""
    for old, new in _RENAMED:
        if module.startswith(old):
            return new + module[len(old) :]
    return module


def is_allowed(module: str, name: str) -> bool:
    """Whether such a name may be called."""
    module = today(module)
    is_named_only = (module == "builtins" and name in FACTORIES) or (module, name) == _ARRAY
    return is_named_only or (module, name) in GUARDED or name in _NAMES.get(module, ())


def resolve(module: str, name: str) -> Any:
    """Return what an allowed name stands for, wrapped so that nothing of it can be changed.

    Raises:
        ImportError: The library is not installed, or has no such name in this version.
    """
    module = today(module)
    if (module, name) == _ARRAY:
        return ArrayType()
    if (module, name) in GUARDED:
        named = getattr(_load(module), name)
        return StandIn(GUARDED[module, name], named if isinstance(named, type) else None)
    if module == "builtins" and name in FACTORIES:
        return Factory(name)
    try:
        found = getattr(_load(module), _NAMED_SINCE.get(name, name))
    except AttributeError:
        raise ImportError(f"{module} has no {name}") from None
    return StandIn(found) if callable(found) else found


def _load(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        if module.startswith("numpy._core"):  # NumPy 1
            return import_module(module.replace("numpy._core", "numpy.core", 1))
        raise
