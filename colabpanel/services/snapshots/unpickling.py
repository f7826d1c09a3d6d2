"""Pickles to objects. Without trust, nothing is called that is not on the list in `allowed`."""

from __future__ import annotations

import collections
import contextlib
import io
import pickle
import types
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from colabpanel.errors import ArchiveError, ColabPanelError, TrustError
from colabpanel.services.snapshots import rebuild
from colabpanel.services.snapshots.allowed import is_allowed, resolve, today
from colabpanel.services.snapshots.depth import insist_on_shallow, may_be_deep
from colabpanel.services.snapshots.guarded import NotPlainError, fill_array, fill_dtype, fill_namespace, fill_ordered
from colabpanel.services.snapshots.quiet import collector_paused
from colabpanel.services.snapshots.scan import Wanted, scan
from colabpanel.services.snapshots.stand_ins import StandIn

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Rebuilders", "unknown_in", "unknown_names", "unpickle", "unpickle_next"]

Rebuilders = dict[str, Callable[..., Any]]
"""What answers the names of `colabpanel.services.snapshots.rebuild`."""

_NEEDS_TRUST = (
    "Load it with trusted=True if it is from somebody you trust; code in it can do whatever you can do. "
    "What it would run: {names}."
)
_NOT_PLAIN = "Load it with trusted=True if it is from somebody you trust. Else it is damaged: use another copy of it."
_EXPANDING = {("builtins", "range"), ("__builtin__", "range"), ("__builtin__", "xrange")}
"""What becomes much larger where something takes its members."""

_SHOWN = 10


class _Trusting(pickle.Unpickler):
    """Finds every name."""

    def __init__(self, stream: io.BytesIO, rebuilders: Rebuilders, buffers: Iterable[Buffer]) -> None:
        super().__init__(stream, buffers=buffers)
        self._rebuilders = rebuilders

    def find_class(self, module: str, name: str, /) -> Any:
        if module == rebuild.__name__ and name in self._rebuilders:
            return self._rebuilders[name]
        return super().find_class(today(module), name)


def _found(rebuilders: Rebuilders, module: str, name: str) -> Any:
    """Answer rebuilders, and names that are on the list."""
    if module == rebuild.__name__ and name in rebuilders:
        return StandIn(rebuilders[name])
    if is_allowed(module, name):
        return resolve(module, name)
    raise TrustError(f"Loading this would run {module}.{name}.", hint=_NOT_PLAIN)


class _Careful(pickle.Unpickler):
    """Finds only what is on the list.

    Attributes:
        found: What stands for it, as long as anything refers to that.
    """

    def __init__(self, stream: io.BytesIO, rebuilders: Rebuilders, buffers: Iterable[Buffer]) -> None:
        super().__init__(stream, buffers=buffers)
        self._rebuilders = rebuilders
        self.found: list[weakref.ref[Any]] = []

    def find_class(self, module: str, name: str, /) -> Any:
        found = _found(self._rebuilders, module, name)
        with contextlib.suppress(TypeError):  # what is no stand-in
            self.found.append(weakref.ref(found))
        return found


_DICTIONARIES = {dict, collections.OrderedDict, collections.defaultdict, collections.Counter}
_FILLED: dict[bytes, set[Any]] = {
    pickle.SETITEM: _DICTIONARIES,
    pickle.SETITEMS: _DICTIONARIES,
    pickle.APPEND: {list, collections.deque},
    pickle.APPENDS: {list, collections.deque},
    pickle.ADDITEMS: {set},
}
_BELOW = {pickle.SETITEM: 3, pickle.APPEND: 2}  # where the target is; those that take many have it below their mark


def _only(code: bytes, kinds: set[Any]) -> Callable[[Any], None]:
    """Let an opcode fill containers of these types alone: of an array or a list it could set a part."""
    fill: Callable[[Any], None] = pickle._Unpickler.dispatch[code[0]]  # noqa: SLF001 - as below

    def run(self: Any) -> None:
        target = self.stack[-_BELOW[code]] if code in _BELOW else self.metastack[-1][-1]
        if type(target) not in kinds:
            raise TrustError(f"Loading this would change a {type(target).__name__}.", hint=_NOT_PLAIN)
        fill(self)

    return run


class _Slow(pickle._Unpickler):  # noqa: SLF001 - the one in Python, whose steps can be changed
    """As `_Careful`, and fills in nothing but arrays and types of NumPy, of which it believes nothing.

    Types that it holds are those themselves; when it calls one, what stands for it is called.
    """

    stack: list[Any]
    memo: dict[int, Any]

    def __init__(self, stream: io.BytesIO, rebuilders: Rebuilders, buffers: Iterable[Buffer]) -> None:
        super().__init__(stream, buffers=buffers)
        self._rebuilders = rebuilders
        self._stands_for: dict[type, Any] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        found = _found(self._rebuilders, module, name)
        kind: type | None = getattr(found, "kind", None)
        if kind is None or isinstance(found, type):
            return found
        self._stands_for[kind] = found
        return kind

    def _call(self) -> None:
        arguments, called = self.stack.pop(), self.stack[-1]
        if type(arguments) is not tuple:
            raise TrustError("Loading this would call something with what is no list of arguments.", hint=_NOT_PLAIN)
        if isinstance(called, type):
            called = self._stands_for[called]
        if not isinstance(called, StandIn):
            raise TrustError("Loading this would call what it holds.", hint=_NOT_PLAIN)
        self.stack[-1] = called(*arguments)

    def _make(self) -> None:
        raise TrustError("Loading this would make an object past its class.", hint=_NOT_PLAIN)

    def _fill(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is collections.OrderedDict:
            fill_ordered(target, state)
            return
        if type(target) is types.SimpleNamespace:
            fill_namespace(target, state)
            return
        import numpy as np

        if type(target) is np.ndarray:
            fill_array(target, state)
        elif isinstance(target, np.dtype):
            made = fill_dtype(target, state)
            self.stack[-1] = made
            self.memo.update({key: made for key, value in self.memo.items() if value is target})
        else:
            raise TrustError(f"Loading this would set attributes of {type(target).__name__}.", hint=_NOT_PLAIN)

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,  # noqa: SLF001 - as above
        **dict.fromkeys((code[0] for code in (pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.OBJ, pickle.INST)), _make),
        **{code[0]: _only(code, kinds) for code, kinds in _FILLED.items()},
        pickle.REDUCE[0]: _call,
        pickle.BUILD[0]: _fill,
    }


def unknown_names(data: bytes) -> list[str]:
    """Return what a pickle wants to call that is not known to be safe, without running any of it.

    Raises:
        ArchiveError: It is damaged, or a trap.
    """
    return unknown_in(scan(data))


def unknown_in(wanted: Wanted) -> list[str]:
    """Return what is not known to be safe of that which `scan` found."""
    return sorted(f"{m}.{n}" for m, n in wanted.names if not is_allowed(m, n) and m != rebuild.__name__)


def unpickle(
    data: bytes, *, trusted: bool, what: str, rebuilders: Rebuilders | None = None, buffers: Iterable[Buffer] = ()
) -> Any:
    """Return the object that a pickle holds.

    Args:
        data: The pickle.
        trusted: Whether it may call anything.
        what: Where it is from, for errors.
        rebuilders: What answers our own names.
        buffers: Its large buffers.

    Raises:
        TrustError: It wants to call what is not known to be safe; nothing was run.
        ArchiveError: It is damaged.
    """
    return unpickle_next(io.BytesIO(data), trusted=trusted, what=what, rebuilders=rebuilders, buffers=buffers)


def unpickle_next(
    stream: io.BytesIO,
    *,
    trusted: bool,
    what: str,
    rebuilders: Rebuilders | None = None,
    buffers: Iterable[Buffer] = (),
) -> Any:
    """As `unpickle`, for the pickle that begins here; the stream stands behind it afterwards."""
    kind: Callable[..., Any] = _Trusting
    wanted = None
    if not trusted:
        wanted = scan(stream.getvalue(), stream.tell())
        unknown = unknown_in(wanted)
        if unknown:
            names = ", ".join(unknown[:_SHOWN]) + (f" and {len(unknown) - _SHOWN} more" if unknown[_SHOWN:] else "")
            raise TrustError(f"{what} holds code, and is not signed by you.", hint=_NEEDS_TRUST.format(names=names))
        kind = _Slow if wanted.builds or not _EXPANDING.isdisjoint(wanted.names) else _Careful
    load = _carefully if kind is _Careful else lambda *given: kind(*given).load()
    try:
        with collector_paused():
            loaded = load(stream, rebuilders or {}, buffers)
    except ColabPanelError:
        raise
    except NotPlainError as error:
        raise TrustError(
            f"{what} holds {error} that is no plain data, and is not signed by you.", hint=_NOT_PLAIN
        ) from error
    except (ImportError, AttributeError) as error:
        raise ArchiveError(
            f"{what} needs something that is not here: {error}.",
            hint="Install the library, or define what is missing, then load it again.",
        ) from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit) or (trusted and isinstance(error, MemoryError)):
            raise
        raise ArchiveError(
            f"{what} cannot be read: {type(error).__name__}: {error}.", hint="Use another copy of it."
        ) from error
    if wanted is not None:
        stream.seek(wanted.end)  # a frame may claim what is behind it
        if may_be_deep(wanted):
            insist_on_shallow(loaded)
    return loaded


def _carefully(stream: io.BytesIO, rebuilders: Rebuilders, buffers: Iterable[Buffer]) -> Any:
    """Load, and once more where the data hold a type: what stands for it would else be in its place."""
    kept, start = list(buffers), stream.tell()
    unpickler = _Careful(stream, rebuilders, kept)
    loaded, found = unpickler.load(), unpickler.found
    del unpickler
    if all(stand_in() is None for stand_in in found):
        return loaded
    stream.seek(start)
    return _Slow(stream, rebuilders, kept).load()
