"""Waiting for another thread: its result, its error, and the moment between the two looks."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

import pytest

from colabpanel.progress import Progress
from colabpanel.services.waiting import apart, result_of


class EndsWhileNobodyLooks(Future[str]):
    """Its first wait is over a moment before the work is."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def result(self, timeout: float | None = None) -> str:
        self.looks += 1
        if self.looks == 1:
            self.set_result("done")
            raise FutureTimeoutError
        return super().result(timeout)


def test_work_that_ends_between_two_looks_has_not_failed() -> None:
    assert result_of(EndsWhileNobodyLooks(), Progress()) == "done"


def test_a_timeout_of_the_work_itself_is_raised() -> None:
    def work(_: Progress) -> None:
        raise TimeoutError(110, "Connection timed out")

    with pytest.raises(TimeoutError, match="Connection timed out"):
        apart(work, Progress())
