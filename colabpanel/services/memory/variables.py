"""What holds memory in a notebook: its variables, the outputs IPython keeps, and the figures pyplot keeps."""

from __future__ import annotations

import sys
import types
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from colabpanel.hosts import Host, detect
from colabpanel.services.snapshots.describe import shape_of, type_of
from colabpanel.services.snapshots.library_sizes import HOST, is_optimizer
from colabpanel.services.snapshots.namespace import HISTORY, user_variables
from colabpanel.services.snapshots.sizes import Size, size_of

__all__ = ["FIGURES", "Kind", "Variable", "history_of", "is_shared_by_python", "open_figures", "variables"]

Kind = Literal["variable", "history", "figures"]

FIGURES = "pyplot figures"
_LOOKS = 150_000  # objects that are looked at for all variables together
_FEWEST, _MOST = 12, 2_000  # for one of them
_LARGEST = 30  # are looked at again, closely
_NOTABLE = 1 << 20
_NAMED = 8
_NO_SIZE = Size(0, 0)
_LONG = 1_000
_SHARED = (int, float, complex, bool, type(None), types.BuiltinFunctionType)
_SHARED_WHEN_SHORT = (str, bytes, range)
_CODE = (type, types.FunctionType)


@dataclass(frozen=True)
class Variable:
    """What a name in the notebook holds.

    Attributes:
        name: Its name; ``Out``, ``In``, ``_`` for what IPython keeps, ``pyplot figures`` for open figures.
        type: Its type, as ``numpy.ndarray``.
        shape: Its shape or length, or empty.
        size: Bytes it holds in the memory of this machine. What several names share counts for one of them: for a
            variable before what IPython keeps, for an array before a view of it, for a model before its optimizer.
        at_least: Whether it may hold more than could be seen.
        device: ``cpu``, or where the rest lies: ``cuda:0``, ``mps``, ``tpu:0``, several joined with commas, or ``file``
            for a file that is mapped into memory.
        device_size: Bytes that lie there.
        shares: Other names that use some of the same memory, at most eight for each piece of it.
        kind: Whether it is a variable of the user's, kept by IPython, or the open figures.
    """

    name: str
    type: str
    shape: str
    size: int
    at_least: bool
    device: str = HOST
    device_size: int = 0
    shares: tuple[str, ...] = ()
    kind: Kind = "variable"


@dataclass(eq=False)
class _Entry:
    """A name while it is looked at."""

    name: str
    kind: Kind
    value: Any
    size: Size = _NO_SIZE
    memory: set[int] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    shares: dict[str, None] = field(default_factory=dict)

    def look(self, looks: int, known: set[int]) -> None:
        self.memory, self.places = set(), set()
        self.size = size_of(self.value, self.memory, looks=looks, known=known, places=self.places)
        if id(self.value) in known:
            self.memory.add(id(self.value))


def variables(*, host: Host | None = None) -> list[Variable]:
    """Return what holds memory in the notebook, largest first; imported modules are left out.

    Sizes are found by looking at a part of each value, so this takes a fraction of a second whatever there is, and
    does not fail. No library is loaded and no device is started for it. Outputs that IPython keeps (``Out``, ``_``)
    and its ``In`` are listed where they hold, or keep alive, a megabyte or more.

    Args:
        host: Has the notebook; by default the one at hand. The dashboard has none, and there are no variables.
    """
    host = host or detect()
    entries = _entries(host)
    data = [entry.value for entry in entries if type(entry.value) not in _CODE]
    known = {id(value) for value in data if not is_shared_by_python(value)}
    known.add(id(host.namespace()))  # what refers to the whole notebook, as `globals()`, does not hold it
    looks = min(max(_LOOKS // max(len(entries), 1), _FEWEST), _MOST)
    for entry in entries:
        entry.look(looks, known)
    if looks < _MOST:
        for entry in sorted(entries, key=lambda entry: -entry.size.held)[:_LARGEST]:
            entry.look(_MOST, known)
    _share_out(entries, known)
    rows = [_row(entry) for entry in entries]
    large = {row.name for row in rows if row.size + row.device_size >= _NOTABLE}
    listed = [row for row in rows if row.kind == "variable" or row.name in large or large.intersection(row.shares)]
    return sorted(listed, key=lambda row: -(row.size + row.device_size))


def is_shared_by_python(value: Any, depth: int = 2) -> bool:
    """Whether a value is a number, a short text, or a few of them, which Python itself uses in many places."""
    kind = type(value)
    if kind is tuple or kind is frozenset:
        return len(value) < _NAMED and depth > 0 and all(is_shared_by_python(one, depth - 1) for one in value)
    return kind in _SHARED or (kind in _SHARED_WHEN_SHORT and sys.getsizeof(value) < _LONG)


def _entries(host: Host) -> list[_Entry]:
    own, space = user_variables(host, underscored=True), host.namespace()
    found = [
        _Entry(name, "variable", value)
        for name, value in own.items()
        if value is not space and not issubclass(type(value), types.ModuleType)
    ]
    found.extend(_Entry(name, "history", value) for name, value in history_of(host).items() if name not in own)
    if figures := open_figures():
        found.append(_Entry(FIGURES, "figures", figures))
    return found


def history_of(host: Host) -> dict[str, Any]:
    """Return what IPython keeps of the notebook: ``Out``, ``In``, and what of ``_``, ``__``, ``___`` is not in it."""
    if host.shell is None:
        return {}
    space = host.namespace()
    outputs = space.get("_oh")
    found = {name: space[key] for name, key in (("Out", "_oh"), ("In", "_ih")) if space.get(key)}
    kept = {id(value) for value in outputs.values()} if isinstance(outputs, Mapping) else set()
    last = {name: space[name] for name in HISTORY if name in space}
    return found | {name: value for name, value in last.items() if id(value) not in kept}


def open_figures() -> list[Any]:
    """Return the figures of matplotlib that pyplot keeps until they are closed."""
    figures = getattr(sys.modules.get("matplotlib._pylab_helpers"), "Gcf", None)
    return [manager.canvas.figure for manager in list(figures.figs.values())] if figures is not None else []


def _share_out(entries: Iterable[_Entry], known: set[int]) -> None:
    """Note which entries share memory, and count it for one of them."""
    users = defaultdict[int, list[_Entry]](list)
    for entry in entries:
        for identity in entry.memory:
            users[identity].append(entry)
    sharing = dict[_Entry, None]()
    for together in users.values():
        if len(together) > 1:
            sharing.update(dict.fromkeys(together))
            for entry in together:
                others = (one.name for one in together if one is not entry)
                entry.shares.update(dict.fromkeys(islice(others, _NAMED)))
    counted, told = set[int](), set[int]()
    for entry in sorted(sharing, key=_claim):
        same = id(entry.value) in known and id(entry.value) in told
        told.add(id(entry.value))
        entry.size = _NO_SIZE if same else size_of(entry.value, counted, known=known)


def _claim(entry: _Entry) -> tuple[bool, bool, int, int, bool]:
    """Return what puts the one first that memory is counted for."""
    try:
        shown, is_view = int(getattr(entry.value, "nbytes", 0)), getattr(entry.value, "base", None) is not None
    except Exception:  # noqa: BLE001 - objects may do anything when they are asked
        shown, is_view = 0, False
    return entry.kind != "variable", is_optimizer(type(entry.value)), -entry.size.held, -shown, is_view


def _row(entry: _Entry) -> Variable:
    size, elsewhere = entry.size, sorted(entry.places - {HOST})
    return Variable(
        name=entry.name,
        type="matplotlib.figure.Figure" if entry.kind == "figures" else type_of(entry.value),
        shape=shape_of(entry.value),
        size=size.held - size.elsewhere,
        at_least=size.at_least or entry.kind == "figures",
        device=", ".join(elsewhere) or HOST,
        device_size=size.elsewhere,
        shares=tuple(entry.shares),
        kind=entry.kind,
    )
