"""The public calls that find what could be smaller, and make it so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, SpaceError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.memory.referring.search import BARE, holders
from colabpanel.services.memory.releasing.names import insist_on_names
from colabpanel.services.memory.releasing.system import fallen, resident, trim
from colabpanel.services.memory.shrinking.lists import ONE_ARRAY
from colabpanel.services.memory.shrinking.mapped import FILE
from colabpanel.services.memory.shrinking.models import NOTABLE, How, Saving, Shrunk, Task, Way, WouldChangeError
from colabpanel.services.memory.shrinking.numbers import FLOATS, INTEGERS
from colabpanel.services.memory.shrinking.parts import COPY
from colabpanel.services.memory.shrinking.texts import CATEGORY
from colabpanel.services.memory.variables import Variable, variables
from colabpanel.services.snapshots.sizes import size_of

__all__ = ["savings", "shrink"]

_WAYS: dict[How, Way] = {
    "copy": COPY,
    "integers": INTEGERS,
    "category": CATEGORY,
    "float32": FLOATS,
    "file": FILE,
    "one_array": ONE_ARRAY,
}
_LARGEST = 200  # variables that are looked at


def savings(*, host: Host | None = None) -> list[Saving]:
    """Return what in the notebook would take less memory in another form, what saves most first.

    Samples are looked at, of the 200 largest variables. Variables that share their memory with others are left out:
    nothing would be freed.

    Args:
        host: Has the notebook; by default the one at hand.
    """
    host = host or detect()
    space = host.namespace()
    rows = [row for row in variables(host=host) if row.kind == "variable" and not row.shares][:_LARGEST]
    found = [
        saving
        for row in rows
        if row.size + row.device_size >= NOTABLE and row.name in space
        for way in _WAYS.values()
        if (saving := _found(way, row.name, space[row.name])) is not None
    ]
    return sorted(found, key=lambda saving: -saving.saved)


def _found(way: Way, name: str, value: Any) -> Saving | None:
    try:
        return way.find(name, value)
    except Exception:  # noqa: BLE001 - objects may do anything when they are asked
        return None


def shrink(name: str, *, how: How, host: Host | None = None, progress: Progress | None = None) -> Shrunk:
    """Give a variable a form that takes less memory, where every value stays what it is.

    All values are looked at, not samples, and compared with the original before it is replaced; until then both are
    in memory. Call it from a cell; the panel calls it on the main thread, once no cell runs.

    Args:
        name: A variable of the notebook.
        how: The form, as `savings` names it.
        host: Has the notebook; by default the one at hand. A file is made in its workspace.
        progress: Is told how far it is, and may cancel it.

    Raises:
        InputError: There is no such variable; others share its memory; values would change; or the change is left to
            the user, and the hint is the line of code. Nothing was changed.
        SpaceError: There is no room for the new form beside the old one; nothing was changed.
        StorageError: The disk failed; nothing was changed.
        JobCancelledError: ``progress`` cancelled it; nothing was changed.
    """
    host, progress = host or detect(), progress or Progress()
    if host.is_served:
        raise InputError("The dashboard has no notebook whose variables could be changed.")
    insist_on_names(host, [name])
    space = host.namespace()
    saving = _insist_on_saving(host, name, how)
    before, first = size_of(space[name]), resident()
    with _in_words(saving):
        made, file = _make(how, space[name], Task(name, Path(host.workspace), progress))
    box = [space[name]]
    space[name] = made
    held = holders(box, host, leave_out=()) if sys.getrefcount(box[0]) > BARE else []
    box.clear()
    trim()
    after = size_of(made)
    return Shrunk(
        name=name,
        how=how,
        before=before.held - (before.elsewhere if how == "file" else 0),
        after=after.held - (after.elsewhere if how == "file" else 0),
        freed=fallen(first, resident()),
        file=file,
        still_held=tuple(held),
    )


def _make(how: How, value: Any, task: Task) -> tuple[Any, Path | None]:
    make = _WAYS[how].make
    if make is None:
        raise WouldChangeError
    return make(value, task)


def _insist_on_saving(host: Host, name: str, how: How) -> Saving:
    row = next((row for row in variables(host=host) if row.name == name), None)
    saving = _WAYS[how].find(name, host.namespace()[name]) if how in _WAYS else None
    if row is None or saving is None:
        raise InputError(f"{name} would not become smaller that way.", hint="Look at the list of savings again.")
    if row.shares:
        raise InputError(
            f"{name} shares its memory with {', '.join(row.shares)}; nothing would be freed.", hint=_how_to_unshare(row)
        )
    if not saving.safe:
        raise InputError(f"{saving.sentence} That is left to you.", hint=f"Run: {saving.code}")
    return saving


def _how_to_unshare(row: Variable) -> str:
    outputs = [name for name in row.shares if name in {"Out", "_", "__", "___"}]
    return "Release the outputs first (history=True)." if outputs else "Release the others first."


@contextmanager
def _in_words(saving: Saving) -> Iterator[None]:
    """Say why a variable was left as it is."""
    try:
        yield
    except WouldChangeError:
        raise InputError(
            f"Some values of {saving.name} would not stay what they are; nothing was changed.",
            hint=f"If that does not matter, run: {saving.code}",
        ) from None
    except MemoryError:
        raise SpaceError(
            f"There is not enough memory for {saving.name} in its new form beside the old one.",
            hint="Release something else first.",
        ) from None
