"""Readings that take long, or for ever."""

from __future__ import annotations

import threading

import pytest

from colabpanel.services.memory.latest import Latest, Look
from tests.fakes import FakeClock

READER = "reader-of-a-test"


class Source:
    """What is read: a number that grows, once the gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.readings = 0

    def __call__(self) -> int:
        self.gate.wait(30)
        self.readings += 1
        return self.readings


@pytest.fixture
def source() -> Source:
    return Source()


def test_a_reading_is_good_for_a_while(source: Source, clock: FakeClock) -> None:
    latest = Latest(source, name=READER, clock=clock)
    assert latest.look(30) == Look(1, 0.0, 0.0)
    clock.now += 0.5
    assert latest.look(30) == Look(1, 0.5, 0.0)
    clock.now += 0.5
    assert latest.look(30) == Look(2, 0.0, 0.0)


def test_how_long_it_is_good_may_depend_on_it(source: Source, clock: FakeClock) -> None:
    latest = Latest(source, name=READER, clock=clock, keep=lambda reading: 100.0 if reading == 2 else 1.0)
    latest.look(30)
    clock.now += 2
    assert latest.look(30).value == 2
    clock.now += 99
    assert latest.look(30).value == 2
    clock.now += 2
    assert latest.look(30).value == 3


def test_a_costly_reading_is_good_for_longer_but_the_first(source: Source, clock: FakeClock) -> None:
    costs = iter([0.0, 9.0, 10.0, 10.003, 11.0, 12.0, 13.0, 13.0])
    latest = Latest(source, name=READER, clock=clock, cost=lambda: next(costs))
    latest.look(30)
    clock.now += 1
    assert latest.look(30).value == 2  # the first cost 9 seconds, which is not held against it
    clock.now += 2.9
    assert latest.look(30).value == 2  # the second cost 3 ms
    clock.now += 0.2
    assert latest.look(30).value == 3
    clock.now += 5.1
    assert latest.look(30).value == 4  # the third cost a second, and is good for five all the same


def test_nobody_waits_longer_than_they_have_patience(source: Source, clock: FakeClock) -> None:
    source.gate.clear()
    latest = Latest(source, name=READER, clock=clock, deadline=3.0)
    assert latest.look(0) == Look(None, 0.0, 0.0)
    clock.now += 2.5
    assert latest.look(0) == Look(None, 0.0, 0.0)
    clock.now += 0.5
    assert latest.look(30) == Look(None, 0.0, 3.0)
    source.gate.set()
    assert latest._done.wait(30)
    assert latest.look(0).silent == 0
    assert latest.look(0).value == 1


def test_where_no_thread_may_be_started_the_last_reading_stays_and_the_next_look_tries_again(
    source: Source, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    latest = Latest(source, name=READER, clock=clock)
    latest.look(30)
    with monkeypatch.context() as limit:
        limit.setattr(threading.Thread, "start", refuse)
        clock.now += 10
        assert latest.look(30) == Look(1, 10.0, 0.0)
    clock.now += 10
    assert latest.look(30) == Look(2, 0.0, 0.0)


def test_one_that_hangs_leaves_the_last_reading_and_one_thread(source: Source, clock: FakeClock) -> None:
    latest = Latest(source, name=READER, clock=clock, deadline=3.0)
    latest.look(30)
    source.gate.clear()
    clock.now += 10
    assert latest.look(0) == Look(1, 10.0, 0.0)
    for _ in range(5):
        clock.now += 10
        late = latest.look(30)
    assert late == Look(1, 60.0, 50.0)
    assert [one.name for one in threading.enumerate()].count(READER) == 1
    source.gate.set()
    assert latest._done.wait(30)
    assert latest.look(30) == Look(2, 0.0, 0.0)
