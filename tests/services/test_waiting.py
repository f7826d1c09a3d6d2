"""Waiting for another thread: its result, its error, and the moment between the two looks."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path

import numpy as np
import pytest

from colabpanel.progress import Progress
from colabpanel.services.snapshots.lanes import Lanes
from colabpanel.services.snapshots.service import dump, load
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


@pytest.fixture
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is so short that no thread can be started."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("_no_threads")
def test_without_another_thread_the_work_is_done_here(tmp_path: Path) -> None:
    assert apart(lambda _: threading.current_thread(), Progress()) is threading.current_thread()
    with Lanes(2) as lanes:
        assert lanes.submit(lambda: 5).result(0) == 5
        assert isinstance(lanes.submit(lambda: 1 // 0).exception(0), ZeroDivisionError)
    dump(tmp_path / "a.snapshot.zip", {"x": np.arange(1000), "y": [1]})
    found = load(tmp_path / "a.snapshot.zip")
    assert (found["x"] == np.arange(1000)).all()
    assert found["y"] == [1]
