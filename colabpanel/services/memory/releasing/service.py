"""The public call that releases memory."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.memory.referring.search import BARE, Referrer, holders
from colabpanel.services.memory.releasing.caches import CACHES, forget_keras_session, gpu_reserved
from colabpanel.services.memory.releasing.errors import forget_error
from colabpanel.services.memory.releasing.figures import close_figures
from colabpanel.services.memory.releasing.history import forget_outputs
from colabpanel.services.memory.releasing.models import Released, Step, StillHeld
from colabpanel.services.memory.releasing.names import Boxes, insist_on_names, take_out
from colabpanel.services.memory.releasing.system import fallen, resident, trim
from colabpanel.services.memory.variables import variables

__all__ = ["release"]

_SECONDS = 5.0  # for finding out who holds what was removed
_NOT_LOOKED_AT = Referrer("hidden", "", "something that was not looked for, for that would have taken too long")


def release(
    names: Sequence[str] = (),
    *,
    history: bool = False,
    tracebacks: bool = False,
    figures: bool = False,
    caches: bool = False,
    keras_session: bool = False,
    collect: bool = True,
    host: Host | None = None,
    progress: Progress | None = None,
) -> Released:
    """Release memory of the notebook: what is asked for, and nothing else.

    Call it from a cell; the panel calls it on the main thread, once no cell runs.

    Args:
        names: Variables to remove. Outputs that IPython keeps of the same objects (``Out[12]``, ``_``) go, too, for
            else nothing would be freed; the step says which.
        history: Forget all outputs.
        tracebacks: Forget the last error, with the variables of the functions it went through; ``%debug`` and
            ``%tb`` have nothing to show then.
        figures: Close the figures that pyplot keeps.
        caches: Empty the caches of PyTorch, JAX and Arrow, as far as they are in use.
        keras_session: Drop what Keras keeps of all models that were made; models still in use break.
        collect: Collect objects that only refer to each other, and give free pages back to the system.
        host: Has the notebook; by default the one at hand.
        progress: Is told the steps. It can cancel before the first of them.

    Raises:
        InputError: There is no variable of one of these names, or no notebook, as in the dashboard; nothing was
            removed.
        JobCancelledError: ``progress`` cancelled it; nothing was removed.
    """
    host, progress = host or detect(), progress or Progress()
    if host.is_served:
        raise InputError("The dashboard has no notebook whose memory could be released.")
    names = list(dict.fromkeys([names] if isinstance(names, str) else names))
    insist_on_names(host, names)
    shares = _shares(host, names) if names else {}
    work = _Work(progress)
    progress.start(None, "Releasing memory", unit="steps")
    progress.start(None, "Releasing memory", unit="steps", cancellable=False)
    boxes, also = take_out(host, names)
    if history:
        work.step("history", lambda: _said_of_history(forget_outputs(host)))
    if tracebacks:
        work.step("error", lambda: _said_of_error(forget_error(host)))
    if figures:
        work.step("figures", lambda: _said_of_figures(close_figures()))
    if collect:
        work.step("collector", _collect)
    still = tuple(_still_held(host, boxes, shares))
    if boxes:
        work.step("variables", lambda: _let_go(boxes, also, again=collect))
    for library, empty in CACHES.items() if caches else ():
        work.step(library, empty)
    if keras_session:
        work.step("keras", forget_keras_session)
    if collect:
        work.step("system", _trim)
    return work.released(tuple(names), still)


class _Work:
    """Measures each step."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._gpu = gpu_reserved()
        self._first = self._last = resident()
        self._steps: list[Step] = []

    def step(self, what: str, do: Callable[[], str]) -> None:
        """Do something that says what it did, or why it could not; nothing is noted where it says nothing."""
        try:
            said = do()
        except Exception as error:  # noqa: BLE001 - other libraries' caches fail in their own ways, and the rest goes on
            said = f"could not be done: {error or type(error).__name__}"
        now = resident()
        if said:
            self._steps.append(Step(what, fallen(self._last, now), said))
        self._last = now
        self._progress.advance()

    def released(self, removed: tuple[str, ...], still: tuple[StillHeld, ...]) -> Released:
        return Released(
            freed=fallen(self._first, resident()),
            gpu_freed=fallen(self._gpu, gpu_reserved()),
            steps=tuple(self._steps),
            removed=removed,
            still_held=still,
        )


def _shares(host: Host, names: Sequence[str]) -> dict[str, list[str]]:
    """Return which variables that stay use the memory of those that go."""
    rows = {row.name: row for row in variables(host=host)}
    values, gone = host.namespace(), set(names)
    own = {name for name, row in rows.items() if row.kind == "variable"}  # small outputs have no row
    return {
        name: [
            other
            for other in rows[name].shares
            if other not in gone and other in own and values[other] is not values[name]
        ]
        for name in names
        if name in rows
    }


def _still_held(host: Host, boxes: Boxes, shares: dict[str, list[str]]) -> Iterator[StillHeld]:
    deadline = time.monotonic() + _SECONDS
    for name, box in boxes.items():
        found: list[Referrer] = []
        left = deadline - time.monotonic()
        if sys.getrefcount(box[0]) > BARE:
            found = holders(box, host, leave_out=boxes, seconds=left) if left > 0 else [_NOT_LOOKED_AT]
        told = {one.name for one in found if one.kind == "variable"}
        found += [
            Referrer("variable", other, f"variable `{other}` uses the same memory")
            for other in shares.get(name, ())
            if other not in told
        ]
        if found:
            yield StillHeld(name, tuple(found))


def _let_go(boxes: Boxes, also: list[str], *, again: bool) -> str:
    alone = all(sys.getrefcount(box[0]) <= BARE for box in boxes.values())
    names = ", ".join(boxes)
    boxes.clear()
    if again and not alone:
        gc.collect()
    copies = f", and the same objects as {', '.join(also)}" if also else ""
    return f"Removed {names}{copies}."


def _said_of_history(forgotten: list[str]) -> str:
    outputs = sum(name.startswith("Out") for name in forgotten)
    return f"Forgot {words.plural(outputs, 'output')}." if forgotten else "There was no output to forget."


def _said_of_error(forgotten: tuple[str, int] | None) -> str:
    if forgotten is None:
        return "There was no error to forget."
    return f"Forgot the last error ({forgotten[0]}) and the variables of {words.plural(forgotten[1], 'call')}."


def _said_of_figures(count: int) -> str:
    return f"Closed {words.plural(count, 'figure')}." if count else "There was no open figure."


def _collect() -> str:
    return f"Collected {words.plural(gc.collect(), 'object')} that only referred to each other."


def _trim() -> str:
    return "Gave free pages back to the system." if trim() else ""
