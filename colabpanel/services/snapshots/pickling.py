"""Variables to skeletons: what is left of them as a pickle once arrays and other leaves are taken out."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import io
import pathlib
import pickle
import re
import types
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import cloudpickle

from colabpanel.services.snapshots.capture import Capture, Leaf, Used
from colabpanel.services.snapshots.codecs import reducer_for
from colabpanel.services.snapshots.codecs.lists import lift
from colabpanel.services.snapshots.quiet import collector_paused

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["NotSavedError", "Skeleton", "skeletons_of"]

_OUT_OF_BAND = 64 << 10  # bytes from which a buffer becomes a leaf
_LARGE_CHUNK = 512 << 10
_COMPARED = 1_000_000  # objects of all variables up to which sharing is looked for one by one
_WITHOUT_IDENTITY = (
    *(str, bytes, int, float, complex, tuple, frozenset, range, slice, type, type(None)),
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType),
    *(dt.date, dt.time, dt.timedelta, dt.tzinfo, decimal.Decimal, fractions.Fraction, uuid.UUID, pathlib.PurePath),
)
"""What cannot be changed: nobody can tell whether two variables hold the same one."""
_SHARED_OF: dict[str, tuple[str, ...]] = {
    "numpy": ("Generator", "RandomState", "MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"),
    "pandas": ("DataFrame", "Series"),
    "torch": ("Parameter", "Tensor"),
}
"""Of some libraries, the types of which it matters whether two objects are the same one."""

_SAID = re.compile(r"cannot pickle '(?P<type>[^']+)' object|can't pickle (?P<old>[\w.]+)")
_REASONS = {
    "generator": "It is a generator, and where it stands cannot be saved. Save list(...) of it.",
    "coroutine": "It is a coroutine, which cannot be saved.",
    "_thread.lock": "It holds a lock, which cannot be saved.",
    "_thread.RLock": "It holds a lock, which cannot be saved.",
    "socket.socket": "It is a network connection, which cannot be saved.",
    "socket": "It holds a network connection, which cannot be saved.",
    "sqlite3.Connection": "It holds a connection to a database, which cannot be saved.",
    "module": "It holds a module, which cannot be saved.",
}


class NotSavedError(Exception):
    """A variable cannot be saved; the text says why, as a sentence."""


class Skeleton(NamedTuple):
    """One pickle, of variables that share objects with each other, or of a single one.

    Attributes:
        names: The variables in it.
        chunks: Its bytes.
        buffers: The numbers of the leaves that hold its large buffers, in its order.
        used: The leaves and arrays it refers to.
    """

    names: tuple[str, ...]
    chunks: list[bytes]
    buffers: list[int]
    used: Used

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(map(len, self.chunks))


class _Sink(io.RawIOBase):
    """Keeps what is written, in few chunks. A large string of bytes is kept as it is, not copied."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._waiting = bytearray()

    def write(self, data: Buffer, /) -> int:
        if isinstance(data, bytes) and len(data) >= _LARGE_CHUNK:
            self._flush()
            self._chunks.append(data)
        else:
            self._waiting += data
            if len(self._waiting) >= _LARGE_CHUNK:
                self._flush()
        return len(memoryview(data))

    def _flush(self) -> None:
        if self._waiting:
            self._chunks.append(bytes(self._waiting))
            self._waiting.clear()

    def taken(self) -> list[bytes]:
        """Return all that was written."""
        self._flush()
        return self._chunks


class _Pickler(cloudpickle.Pickler):
    """Takes leaves out, leaves functions and classes of the notebook to cloudpickle."""

    def __init__(self, capture: Capture) -> None:
        self.sink, self.capture = _Sink(), capture
        self.buffers: list[int] = []
        super().__init__(self.sink, protocol=5, buffer_callback=self._take_buffer)

    def reducer_override(self, obj: Any) -> Any:
        """Let the codec of its type take an object apart, if there is one."""
        if isinstance(obj, io.IOBase) and not isinstance(obj, io.BytesIO | io.StringIO):
            raise TypeError("cannot pickle '_io.file' object")  # cloudpickle would save what is in it
        reduce = reducer_for(type(obj))
        if reduce is not None:
            reduced = reduce(obj, self.capture)
            if reduced is not NotImplemented:
                return reduced
        return super().reducer_override(obj)

    def _take_buffer(self, buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if len(raw) < _OUT_OF_BAND:
            return True
        leaf = Leaf(".bin", lambda: [raw], len(raw))
        self.buffers.append(self.capture.leaf(raw, lambda: leaf))
        return False


def skeletons_of(variables: Mapping[str, Any], capture: Capture) -> tuple[list[Skeleton], dict[str, str]]:
    """Pickle variables, those that share objects together.

    Returns:
        The skeletons, and for each variable that cannot be saved why.
    """
    skeletons, failures = dict[str, Skeleton](), dict[str, str]()
    identities: dict[str, dict[int, Any] | None] = {}
    left = _COMPARED
    for name, value in variables.items():
        try:
            skeletons[name], identities[name] = _pickle({name: value}, capture, left if len(variables) > 1 else 0)
        except NotSavedError as error:
            failures[name] = str(error)
            continue
        left -= len(identities[name] or ())
    for group in _groups(identities):
        try:
            together, _ = _pickle({name: variables[name] for name in group}, capture, 0)
        except NotSavedError:  # an object that can be pickled only once
            continue
        for name in group:
            skeletons[name] = together
    return list({id(skeleton): skeleton for skeleton in skeletons.values()}.values()), failures


def _pickle(
    variables: Mapping[str, Any], capture: Capture, identities_up_to: int
) -> tuple[Skeleton, dict[int, Any] | None]:
    """Pickle variables; also return the objects in them that others may share, None where there are too many."""
    pickler, used = _Pickler(capture), capture.begin()
    lifted = {name: lift(value, capture) for name, value in variables.items()} if len(variables) == 1 else {}
    try:
        with collector_paused():
            pickler.dump({**variables, **lifted})
    except NotSavedError:
        raise
    except MemoryError:
        raise NotSavedError("There is not enough memory to save it.") from None
    except Exception as error:
        raise NotSavedError(_reason(error)) from error
    skeleton = Skeleton(tuple(variables), pickler.sink.taken(), pickler.buffers, used)
    if not identities_up_to or skeleton.size > 64 * identities_up_to:
        return skeleton, None
    memo = pickler.memo.copy()
    kept = {key: obj for key, (_, obj) in memo.items() if not isinstance(obj, _WITHOUT_IDENTITY) and _may_share(obj)}
    kept |= {id(value): value for name, value in variables.items() if lifted[name] is not value}
    return skeleton, kept


def _may_share(obj: Any) -> bool:
    """Whether it matters that two variables hold the same object.

    The reader gives the same array to both by itself, and so what is made of arrays shares their memory.
    """
    kind = type(obj)
    if kind.__name__ == "ndarray":
        return bool(obj.dtype.hasobject)
    if kind.__name__ == "cython_function_or_method":
        return False
    library = kind.__module__.partition(".")[0]
    return kind.__name__ in _SHARED_OF.get(library, (kind.__name__,))


def _groups(identities: Mapping[str, dict[int, Any] | None]) -> list[list[str]]:
    """Return the names of variables that share objects, directly or through others.

    Those that hold too many objects to compare count as sharing with all that hold any.
    """
    together = _Together(identities)
    crowd = [name for name, objects in identities.items() if objects is None]
    if crowd:
        for name, objects in identities.items():
            if objects or objects is None:
                together.join(name, crowd[0])
    seen: dict[int, str] = {}
    for name, objects in identities.items():
        for key in objects or ():
            together.join(name, seen.setdefault(key, name))
    return together.groups()


class _Together:
    """Names in groups, by a leader each."""

    def __init__(self, names: Iterable[str]) -> None:
        self._leader = {name: name for name in names}

    def join(self, one: str, other: str) -> None:
        if one != other:
            self._leader[self._find(one)] = self._find(other)

    def _find(self, name: str) -> str:
        while self._leader[name] != name:
            name = self._leader[name]
        return name

    def groups(self) -> list[list[str]]:
        """Return the groups of more than one."""
        found: dict[str, list[str]] = {}
        for name in self._leader:
            found.setdefault(self._find(name), []).append(name)
        return [group for group in found.values() if len(group) > 1]


def reason_of_type(value: Any) -> str:
    """Say why a value of such a type cannot be saved, or nothing; the value is not asked anything."""
    kind = type(value)
    if issubclass(kind, io.IOBase) and not issubclass(kind, io.BytesIO | io.StringIO):
        return "It holds an open file, which cannot be saved."
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return _REASONS.get(name, "")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError) or isinstance(error.__context__, RecursionError):
        return "It is nested too deeply to be saved."
    said = _SAID.search(str(error)) if isinstance(error, TypeError) else None
    kind = (said["type"] or said["old"]) if said else ""
    if kind.startswith("_io."):
        return "It holds an open file, which cannot be saved."
    if kind in _REASONS:
        return _REASONS[kind]
    if kind:
        return f"It holds a {kind} object, which cannot be saved."
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - errors are objects, too
        text = ""
    return f"It cannot be saved: {text}" if text else f"It cannot be saved ({type(error).__name__})."
