from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.errors import InputError
from colabpanel.services.session.keeping_alive import (
    OFFICIAL_WAYS,
    KeepAlive,
    checked_interval,
    checked_minutes,
    console_snippets,
)
from tests.fakes import FakeClock


def test_a_heartbeat_is_off_on_and_ended(clock: FakeClock) -> None:
    beating = KeepAlive(clock=clock)
    assert beating.status().state == "off"
    assert beating.beat() == 0
    beating.start(2)
    assert (beating.status().state, beating.status().seconds_left, beating.status().last_beat) == ("on", 120, None)
    clock.now += 30
    assert beating.beat() == 90
    clock.now += 10
    status = beating.status()
    assert (status.seconds_left, status.beats, status.last_beat) == (80, 1, 10)
    assert repr(beating) == "<colabpanel.KeepAlive: on, 1 min 20 s left>"
    clock.now += 80
    assert beating.status().state == "ended"
    assert beating.beat() == 0
    assert beating.status().beats == 1
    assert repr(beating) == "<colabpanel.KeepAlive: ended>"


def test_whoever_makes_the_heart_hears_of_starts_and_stops(clock: FakeClock) -> None:
    beating, heard = KeepAlive(clock=clock), list[str]()
    beating.changed = lambda: heard.append(beating.status().state)
    beating.stop()
    beating.start(1)
    beating.stop()
    beating.stop()
    assert beating.beat() == 0
    beating.start(1)
    clock.now += 61
    beating.stop()
    assert heard == ["on", "off", "on"]
    assert beating.status().state == "ended"


def test_starting_again_begins_anew(clock: FakeClock) -> None:
    beating = KeepAlive(clock=clock)
    beating.start(1)
    beating.beat()
    clock.now += 59
    beating.start(1)
    assert (beating.status().seconds_left, beating.status().beats) == (60, 0)


@given(st.floats(0, 1440, exclude_min=True), st.lists(st.floats(0.001, 7200), max_size=20))
def test_no_beat_counts_after_the_deadline(minutes: float, steps: list[float]) -> None:
    clock = FakeClock()
    beating = KeepAlive(clock=clock)
    deadline = clock.now + minutes * 60
    beating.start(minutes)
    counted = 0
    for step in steps:
        clock.now += step
        left = beating.beat()
        assert (left > 0) == (clock.now < deadline)
        counted += left > 0
    assert beating.status().beats == counted


@pytest.mark.parametrize("minutes", [0, -1, 1440.1, float("nan"), float("inf"), "", "two", None])
def test_what_is_no_length_is_refused(minutes: float) -> None:
    with pytest.raises(InputError, match="1,440 at most") as caught:
        KeepAlive().start(minutes)
    assert caught.value.hint
    with pytest.raises(InputError):
        console_snippets(minutes)


def test_lengths_are_numbers_or_what_is_typed() -> None:
    assert (checked_minutes(" 90 "), checked_minutes(0.5), checked_minutes(1440)) == (90, 0.5, 1440)
    assert checked_interval(60) == 60
    for interval in (0, -1, 3601, float("nan")):
        with pytest.raises(InputError, match="heartbeat"):
            checked_interval(interval)


def test_snippets_carry_their_deadline_and_the_source_texts_form_is_among_them() -> None:
    now, older = console_snippets(90)
    assert (
        'querySelector("#top-toolbar > colab-connect-button").shadowRoot.querySelector("#connect").click()' in now.code
    )
    assert 'document.querySelector("colab-toolbar-button").click()' in older.code
    for snippet in (now, older):
        assert f"+ {90 * 60_000};" in snippet.code
        assert "60000);" in snippet.code
        assert snippet.code.startswith("(() => {\n  if (window.stopKeepAlive) window.stopKeepAlive();\n")
        assert "return clearInterval(timer);" in snippet.code
        assert "not seen by us" in snippet.seen
        assert re.search(r"20\d\d", snippet.seen)
    assert all(way.url.startswith("https://") for way in OFFICIAL_WAYS)
