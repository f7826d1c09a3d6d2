"""What is known of a kernel's memory from one panel to the next: its history, its cells, and the guard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from colabpanel.hosts import Host, detect
from colabpanel.services.memory.black_box import BlackBox, notebook_key
from colabpanel.services.memory.gauges import Usage, usage
from colabpanel.services.memory.guarding.guard import MemoryGuard
from colabpanel.services.memory.guarding.models import GuardEvent
from colabpanel.services.memory.history import History
from colabpanel.services.memory.ledger import CellLedger, CellRow, Ranking

__all__ = ["KernelWatch", "cells", "guard_memory", "watch_of"]

_ATTRIBUTE = "_colabpanel_watch"
"""Where a shell keeps its watch, so that a panel shown anew goes on with what the one before has seen."""


class KernelWatch:
    """The history of the gauges, the ledger of cells, and the guard of one kernel.

    Args:
        host: The notebook host.

    Attributes:
        history: What the gauges showed, and when cells ran.
        ledger: Time and memory of each cell.
        guard: The guard that was turned on last, or None.
        latest: What `look` saw last, or None.
        black_box: What the next kernel is told should this one end unexpectedly.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.history = History()
        self.ledger = CellLedger(host)
        self.guard: MemoryGuard | None = None
        self.latest: Usage | None = None
        self.black_box = BlackBox(host.state_dir, notebook_key(host))
        self._listeners: list[Callable[[GuardEvent], None]] = []
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._users = 0

    def start(self) -> None:
        """Begin to note cells; to be stopped as often, for a panel that is shown anew begins before the other ends."""
        self._users += 1
        if self._stop is None:
            self._stop = self._host.on_cell(self.history.cell_started, self.history.cell_ended)
            self.ledger.start()

    def stop(self) -> None:
        """Note no more cells; what was seen stays, and the guard goes on."""
        self._users = max(self._users - 1, 0)
        if self._stop is not None and not self._users:
            self._stop()
            self._stop = None
            self.history.cell_ended()
            self.ledger.stop()

    def look(self) -> Usage:
        """Read the gauges and remember them."""
        found = usage(self._host.workspace)
        if found.ram is not None:
            self.history.note("RAM", found.ram.fraction)
        for gpu in found.gpus or ():
            if gpu.used is not None and gpu.total:
                self.history.note(f"GPU {gpu.index}", gpu.used / gpu.total)
        if not self._host.is_served and found.ram is not None:
            self.black_box.write(found.ram.used, found.ram.total, busy=self.history.busy)
        self.latest = found
        return found

    def listen(self, on_event: Callable[[GuardEvent], None]) -> Callable[[], None]:
        """Pass on what guards tell, on their threads; returns what stops it."""
        self._listeners.append(on_event)
        return lambda: self._listeners.remove(on_event)

    def turn_on(
        self,
        *,
        warn: float | None,
        interrupt: float | None,
        snapshot: str | Path | None,
        variables: Sequence[str] | None,
        seconds_left: float | None,
    ) -> MemoryGuard:
        """Start a guard in place of the one before."""
        guard = MemoryGuard(
            self._host,
            warn=warn,
            interrupt=interrupt,
            snapshot=snapshot,
            variables=variables,
            seconds_left=seconds_left,
            on_event=self._tell,
        )
        with self._lock:
            before, self.guard = self.guard, guard
        if before is not None:
            before.stop()
        guard.start()
        return guard

    def _tell(self, event: GuardEvent) -> None:
        for listener in list(self._listeners):
            listener(event)


def watch_of(host: Host) -> KernelWatch:
    """Return the watch of a host's kernel; where there is no kernel, a new one."""
    found = getattr(host.shell, _ATTRIBUTE, None)
    if isinstance(found, KernelWatch):
        return found
    made = KernelWatch(host)
    if host.shell is not None:
        setattr(host.shell, _ATTRIBUTE, made)
    return made


def guard_memory(
    *,
    warn: float | None = 0.85,
    interrupt: float | None = None,
    snapshot: str | Path | None = None,
    variables: Sequence[str] | None = None,
    seconds_left: float | None = None,
    host: Host | None = None,
) -> MemoryGuard:
    """Watch memory from now on, and act before it is full; an earlier guard of this notebook is replaced.

    Args:
        warn: The share of the limit at which a warning is shown in the panel; None for none.
        interrupt: The share at which the running cell is interrupted; None for never.
        snapshot: A folder in which variables are saved then; None for no snapshot.
        variables: The names of those; None for all.
        seconds_left: Act, too, when by the forecast memory will be full in so many seconds.
        host: The notebook host; None detects it.

    Returns:
        The guard: ``status()`` tells what it sees, ``stop()`` turns it off.

    Raises:
        InputError: The options do not fit together.
        HostError: This is the dashboard, which has no cells and no variables.
    """
    return watch_of(host or detect()).turn_on(
        warn=warn, interrupt=interrupt, snapshot=snapshot, variables=variables, seconds_left=seconds_left
    )


def cells(number: int = 10, *, by: Ranking | None = None, host: Host | None = None) -> list[CellRow]:
    """Return what cells of this notebook took, as far as they ran since the panel was first shown.

    Args:
        number: How many at most.
        by: Those with the most of ``peak``, ``growth`` or ``seconds`` first; None for the newest first.
        host: The notebook host; None detects it.

    Raises:
        InputError: There is no such ranking.
    """
    ledger = watch_of(host or detect()).ledger
    return ledger.rows()[:number] if by is None else ledger.top(number, by=by)
