"""Reloading modules whose files have changed, before each cell."""

from __future__ import annotations

import contextlib
import linecache
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from colabpanel.errors import ColabPanelError
from colabpanel.hosts import Host
from colabpanel.services.modules.finding import copy_code
from colabpanel.services.modules.models import LoadedModule
from colabpanel.services.modules.noticing import ImportNotes
from colabpanel.services.modules.patching import Patcher
from colabpanel.services.modules.taking import takes
from colabpanel.services.modules.versions import Source, Versions, modules_below

__all__ = ["ModuleReloader", "ReloadEvent"]

Copies = list[tuple[Path, Path]]
"""Originals, each with its copy."""

_MOST_EVENTS = 100
_SHARED = (type(None), bool, int, str, bytes, tuple, frozenset)
"""What equal values may share: that somebody holds the same does not say that it was taken from a module."""


@dataclass(frozen=True)
class ReloadEvent:
    """A module that was reloaded, or could not be.

    Attributes:
        name: The module.
        when: Seconds since 1970.
        version: The version that is loaded now.
        error: Why the old version was kept, or nothing.
        kept: What could not be changed in place: whoever holds it from before has the old one.
    """

    name: str
    when: float
    version: str
    error: str = ""
    kept: tuple[str, ...] = ()


class ModuleReloader:
    """Looks before each cell whether files of modules have changed, and reloads those.

    Functions and classes are changed in place, so that what the notebook imported from a module, and instances that
    exist, behave as the new version says. A file with an error leaves its module as it was, and that is told.

    Args:
        host: The notebook host.
        folders: Returns the folders whose modules are looked at.
        copies: Returns the places on Drive that folders or files are copies of, each with its copy.

    Attributes:
        imports: Notices what is imported from the folders.
    """

    def __init__(self, host: Host, folders: Callable[[], list[Path]], *, copies: Callable[[], Copies] = list) -> None:
        self._host, self._folders, self._copies = host, folders, copies
        self._refreshing = threading.Lock()
        self._versions, self._failed = Versions(), dict[str, str]()
        self.imports = ImportNotes(folders, self._versions.note_loading)
        self._events: deque[ReloadEvent] = deque(maxlen=_MOST_EVENTS)
        self._stop: Callable[[], None] | None = None
        self._lock = threading.Lock()

    @property
    def enabled(self) -> bool:
        """Whether it looks before each cell."""
        return self._stop is not None

    def start(self) -> None:
        """Look before each cell from now on."""
        if self._stop is None:
            self._stop = self._host.on_cell(self._look_quietly, self.note)
            self.note()

    def stop(self) -> None:
        """Look no more; what is loaded stays."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def note(self) -> None:
        """Note the version of modules that were imported since the last look."""
        for module in modules_below(self._folders()).values():
            self._versions.changed(module)

    def forget(self, names: Iterable[str]) -> None:
        """Forget modules that were unloaded."""
        for name in names:
            self._versions.forget(name)
            self._failed.pop(name, None)

    def loaded(self) -> tuple[LoadedModule, ...]:
        """Return the modules that are loaded, by name."""
        found = modules_below(self._folders())
        return tuple(self._versions.of(found[name]) for name in sorted(found))

    def events(self) -> tuple[ReloadEvent, ...]:
        """Return what was reloaded and what could not be, newest first."""
        return tuple(reversed(self._events))

    def _look_quietly(self) -> None:
        """Look before a cell, which does not wait for Drive: what comes from there is taken before the next one."""
        copies = self._copies()
        if copies and self._refreshing.acquire(blocking=False):
            try:
                threading.Thread(
                    target=self._refresh_apart, args=(copies,), name="colabpanel-modules", daemon=True
                ).start()
            except RuntimeError:  # the machine starts no more of them; the copies are good for now
                self._refreshing.release()
        for event in self.reload_changed():
            if event.error:
                sys.stderr.write(f"colabpanel: {event.name} was not reloaded: {event.error}\n")

    def _refresh_apart(self, copies: Copies) -> None:
        try:
            with contextlib.suppress(ColabPanelError):  # Drive does not answer; likewise
                _bring_up_to_date(copies)
        finally:
            self._refreshing.release()

    def refresh(self) -> None:
        """Bring copies of modules on Drive up to date, and wait for it; on any thread.

        Raises:
            StorageError: Drive does not answer.
        """
        with self._refreshing:
            _bring_up_to_date(self._copies())

    def look(self) -> list[ReloadEvent]:
        """Reload what has changed, on Drive too, now; returns what was done.

        Raises:
            StorageError: Drive does not answer.
        """
        self.refresh()
        return self.reload_changed()

    def reload_changed(self) -> list[ReloadEvent]:
        """Reload what has changed on the local disk; on the main thread."""
        with self._lock:
            found = modules_below(self._folders())
            changed = {name: source for name, module in found.items() if (source := self._versions.changed(module))}
            done: dict[str, ReloadEvent] = {}
            if any(self._failed.get(name) != source.digest for name, source in changed.items()):
                order = _in_order(found, set(changed))
                self._reload_each(order, found, changed, done)
                failed = [name for name in order if done[name].error]
                if len(failed) < len(order):  # they may take what has come since from those that follow
                    self._reload_each(failed, found, changed, done)
            self._events.extend(done.values())
            return list(done.values())

    def _reload_each(
        self,
        names: Iterable[str],
        found: dict[str, ModuleType],
        changed: dict[str, Source],
        done: dict[str, ReloadEvent],
    ) -> None:
        for name in names:
            done[name] = self._reload(found[name], changed[name])

    def _reload(self, module: ModuleType, source: Source) -> ReloadEvent:
        name, before = module.__name__, dict(vars(module))
        try:
            code = compile(source.text, str(module.__file__), "exec", dont_inherit=True)
            exec(code, vars(module))  # noqa: S102 - the user's own module, as importing it does
        except BaseException as error:
            vars(module).clear()
            vars(module).update(before)
            if isinstance(error, KeyboardInterrupt):  # it is tried again before the next cell
                raise
            self._failed[name] = source.digest
            where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            return ReloadEvent(name, time.time(), "", f"{type(error).__name__}: {error}{where}")
        self._failed.pop(name, None)
        linecache.checkcache(module.__file__)
        self._versions.note(module, source)
        kept = self._exchange(module, before)
        return ReloadEvent(name, time.time(), source.digest[:8], kept=tuple(kept))

    def _exchange(self, module: ModuleType, before: dict[str, Any]) -> list[str]:
        """Let old objects take over the new ones' behaviour, and give out the rest; returns what is held as it was."""
        patcher, kept = Patcher(), []
        for name, old in before.items():
            new = vars(module).get(name)
            if new is old or name.startswith("__"):
                continue
            is_own = getattr(new, "__module__", None) == module.__name__ and callable(new)
            if is_own and patcher.patch(old, new):
                vars(module)[name] = old
                continue
            if callable(old):
                kept.append(name)
            for holder in self._holders(module, name, old):
                if holder.get(name, holder) is old:
                    holder[name] = new
        with contextlib.suppress(RecursionError):  # what is nested so deeply is left as it was made
            patcher.settle(module)
        return kept

    def _holders(self, module: ModuleType, name: str, old: object) -> list[dict[str, Any]]:
        """Return the namespaces in which a name is likely to be that of the module."""
        others = modules_below(self._folders()).values()
        if isinstance(old, _SHARED):
            return [vars(other) for other in others if takes(other, module.__name__, name)]
        return [*map(vars, others), self._host.namespace()]


def _bring_up_to_date(copies: Copies) -> None:
    for original, copy in copies:
        copy_code(original, copy if copy.suffix != ".py" else copy.parent)


def _in_order(found: dict[str, ModuleType], changed: set[str]) -> list[str]:
    """Return changed modules, each after those that it takes something from."""
    order: list[str] = []
    visited: set[str] = set()

    def visit(name: str) -> None:
        if name in visited:
            return
        visited.add(name)
        for value in list(vars(found[name]).values()):
            other = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(other, str) and other in found:
                visit(other)
        order.append(name)

    for name in sorted(changed):
        visit(name)
    return [name for name in order if name in changed]
