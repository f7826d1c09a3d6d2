from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.errors import HostError, InputError, SpaceError
from colabpanel.progress import Progress
from colabpanel.services.limits.amounts import Amount
from colabpanel.services.memory.guarding.forecast import Sample
from colabpanel.services.memory.guarding.guard import MemoryGuard
from colabpanel.services.memory.guarding.models import GuardEvent
from colabpanel.services.memory.guarding.pace import LONGEST, SHORTEST, pause_before_next
from colabpanel.services.memory.guarding.saving import save_variables
from colabpanel.services.memory.guarding.thresholds import Threshold
from colabpanel.services.snapshots.service import load
from tests.fakes import FakeClock, FakeHost, run_inline

T = TypeVar("T")

TOTAL = 10_000_000_000


class CellHost(FakeHost):
    """A host whose cells a test starts and ends."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.interrupted = 0
        self.on_interrupt: Callable[[], None] = lambda: None
        self.late: list[Future[Any]] = []
        self.is_busy = False

    def begin(self) -> None:
        for started, _ in self.watchers:
            started()

    def end(self) -> None:
        for _, ended in self.watchers:
            ended()

    def interrupt_cell(self) -> None:
        self.interrupted += 1
        self.on_interrupt()

    def on_main_thread(self, function: Callable[[], T]) -> Future[T]:
        if not self.is_busy:
            return super().on_main_thread(function)
        self.late.append(Future())
        return self.late[-1]


class Watched:
    """A guard whose figures and clock a test sets, and that looks when it is told to."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.host = CellHost(folder)
        self.clock, self.used = FakeClock(), 0
        self.events: list[GuardEvent] = []
        self.guard = MemoryGuard(
            self.host,
            sample=lambda: Amount(self.used, TOTAL),
            on_event=self.events.append,
            clock=self.clock,
            spawn=run_inline,
            **options,
        )
        self.guard._cell.start()

    def at(self, share: float, *, after: float = 1.0) -> list[str]:
        """Set memory, look, and return the kinds of what happened."""
        self.clock.now += after
        self.used = round(TOTAL * share)
        before = len(self.events)
        self.guard.look()
        return [event.kind for event in self.events[before:]]


def test_a_warning_comes_once_until_memory_has_fallen(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert [watched.at(share) for share in (0.5, 0.86, 0.9, 0.84, 0.86, 0.79, 0.86)] == [
        [],
        ["warning"],
        [],
        [],
        [],
        ["calm"],
        ["warning"],
    ]
    first = watched.events[0]
    assert first.sentence == "Memory is at 86% (8.0 of 9.3 GB)."
    assert first.hint
    assert (first.used, first.total) == (8_600_000_000, TOTAL)
    assert watched.events[1].sentence == "Memory is down to 79% again."


def test_a_cell_is_interrupted_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path, interrupt=0.92)
    watched.host.begin()
    assert watched.at(0.5) == []
    assert watched.at(0.93) == ["warning", "interrupted"]
    assert watched.at(0.99) == []
    assert watched.host.interrupted == 1
    assert "The cell was interrupted. Memory is at 93%" in watched.events[1].sentence


def test_it_interrupts_before_it_tells(tmp_path: Path) -> None:
    """Whoever is told may have to wait for the views, and memory fills meanwhile."""
    watched = Watched(tmp_path, interrupt=0.92)
    told: list[tuple[str, int]] = []
    watched.guard._on_event = lambda event: told.append((event.kind, watched.host.interrupted))
    watched.host.begin()
    watched.at(0.5)
    watched.at(0.93)
    assert told == [("warning", 1), ("interrupted", 1)]


def test_the_cell_that_switches_it_on_is_one_that_begins(tmp_path: Path) -> None:
    watched = Watched(tmp_path, warn=None, interrupt=0.8)
    watched.guard._cell.running = True
    watched.guard._spare_own_cell()
    assert [watched.at(0.85), watched.at(0.85), watched.at(0.97)] == [[], [], ["interrupted"]]
    by_click = Watched(tmp_path, warn=None, interrupt=0.8)
    by_click.guard._cell.running = True
    thread = threading.Thread(target=by_click.guard._spare_own_cell)
    thread.start()
    thread.join()
    assert by_click.at(0.85) == ["interrupted"]


def test_a_snapshot_for_which_there_is_no_room_says_so(host: FakeHost, tmp_path: Path) -> None:
    host.variables["big"] = list(range(10_000))
    with pytest.raises(SpaceError, match=r"big could not be saved: it takes about .* which is not there"):
        save_variables(host, tmp_path / "saved", ["big"], free=1000, waiting=Progress())
    assert not (tmp_path / "saved").exists()


def test_no_cell_no_interrupt(tmp_path: Path) -> None:
    watched = Watched(tmp_path, warn=None, interrupt=0.9)
    watched.host.begin()
    watched.host.end()
    assert watched.at(0.95) == ["failed"]
    assert "No cell runs that could be interrupted" in watched.events[0].sentence
    assert watched.host.interrupted == 0


def test_a_cell_that_starts_above_the_threshold_may_free_memory_but_not_fill_it(tmp_path: Path) -> None:
    watched = Watched(tmp_path, warn=None, interrupt=0.9)
    watched.host.begin()
    assert watched.at(0.92) == []  # this first look is at its start
    assert watched.at(0.955) == []
    assert watched.at(0.961) == ["interrupted"]
    watched.host.end()
    watched.host.begin()
    assert watched.at(0.961) == []
    assert watched.at(0.978) == []
    assert watched.at(0.981) == ["interrupted"]
    watched.host.end()
    assert watched.at(0.5) == []
    watched.host.begin()
    assert watched.at(0.5) == []
    assert watched.at(0.91) == ["interrupted"]


def test_a_host_that_cannot_interrupt_says_so(tmp_path: Path) -> None:
    watched = Watched(tmp_path, warn=None, interrupt=0.9)

    def refuse() -> None:
        raise HostError("no signals here", hint="stop it yourself")

    watched.host.on_interrupt = refuse
    watched.host.begin()
    watched.at(0.5)
    assert watched.at(0.95) == ["failed"]
    assert watched.events[0].sentence == "The cell could not be interrupted: no signals here"
    assert watched.events[0].hint == "stop it yourself"


def test_an_interrupt_that_comes_as_the_cell_ends_reaches_nothing_else(tmp_path: Path) -> None:
    watched = Watched(tmp_path, interrupt=0.9)
    cell = watched.guard._cell
    watched.host.begin()

    class Interrupted:
        def __enter__(self) -> None:
            raise KeyboardInterrupt

        def __exit__(self, *_: object) -> None:
            raise AssertionError

    cell._lock = Interrupted()  # type: ignore[assignment]  # the main thread waits here while it is interrupted
    watched.host.end()
    assert not cell.running


def test_the_snapshot_follows_the_interrupt(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    watched = Watched(tmp_path, interrupt=0.9, snapshot=folder, variables=["weights", "gone"])
    watched.host.variables = {"weights": np.arange(1000), "other": 1}
    watched.host.begin()
    watched.at(0.5)
    assert watched.at(0.95) == ["warning", "interrupted", "snapshot", "failed"]
    assert watched.events[2].sentence.startswith("Saved 1 variable, ")
    assert watched.events[3].sentence == "gone could not be saved: there is no variable of this name."
    (file,) = folder.iterdir()
    assert np.array_equal(load(file)["weights"], np.arange(1000))
    assert list(load(file)) == ["weights"]


def test_without_an_interrupt_the_snapshot_follows_the_warning(tmp_path: Path) -> None:
    watched = Watched(tmp_path, snapshot=tmp_path / "saved")
    watched.host.variables = {"a": [1, 2], "stream": (n for n in "a"), "guard": watched.guard}
    assert watched.at(0.95) == ["warning", "snapshot", "failed"]
    assert "stream could not be saved" in watched.events[2].sentence
    (file,) = (tmp_path / "saved").iterdir()
    assert load(file) == {"a": [1, 2]}
    assert watched.at(0.97) == []


def test_pickles_that_would_not_fit_in_memory_are_left_out(tmp_path: Path) -> None:
    watched = Watched(tmp_path, snapshot=tmp_path / "saved")
    watched.host.variables = {"text": "x" * 200_000_000, "array": np.zeros(10), "small": "y"}
    assert watched.at(0.99) == ["warning", "snapshot", "failed"]
    assert "text could not be saved: it takes about 191 MB of memory" in watched.events[2].sentence
    (file,) = (tmp_path / "saved").iterdir()
    assert sorted(load(file)) == ["array", "small"]


def test_a_snapshot_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    watched = Watched(tmp_path, snapshot=tmp_path / "file" / "below")
    watched.host.variables = {"a": 1}
    assert watched.at(0.95) == ["warning", "failed"]
    assert watched.events[1].sentence.startswith("The guard's snapshot failed: ")
    watched.guard._names = ["gone"]
    watched.at(0.5)
    assert watched.at(0.95) == ["warning", "failed"]
    assert "None of the chosen variables exists" in watched.events[-1].sentence


def test_what_nobody_expected_is_told_too(tmp_path: Path) -> None:
    watched = Watched(tmp_path, snapshot=tmp_path / "saved")

    def broken() -> dict[str, Any]:
        raise ZeroDivisionError

    watched.host.namespace = broken  # type: ignore[method-assign]
    assert watched.at(0.95) == ["warning", "failed"]
    assert watched.events[1].sentence == "The guard's snapshot failed: ZeroDivisionError."


def test_without_another_thread_the_guard_saves_by_itself(tmp_path: Path) -> None:
    watched = Watched(tmp_path, snapshot=tmp_path / "saved")
    watched.host.variables = {"a": [1, 2]}

    def full(_work: Callable[[], None], _name: str) -> None:
        raise RuntimeError("can't start new thread")

    watched.guard._spawn = full
    assert watched.at(0.95) == ["warning", "snapshot"]
    (file,) = (tmp_path / "saved").iterdir()
    assert load(file) == {"a": [1, 2]}


def test_one_snapshot_at_a_time_and_none_for_a_guard_that_was_stopped(tmp_path: Path) -> None:
    watched = Watched(tmp_path, snapshot=tmp_path / "saved")
    watched.host.is_busy = True
    works: list[Callable[[], None]] = []
    watched.guard._spawn = lambda work, _name: works.append(work)
    watched.at(0.95)
    watched.at(0.5)
    watched.at(0.95)
    assert len(works) == 1
    works.pop()()  # it waits for a cell to end, and the guard does not run
    assert watched.host.late[0].cancelled()
    assert [event.kind for event in watched.events] == ["warning", "calm", "warning"]
    assert not (tmp_path / "saved").exists()
    watched.at(0.5)
    watched.at(0.95)
    assert len(works) == 1


def _fill(watched: Watched, *, until: float = 0.8, rate: float = 0.05) -> list[str]:
    """Let memory grow for four seconds, ten looks a second."""
    return [kind for look in range(41) for kind in watched.at(until - rate * (4 - look / 10), after=0.1)]


def test_the_forecast_passes_thresholds_too(tmp_path: Path) -> None:
    watched = Watched(tmp_path, interrupt=0.95, seconds_left=5)
    watched.host.begin()
    watched.at(0.6)
    assert _fill(watched) == ["warning", "interrupted"]
    assert "full in about" in watched.events[0].sentence
    left = watched.guard.status().seconds_left
    assert left is not None
    assert left == pytest.approx(4, abs=0.2)


def test_the_forecast_interrupts_nothing_while_most_of_memory_is_free(tmp_path: Path) -> None:
    watched = Watched(tmp_path, interrupt=0.95, seconds_left=60)
    watched.host.begin()
    assert _fill(watched, until=0.45) == []


def test_memory_that_cannot_be_read_is_told_once_and_is_not_zero(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.at(0.5)
    answers: list[Amount | Exception | None] = [None, OSError("no /proc"), Amount(0, 0), Amount(9, 10)]

    def sample() -> Amount | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watched.guard._sample = sample
    assert watched.guard.look() == LONGEST
    status = watched.guard.status()
    assert (status.used, status.total, status.fraction, status.seconds_left) == (None, None, None, None)
    watched.guard.look()
    watched.guard.look()
    watched.guard.look()
    assert [event.kind for event in watched.events] == ["failed", "warning"]
    assert watched.events[0].used is None
    assert watched.guard.status().fraction == 0.9


def test_a_new_limit_is_no_growth_of_memory(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    _fill(watched, until=0.6)
    assert watched.guard.status().seconds_left is not None
    watched.guard._sample = lambda: Amount(1, 10)
    watched.clock.now += 0.1
    watched.guard.look()
    assert watched.guard.status().seconds_left is None


def test_a_listener_that_fails_does_not_stop_the_guard(tmp_path: Path) -> None:
    watched = Watched(tmp_path)

    def broken(_event: GuardEvent) -> None:
        raise ZeroDivisionError

    watched.guard._on_event = broken
    watched.at(0.9)
    assert [event.kind for event in watched.guard.status().events] == ["warning"]


@pytest.mark.parametrize(
    "options",
    [
        {"warn": None},
        {"warn": 0},
        {"warn": 85},
        {"warn": 0.9, "interrupt": 0.8},
        {"variables": ["a"]},
        {"snapshot": "folder", "variables": "a"},
        {"seconds_left": 0},
        {"seconds_left": float("nan")},
        {"warn": "0.9"},
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        MemoryGuard(FakeHost(tmp_path), **options)


def test_the_dashboard_only_warns(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.is_served = True
    MemoryGuard(host)
    for options in ({"interrupt": 0.9}, {"snapshot": tmp_path}):
        with pytest.raises(HostError, match="no cells to interrupt"):
            MemoryGuard(host, **options)


def test_its_thread_looks_until_it_is_stopped(tmp_path: Path) -> None:
    looked = threading.Semaphore(0)
    trouble = [MemoryError()]
    host = CellHost(tmp_path)

    def sample() -> Amount:
        looked.release()
        return Amount(5, 10)

    def clock() -> float:
        if trouble:
            raise trouble.pop()
        return 1000.0

    guard = MemoryGuard(host, sample=sample, clock=clock)
    guard.start()
    guard.start()
    for _ in range(3):
        assert looked.acquire(timeout=30)
        host.begin()  # a cell that starts is a reason to look at once
    status = guard.status()
    assert status.running
    assert status.fraction == 0.5
    threads = [thread for thread in threading.enumerate() if thread.name == "colabpanel-guard"]
    assert len(threads) == 1
    assert threads[0].daemon
    guard.stop()
    guard.stop()
    assert not threads[0].is_alive()
    assert host.watchers == []
    assert not guard.status().running


def test_a_guard_can_be_stopped_by_what_it_tells(tmp_path: Path) -> None:
    ended = threading.Event()

    def stop(_event: GuardEvent) -> None:
        guard.stop()
        ended.set()

    guard = MemoryGuard(FakeHost(tmp_path), sample=lambda: Amount(9, 10), on_event=stop)
    guard.start()
    assert ended.wait(30)
    assert not guard.status().running


def test_by_itself_it_asks_the_gauges(tmp_path: Path) -> None:
    guard = MemoryGuard(FakeHost(tmp_path))
    guard.look()
    status = guard.status()
    assert status.total
    assert 0 < (status.fraction or 0) < 1


@given(share=st.floats(0.1, 0.9), course=st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_a_threshold_is_passed_once_between_two_calms(share: float, course: list[float]) -> None:
    threshold, told = Threshold(share), []
    for fraction in course:
        told += ["passed"] * threshold.passes(fraction, None) + ["calm"] * threshold.calms(fraction, None)
        assert threshold.next_share == (1.0 if told and told[-1] == "passed" else share)
    assert told == (["passed", "calm"] * len(told))[: len(told)]
    assert bool(told) == any(fraction >= share for fraction in course)


def _paced(*used: float, every: float = 0.5, busy: bool = False, share: float = 0.9) -> float:
    samples = [Sample(number * every, round(part * TOTAL), TOTAL) for number, part in enumerate(used)]
    return pause_before_next(samples, share, busy=busy)


def test_it_looks_seldom_far_away_and_often_near() -> None:
    assert _paced(0.2) == _paced(0.2, 0.2, 0.2) == _paced(0.4, 0.3) == LONGEST
    assert _paced(0.2, busy=True) == LONGEST
    assert _paced(0.85, busy=True) == pytest.approx(0.125)
    assert _paced(0.5, 0.6) == SHORTEST
    assert SHORTEST < _paced(0.5, 0.51) < LONGEST
    assert _paced(0.95, busy=True) == SHORTEST
    assert _paced(0.95) == LONGEST


@given(rate=st.floats(1e6, 1e10), room=st.floats(1e6, 1e10))
def test_there_are_many_looks_before_a_threshold_is_reached(rate: float, room: float) -> None:
    pause = pause_before_next([Sample(0, 0, 10**11), Sample(1, round(rate), 10**11)], (rate + room) / 1e11, busy=False)
    assert pause == SHORTEST or room / rate / pause >= 50
