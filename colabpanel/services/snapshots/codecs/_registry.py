"""Which codec an object has."""

from __future__ import annotations

import functools
import sys
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from colabpanel.errors import InputError, MissingLibraryError
from colabpanel.services.snapshots.codecs._base import Builder, Codec, Reduce

__all__ = ["builder_of", "reducer_for"]

_HERE = "colabpanel.services.snapshots.codecs"
_OURS = {
    "numpy": "numpy_arrays",
    "pandas": "pandas_frames",
    "polars": "polars_frames",
    "pyarrow": "arrow_tables",
    "torch": "torch_tensors",
    "jax": "jax_arrays",
    "tensorflow": "tensorflow_tensors",
    "scipy": "scipy_sparse",
    "PIL": "pillow_images",
    "types": "plain",
    "uuid": "plain",
    "zoneinfo": "plain",
}

_reducers: dict[type, Reduce | None] = {}
"""What was found for a type, or that there is none. A type that comes has its library loaded, so it never changes."""


def reducer_for(kind: type) -> Reduce | None:
    """Return how objects of a type are taken apart, or None."""
    try:
        return _reducers[kind]
    except KeyError:
        found = _reducers[kind] = _look_up(kind)
        return found


def _look_up(kind: type) -> Reduce | None:
    libraries = dict.fromkeys(base.__module__.partition(".")[0] for base in kind.__mro__)
    libraries |= dict.fromkeys(["jax"] if "jaxlib" in libraries else [])
    for library in libraries:
        codec = _codec(library) if library in sys.modules else None
        reduce = codec.reducer(kind) if codec else None
        if reduce is not None:
            return reduce
    return None


@functools.cache
def _codec(library: str) -> Codec | None:
    """Return the codec of a library, ours or that of another package."""
    if library in _OURS:
        codec: Codec = import_module(f"{_HERE}.{_OURS[library]}").CODEC
        return codec
    if library in sys.stdlib_module_names or library in {"__main__", "colabpanel"}:
        return None
    point = _foreign().get(library)
    foreign: Codec | None = point.load() if point else None
    return foreign


@functools.cache
def _foreign() -> dict[str, EntryPoint]:
    """Return the codecs of other packages. All that is installed is looked through for it, which takes a while."""
    return {point.name: point for point in entry_points(group="colabpanel.codecs")}


def builder_of(kind: str) -> Builder:
    """Return what builds objects of a kind.

    Raises:
        MissingLibraryError: The library that such objects belong to is not installed.
        InputError: There is no such kind here.
    """
    library, _, name = kind.partition(".")
    try:
        codec = _codec(library)
        if codec is not None:
            import_module(library)
    except ImportError:
        raise MissingLibraryError(
            f"This file holds objects of {library}, which is not installed.",
            hint=f"Run: pip install {_package(library)}",
        ) from None
    if codec is None or name not in codec.builders:
        raise InputError(
            f"This file holds an object of a kind that is not known here ({kind}).",
            hint="Update colabpanel, or install the package that saved it.",
        )
    return codec.builders[name]


def _package(library: str) -> str:
    return {"PIL": "pillow"}.get(library, library)
