from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from colabpanel.services.memory.history import History, Span
from tests.fakes import FakeClock

_STEPS = st.lists(st.tuples(st.floats(0.1, 400), st.floats(0, 1)), min_size=1, max_size=60)


@given(_STEPS)
def test_the_highest_share_of_every_few_seconds_is_kept_for_half_an_hour(steps: list[tuple[float, float]]) -> None:
    clock, noted = FakeClock(), list[tuple[float, float]]()
    history = History(clock=clock)
    for seconds, share in steps:
        clock.now += seconds
        history.note("RAM", share)
        noted.append((clock.now, share))
    points = history.course("RAM").points
    within = [share for when, share in noted if clock.now - when <= history.seconds - 20]
    assert max(share for _, share in points) >= max(within, default=0)
    assert all(0 <= seconds <= history.seconds for seconds, _ in points)
    assert [seconds for seconds, _ in points] == sorted((seconds for seconds, _ in points), reverse=True)
    assert {share for _, share in points} <= {share for _, share in noted}
    assert points[-1][0] == 0


def test_what_was_never_noted_has_no_course() -> None:
    assert History().course("GPU").points == ()


def test_cells_are_marked_from_start_to_end_the_running_one_until_now() -> None:
    clock = FakeClock()
    history = History(clock=clock)
    history.cell_ended()
    assert history.cells() == ()
    history.cell_started()
    clock.now += 5
    history.cell_ended()
    clock.now += 10
    history.cell_started()
    clock.now += 2
    assert history.cells() == (Span(17, 12), Span(2, 0))
    clock.now += 1795
    assert history.cells() == (Span(1797, 0),)
