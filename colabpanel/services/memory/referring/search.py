"""The search for what refers to an object: backwards, step by step, until it comes to something that has a name."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

from colabpanel import words
from colabpanel.hosts import Host
from colabpanel.services.memory.referring.roots import Holder, Roots
from colabpanel.services.memory.referring.steps import attributes_of, step_words
from colabpanel.services.memory.referring.unlisted import Unlisted
from colabpanel.services.memory.variables import is_shared_by_python

__all__ = ["BARE", "Referrer", "holders"]

_STEPS = 6
_WIDEST = 300  # objects that are followed in one step
_MOST = 50  # referrers that are told
_SECONDS = 2.0
_IMMORTAL = 1 << 29  # counts of objects that Python never frees
_ORDER: tuple[Holder, ...] = ("variable", "output", "error", "running", "module", "hidden")
_RUNS = (FrameType, GeneratorType, CoroutineType, AsyncGeneratorType)


def _bare() -> int:
    box = [object()]
    return sys.getrefcount(box[0])


BARE = _bare()
"""What `sys.getrefcount` says of the member of a list that nobody else refers to."""


@dataclass(frozen=True)
class Referrer:
    """What refers to an object and keeps it in memory.

    Attributes:
        kind: A ``variable`` of the notebook, an ``output`` that IPython keeps, the last ``error``, a ``module``, a
            ``running`` (or paused) function, or something ``hidden``: running code or a library.
        name: The name of the variable, module or function; empty for what is hidden.
        words: It in words, as "variable `batches` (list, item 3)".
    """

    kind: Holder
    name: str
    words: str


@dataclass(eq=False, slots=True)
class _Link:
    """An object that leads to the one in question, and what it leads through."""

    thing: Any
    child: _Link | None = None

    def trail(self) -> str:
        """Say how one gets from here to the object."""
        found: list[str] = []
        link = self
        while (after := link.child) is not None:
            if after.child is not None and attributes_of(link.thing) is after.thing:
                after = after.child  # its attributes are no step of their own
            found.append(step_words(link.thing, after.thing))
            link = after
        return "; ".join(each for each in found if each)


def holders(
    box: list[Any], host: Host, *, leave_out: Collection[str] = (), seconds: float = _SECONDS
) -> list[Referrer]:
    """Return what refers to an object.

    Args:
        box: A list with the object as its only member; whoever calls must not refer to it in any other way, or is
            told as something hidden.
        host: Has the notebook.
        leave_out: Variables of the notebook that are not told.
        seconds: After so many, no further step is taken.
    """
    if is_shared_by_python(box[0]):
        return []
    try:
        search = _Search(box, host, leave_out)
        search.run(time.monotonic() + seconds)
        return search.found()
    except Exception:  # noqa: BLE001 - objects may do anything when they are come upon
        return [Referrer("hidden", "", "something that could not be looked for")]


class _Search:
    """Goes from an object to what refers to it, step by step, until it comes to something that has a name."""

    def __init__(self, box: list[Any], host: Host, leave_out: Collection[str]) -> None:
        self._box, self._leave_out = box, leave_out
        self._references = sys.getrefcount(box[0]) - BARE
        self._roots = Roots(host)
        self._unlisted = Unlisted(host)
        self._seen = {id(box[0])}
        self._found: dict[str, Referrer] = {}

    def run(self, deadline: float) -> None:
        links = [_Link(self._box[0])]
        for _step in range(_STEPS):
            further = self._one_step(links)
            if links[0].child is not None:
                self._note_ends(links, further)
            links = [link for link in further.values() if not self._name(link)][:_WIDEST]
            if not links or time.monotonic() > deadline:
                break

    def _one_step(self, links: list[_Link]) -> dict[tuple[int, int], _Link]:
        """Return what refers to objects, by what refers and what to."""
        by_identity = {id(link.thing): link for link in links}
        things = tuple(link.thing for link in links)
        ours = {id(self._box), id(things)}
        referring = gc.get_referrers(*things)
        for link in links:
            referring.extend(self._unlisted.holders_of(link.thing))
        found: dict[tuple[int, int], _Link] = {}
        for thing in referring:
            if id(thing) in ours or self._roots.is_ours(thing):
                continue
            inside = [by_identity[id(each)] for each in gc.get_referents(thing) if id(each) in by_identity]
            inside = inside or [link for link in links if self._unlisted.is_view(thing, link.thing)]
            self._references -= sum(link.child is None for link in inside)
            found.update({(id(thing), id(link.thing)): _Link(thing, link) for link in inside})
        return found

    def _note_ends(self, links: list[_Link], further: Collection[tuple[int, int]]) -> None:
        """Note what nothing seems to refer to: if it were so, it would not be there."""
        reached = {child for _thing, child in further}
        for link in links:
            if id(link.thing) not in reached:
                kind: Holder = "running" if isinstance(link.thing, _RUNS) else "hidden"
                said = "a call that is running or paused" if kind == "running" else "running code or a library"
                self._note(kind, "", f"{said} ({link.trail()})")

    def _name(self, link: _Link) -> bool:
        """Note a referrer that has a name; returns whether it leads no further."""
        assert link.child is not None
        named = self._roots.names(link.thing, link.child.thing)
        if named is None:
            known = id(link.thing) in self._seen
            self._seen.add(id(link.thing))
            return known
        inside = link.child
        if inside.child is not None and isinstance(link.thing, FrameType) and inside.thing is link.thing.f_locals:
            inside = inside.child  # where somebody has looked at the variables of a call
        trail = inside.trail()
        for kind, name, said in named:
            if not (kind == "variable" and name in self._leave_out):
                self._note(kind, name, f"{said} ({trail})" if trail else said)
        return True

    def _note(self, kind: Holder, name: str, text: str) -> None:
        self._found.setdefault(text, Referrer(kind, name, text))

    def found(self) -> list[Referrer]:
        """Return what was found, the user's own first."""
        found = sorted(self._found.values(), key=lambda one: _ORDER.index(one.kind))[:_MOST]
        if 0 < self._references < _IMMORTAL:
            times = words.plural(self._references, "reference")
            found.append(Referrer("hidden", "", f"running code or a library ({times} that Python does not show)"))
        return found
