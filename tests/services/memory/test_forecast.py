from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.services.memory.guarding.forecast import Sample, seconds_until_full

TOTAL = 10_000_000_000


def _course(used: Callable[[float], float], *, until: float = 15.0, every: float = 0.25) -> list[Sample]:
    times = [number * every for number in range(round(until / every) + 1)]
    return [Sample(500 + time, round(used(time)), TOTAL) for time in times]


def test_nothing_is_known_of_too_little() -> None:
    assert seconds_until_full([]) is None
    assert seconds_until_full(_course(lambda t: 1e9 * t, until=0.8, every=0.1)) is None
    assert seconds_until_full(_course(lambda t: 1e8 * t, until=3, every=1)) is None


@given(rate=st.floats(5e8, 3e9), start=st.floats(0, 3e9), every=st.floats(0.02, 0.15))
def test_a_fast_ramp_is_seen_within_two_seconds(rate: float, start: float, every: float) -> None:
    samples = _course(lambda t: start + rate * t, until=2, every=every)
    expected = max(TOTAL - samples[-1].used, 0) / rate
    assert seconds_until_full(samples) == pytest.approx(expected, rel=0.05, abs=0.01)


@given(rate=st.floats(1e7, 1e8), noise=st.floats(0, 5e6), seed=st.integers(0, 1000))
def test_a_slow_ramp_is_seen_through_noise(rate: float, noise: float, seed: int) -> None:
    shaken = random.Random(seed)
    samples = _course(lambda t: 5e9 + rate * t + shaken.uniform(-noise, noise))
    expected = (TOTAL - samples[-1].used) / rate
    assert seconds_until_full(samples) == pytest.approx(expected, rel=0.25)


@given(rate=st.floats(-1e9, 0), every=st.floats(0.02, 0.5))
def test_flat_and_falling_never_end(rate: float, every: float) -> None:
    assert seconds_until_full(_course(lambda t: 9e9 + rate * t, every=every)) is None


@given(noise=st.floats(0, 5e8), level=st.floats(1e9, 9e9), seed=st.integers(0, 100_000))
def test_noise_hardly_ever_cries_wolf(noise: float, level: float, seed: int) -> None:
    shaken = random.Random(seed)
    samples = _course(lambda t: level + shaken.uniform(-noise, noise))
    found = [seconds_until_full(samples[: number + 1]) for number in range(len(samples))]
    assert sum(left is not None for left in found) <= len(found) / 10  # eight samples may stand in a row by chance


@given(
    size=st.floats(1e8, 8e9),
    when=st.floats(0.5, 14.5),
    takes=st.floats(0, 0.3),
    every=st.sampled_from([0.05, 0.1, 0.25, 0.5]),
)
def test_one_large_allocation_is_no_trend(size: float, when: float, takes: float, every: float) -> None:
    samples = _course(lambda t: 1e9 + size * min(max(t - when, 0) / max(takes, 1e-9), 1), every=every)
    found = [seconds_until_full(samples[: number + 1]) for number in range(len(samples))]
    assert all(left is None for left in found)


def test_steps_that_go_on_are_a_trend() -> None:
    samples = _course(lambda t: 1e9 + 4e8 * (t // 1.5))
    assert seconds_until_full(samples) == pytest.approx((TOTAL - samples[-1].used) / (4e8 / 1.5), rel=0.2)


def test_less_than_a_hundredth_of_the_limit_is_no_trend() -> None:
    assert seconds_until_full(_course(lambda t: 9e9 + 6e6 * t)) is None
    assert seconds_until_full(_course(lambda t: 9e9 + 7e6 * t)) == pytest.approx(895e6 / 7e6, rel=0.05)


def test_growth_that_has_ended_is_forgotten() -> None:
    samples = _course(lambda t: 1e9 + 5e8 * min(t, 8))
    assert seconds_until_full(samples[:33]) == pytest.approx(10, rel=0.05)
    assert seconds_until_full(samples[: 4 * 13]) is None


def test_what_is_full_has_no_time_left() -> None:
    assert seconds_until_full(_course(lambda t: 8e9 + 2e9 * t, until=2, every=0.1)) == 0


@given(shift=st.floats(0, 1e6), scale=st.integers(1, 50))
def test_neither_the_clock_nor_the_size_matters(shift: float, scale: int) -> None:
    shaken = random.Random(5)
    samples = _course(lambda t: 2e9 + 3e8 * t + shaken.uniform(-2e7, 2e7))
    moved = [Sample(time + shift, used * scale, total * scale) for time, used, total in samples]
    left = seconds_until_full(samples)
    assert left is not None
    assert seconds_until_full(moved) == pytest.approx(left, rel=0.01)


@given(
    st.lists(
        st.tuples(st.floats(0.001, 5), st.integers(0, 2 * TOTAL), st.integers(0, TOTAL)),
        max_size=60,
    )
)
def test_any_course_gives_a_time_or_none(steps: list[tuple[float, int, int]]) -> None:
    now, samples = 0.0, []
    for pause, used, total in steps:
        now += pause
        samples.append(Sample(now, used, total))
    left = seconds_until_full(samples)
    assert left is None or left >= 0


def test_dense_samples_do_not_outweigh_the_rest() -> None:
    sparse = _course(lambda t: 1e9 + 2e8 * t, until=13, every=0.5)
    dense = [Sample(513 + number * 0.02, round(1e9 + 2e8 * (13 + number * 0.02)), TOTAL) for number in range(1, 100)]
    assert seconds_until_full([*sparse, *dense]) == pytest.approx((TOTAL - dense[-1].used) / 2e8, rel=0.05)
