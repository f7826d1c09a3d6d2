from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.errors import JobBusyError, JobCancelledError
from colabpanel.jobs import Job, JobRunner, JobState
from colabpanel.progress import Progress
from tests.fakes import FakeClock, HeldWork, run_inline


def test_a_job_that_succeeds_keeps_its_result() -> None:
    job = JobRunner(run_inline).submit("add", lambda progress, a, b: a + b, 2, b=3)
    assert job.result() == 5
    assert job.done()
    assert not job.cancelled()
    assert not job.running()
    assert job.snapshot().state is JobState.SUCCEEDED
    assert job.cancel() is False


def test_a_job_that_fails_keeps_its_error_and_traceback() -> None:
    def work(progress: Progress) -> None:
        raise KeyError("lost")

    job = JobRunner(run_inline).submit("fail", work)
    assert job.snapshot().state is JobState.FAILED
    assert isinstance(job.exception(), KeyError)
    assert "lost" in job.traceback
    with pytest.raises(KeyError):
        job.result()


def test_cancelling_stops_at_the_next_advance() -> None:
    held = HeldWork()
    reached: list[int] = []

    def work(progress: Progress) -> None:
        progress.start(10, "Counting")
        for step in range(10):
            if step == 3:
                job.cancel()
            progress.advance()
            reached.append(step)

    job = JobRunner(held).submit("count", work)
    held.release()
    assert reached == [0, 1, 2]
    assert job.cancelled()
    with pytest.raises(JobCancelledError):
        job.result()


def test_a_job_cancelled_before_it_runs_does_nothing() -> None:
    held = HeldWork()
    ran: list[int] = []
    job = JobRunner(held).submit("never", lambda progress: ran.append(1))
    assert job.snapshot().state is JobState.PENDING
    assert job.cancel()
    assert job.snapshot().cancelling
    held.release()
    assert not ran
    assert job.cancelled()
    assert not job.snapshot().cancelling


def test_a_snapshot_tells_rate_share_and_rest() -> None:
    clock = FakeClock()
    job: Job[None] = Job("copy", clock=clock)
    seen = []

    def work() -> None:
        job.start(1000, "Copying")
        assert job.running()
        for _ in range(4):
            clock.now += 1
            job.advance(100)
            seen.append(job.snapshot())

    job.run(work)
    last = seen[-1]
    assert (last.done, last.total, last.fraction, last.elapsed) == (400, 1000, 0.4, 4)
    assert last.rate == pytest.approx(100)
    assert last.seconds_left == pytest.approx(6)


def test_the_rate_forgets_what_is_long_ago() -> None:
    clock = FakeClock()
    job: Job[None] = Job("copy", clock=clock)
    job.start(None, "Copying")
    for step in range(60):
        clock.now += 1
        job.advance(1000 if step < 30 else 10)
        snapshot = job.snapshot()
    assert snapshot.rate == pytest.approx(10)
    assert snapshot.fraction is None
    assert snapshot.seconds_left is None


def test_an_empty_total_is_no_division_by_zero() -> None:
    job: Job[None] = Job("nothing")
    assert job.snapshot().rate is None
    job.start(0, "Nothing")
    assert job.snapshot().fraction == 0.0


def test_waiting_for_a_job_can_time_out() -> None:
    job: Job[None] = Job("slow")
    with pytest.raises(TimeoutError, match="slow still runs"):
        job.result(timeout=0)


def test_callbacks_come_once_whether_added_before_or_after_the_end() -> None:
    job: Job[int] = Job("call")
    calls: list[str] = []
    job.add_done_callback(lambda _: calls.append("before"))
    job.run(lambda: 1)
    job.add_done_callback(lambda _: calls.append("after"))
    assert calls == ["before", "after"]


def test_closing_a_runner_cancels_what_runs_and_refuses_more() -> None:
    started = threading.Event()

    def work(progress: Progress) -> None:
        started.set()
        while True:
            progress.advance(0)

    runner = JobRunner()
    job = runner.submit("forever", work)
    assert started.wait(60)
    assert list(runner) == [job]
    runner.close()
    assert job.cancelled()
    assert list(runner) == []
    with pytest.raises(JobBusyError):
        runner.submit("late", work)


def test_closing_does_not_wait_for_work_that_hangs() -> None:
    runner = JobRunner(HeldWork())
    runner.submit("hung", lambda progress: None)
    runner.close(timeout=0.01)
    assert len(list(runner)) == 1


def test_a_progress_by_itself_listens_to_nothing() -> None:
    progress = Progress()
    assert progress.start(1, "x") is None  # type: ignore[func-returns-value]
    assert progress.advance() is None  # type: ignore[func-returns-value]


@given(st.lists(st.integers(0, 1000), max_size=20), st.integers(1, 5000))
def test_the_share_stays_between_nothing_and_all(steps: list[int], total: int) -> None:
    job: Job[None] = Job("steps")
    job.start(total, "Stepping")
    for step in steps:
        job.advance(step)
        fraction = job.snapshot().fraction
        assert fraction is not None
        assert 0 <= fraction <= 1
    assert job.snapshot().done == sum(steps)


def test_a_machine_that_starts_no_more_threads_is_told() -> None:
    def spawn(work: Callable[[], None], name: str) -> None:
        raise RuntimeError("can't start new thread")

    runner = JobRunner(spawn)
    with pytest.raises(JobBusyError, match="no more threads"):
        runner.submit("job", lambda _: None)
    assert list(runner) == []
