"""The guard: looks at memory, and warns, interrupts and saves before it is full."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from colabpanel import words
from colabpanel.errors import ColabPanelError, HostError, JobCancelledError
from colabpanel.hosts import Host
from colabpanel.jobs import Spawn, spawn_thread
from colabpanel.progress import Progress
from colabpanel.services.limits.amounts import Amount
from colabpanel.services.limits.applying import applying_limit
from colabpanel.services.memory.guarding.cells import RunningCell
from colabpanel.services.memory.guarding.forecast import WINDOW, Sample, seconds_until_full
from colabpanel.services.memory.guarding.models import GuardEvent, GuardEventKind, GuardStatus
from colabpanel.services.memory.guarding.pace import LONGEST, pause_before_next
from colabpanel.services.memory.guarding.saving import save_variables
from colabpanel.services.memory.guarding.thresholds import Threshold, insist_on_sense
from colabpanel.services.snapshots.service import dump_summary

__all__ = ["MemoryGuard"]

_LOG = logging.getLogger("colabpanel")
_KEPT = 20
_GRACE = 2.0


def _ram() -> Amount | None:
    return applying_limit().amount


class MemoryGuard:
    """Looks at memory on a thread of its own, and acts before the system kills the kernel.

    Each step happens once, until memory has fallen 5% below its threshold. A cell that starts above the threshold may
    use up half of what is left before it is interrupted. Only what runs on the main thread is interrupted, and only
    while a cell runs. An interrupt takes effect when code in C returns to Python, and code that keeps Python's lock
    holds up the guard itself: one single allocation of more than is left cannot be prevented.

    Args:
        host: The notebook host.
        warn: The share of the limit at which `on_event` is told; None for no warning.
        interrupt: The share at which the running cell is interrupted; None for never.
        snapshot: A folder, in which variables are saved after the interrupt, or after the warning where nothing is
            interrupted; once no cell runs. None for no snapshot.
        variables: The names of those that are saved; None for all.
        seconds_left: Act, too, when by the forecast memory will be full in so many seconds, from half of the limit on.
        sample: Reads the limit and what is used of it; by itself that is the one `usage` tells.
        on_event: Is called with each `GuardEvent`, on a thread of the guard's.
        clock: Tells the time in seconds; only goes forward.
        spawn: Runs the snapshot on a thread.

    Raises:
        InputError: The options do not fit together.
        HostError: This is the dashboard, which has no cells and no variables.
    """

    def __init__(
        self,
        host: Host,
        *,
        warn: float | None = 0.85,
        interrupt: float | None = None,
        snapshot: str | Path | None = None,
        variables: Sequence[str] | None = None,
        seconds_left: float | None = None,
        sample: Callable[[], Amount | None] | None = None,
        on_event: Callable[[GuardEvent], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        spawn: Spawn = spawn_thread,
    ) -> None:
        if host.is_served and (interrupt is not None or snapshot is not None):
            raise HostError("The dashboard has no cells to interrupt and no variables to save.")
        insist_on_sense(
            warn=warn, interrupt=interrupt, snapshot=snapshot, variables=variables, seconds_left=seconds_left
        )
        self._host, self._sample, self._on_event = host, sample or _ram, on_event
        self._clock, self._spawn = clock, spawn
        self._folder, self._names = snapshot, variables
        self._warn = Threshold(warn, seconds_left) if warn is not None else None
        self._interrupt = Threshold(interrupt, seconds_left) if interrupt is not None else None
        self._wake = threading.Event()
        self._cell = RunningCell(host, self._wake.set)
        self._cells_seen = 0
        self._samples: deque[Sample] = deque()
        self._events: deque[GuardEvent] = deque(maxlen=_KEPT)
        self._left: float | None = None
        self._is_blind = False
        self._thread: threading.Thread | None = None
        self._saving = threading.Lock()

    def start(self) -> None:
        """Begin to look; does nothing where it looks already."""
        if self._thread is None:
            self._samples.clear()
            self._cell.start()
            self._spare_own_cell()
            self._thread = threading.Thread(target=self._run, name="colabpanel-guard", daemon=True)
            self._thread.start()

    def _spare_own_cell(self) -> None:
        """Let a cell that switches the guard on itself count as one that begins: nobody wants it to end for that."""
        if self._cell.running and threading.current_thread() is threading.main_thread():
            self._cells_seen = -1

    def stop(self) -> None:
        """Look no more; a snapshot that is being written is finished."""
        thread, self._thread = self._thread, None
        self._cell.stop()
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_GRACE)
        self._left = None

    def status(self) -> GuardStatus:
        """Return what it saw last, and what has happened."""
        last = _last(self._samples)
        used, total = (last.used, last.total) if last is not None else (None, None)
        return GuardStatus(self._thread is not None, used, total, self._left, tuple(self._events.copy()))

    def look(self) -> float:
        """Look at memory once, and act if need be; returns the seconds until it should be looked at again."""
        now = self._read()
        if now is None:
            return LONGEST
        self._keep(now)
        samples = list(self._samples)
        self._left = seconds_until_full(samples)
        cells, self._cells_seen = self._cells_seen, self._cell.count
        if cells != self._cells_seen and self._cell.running and self._interrupt is not None:
            self._interrupt.begin(_fraction(now))
        self._act(now)
        steps = [step.next_share for step in (self._warn, self._interrupt) if step is not None]
        return pause_before_next(samples, min(steps, default=1.0), busy=self._cell.running)

    def _run(self) -> None:
        while self._thread is threading.current_thread():
            try:
                pause = self.look()
            except Exception:  # noqa: BLE001 - a guard that dies of little memory is none
                _LOG.exception("The guard could not look at memory")
                pause = LONGEST
            self._wake.wait(pause)
            self._wake.clear()

    def _read(self) -> Sample | None:
        """Read memory; that it cannot be read is told once."""
        try:
            amount = self._sample()
        except Exception as error:  # noqa: BLE001 - whatever reads memory may fail in its own way
            self._be_blind(repr(error))
            return None
        if amount is None or not amount.total:
            self._be_blind("nothing tells it")
            return None
        self._is_blind = False
        return Sample(self._clock(), amount.used, amount.total)

    def _be_blind(self, reason: str) -> None:
        if not self._is_blind:
            self._is_blind = True
            self._samples.clear()
            self._left = None
            _LOG.warning("The guard cannot read memory: %s", reason)
            self._tell("failed", "The guard cannot read how much memory is used.", "It goes on trying.")

    def _keep(self, now: Sample) -> None:
        if self._samples and self._samples[-1].total != now.total:  # another limit applies: no growth of memory
            self._samples.clear()
        self._samples.append(now)
        while self._samples[0].time < now.time - WINDOW:
            self._samples.popleft()

    def _act(self, now: Sample) -> None:
        """Interrupt first and tell then, for telling waits for whoever holds the views."""
        stopped = self._stop_cell(now) if self._must_interrupt(now) else None
        self._warn_of(now)
        if stopped is not None:
            self._tell(*stopped)
            self._save(now)

    def _must_interrupt(self, now: Sample) -> bool:
        if self._interrupt is None:
            return False
        fraction, left = _fraction(now), self._left
        if self._interrupt.passes(fraction, left):
            return True
        self._interrupt.calms(fraction, left)
        return False

    def _warn_of(self, now: Sample) -> None:
        fraction, left = _fraction(now), self._left
        if self._warn is None:
            return
        if self._warn.passes(fraction, left):
            self._tell("warning", _level(now, left), "Free what is not needed, and save what matters.")
            if self._interrupt is None:
                self._save(now)
        elif self._warn.calms(fraction, left):
            self._tell("calm", f"Memory is down to {fraction:.0%} again.")

    def _stop_cell(self, now: Sample) -> tuple[GuardEventKind, str, str]:
        """Interrupt the cell that runs; returns what is to be told."""
        level = _level(now, self._left)
        try:
            interrupted = self._cell.interrupt()
        except HostError as error:
            return "failed", f"The cell could not be interrupted: {error.message}", error.hint
        if not interrupted:
            return "failed", f"{level} No cell runs that could be interrupted.", "Free what is not needed."
        hint = "What it has made so far is still there: free some of it before you go on."
        return "interrupted", f"The cell was interrupted. {level}", hint

    def _save(self, now: Sample) -> None:
        folder = self._folder
        if folder is None or not self._saving.acquire(blocking=False):  # one at a time
            return
        free = max(now.total - now.used, 0)

        def work() -> None:
            try:
                self._save_now(folder, free)
            finally:
                self._saving.release()

        try:
            self._spawn(work, "colabpanel-guard-snapshot")
        except RuntimeError:  # there is no memory for another thread
            work()

    def _save_now(self, folder: str | Path, free: int) -> None:
        try:
            saved = save_variables(self._host, folder, self._names, free=free, waiting=_UntilStopped(self))
        except JobCancelledError:
            return
        except ColabPanelError as error:
            self._tell("failed", f"The guard's snapshot failed: {error.message}", error.hint)
        except Exception as error:  # noqa: BLE001 - told, whatever it is
            _LOG.exception("The guard's snapshot failed")
            self._tell("failed", f"The guard's snapshot failed: {type(error).__name__}.", "Save what matters yourself.")
        else:
            self._tell("snapshot", dump_summary(saved.snapshot), "Load it after a restart with colabpanel.load.")
            for sentence in saved.left_out:
                self._tell("failed", sentence)

    def _tell(self, kind: GuardEventKind, sentence: str, hint: str = "") -> None:
        last = _last(self._samples)
        used, total = (last.used, last.total) if last is not None else (None, None)
        event = GuardEvent(kind, sentence, hint, time.time(), used, total)
        self._events.append(event)
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception:  # noqa: BLE001 - the guard goes on
                _LOG.exception("What the guard told was not taken")


class _UntilStopped(Progress):
    """Ends a wait when its guard is stopped."""

    def __init__(self, guard: MemoryGuard) -> None:
        self._guard = guard

    def advance(self, amount: int = 1) -> None:
        if self._guard._thread is None:  # noqa: SLF001 - of this module
            raise JobCancelledError


def _last(samples: deque[Sample]) -> Sample | None:
    with contextlib.suppress(IndexError):
        return samples[-1]
    return None


def _fraction(now: Sample) -> float:
    return now.used / now.total


def _level(now: Sample, left: float | None) -> str:
    text = f"Memory is at {_fraction(now):.0%} ({words.bytes_pair(now.used, now.total)})"
    return text + ("." if left is None else f", and full in about {words.duration(left)} if it goes on like this.")
