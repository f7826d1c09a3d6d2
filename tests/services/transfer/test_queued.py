from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from colabpanel.errors import InputError, JobBusyError, JobCancelledError, StorageError
from colabpanel.jobs import Job, JobRunner
from colabpanel.progress import Progress
from colabpanel.services.transfer.history import PastTransfer, TransferHistory
from colabpanel.services.transfer.queued import Outcome, QueuedTransfer, Transfer, TransferQueue
from tests.fakes import HeldWork


class Work:
    """A transfer that goes on when it is told to."""

    def __init__(self) -> None:
        self.began, self.go, self.steps = threading.Event(), threading.Event(), 0

    def __call__(self, progress: Progress) -> Outcome:
        self.began.set()
        progress.start(10, "Downloading")
        while not self.go.wait(0.001):
            progress.advance(0)
        progress.advance(0)
        self.steps += 1
        return Outcome("ok", "Done.", 7)


@pytest.fixture
def history(tmp_path: Path) -> TransferHistory:
    return TransferHistory(tmp_path)


@pytest.fixture
def queue(history: TransferHistory) -> Iterator[TransferQueue]:
    runner = JobRunner()
    yield TransferQueue(runner.submit, history, clock=lambda: 5.0)
    runner.close()


def _add(queue: TransferQueue, work: Callable[[Progress], Outcome], title: str = "x") -> str:
    return queue.add(Transfer("download", title, work, ("/x",), again={"paths": [title]}))


def _item(queue: TransferQueue, key: str) -> QueuedTransfer:
    return next(item for item in queue.items() if item.key == key)


def _until(queue: TransferQueue, key: str, *statuses: str) -> QueuedTransfer:
    pause = threading.Event()
    for _ in range(10_000):
        if (item := _item(queue, key)).status in statuses:
            return item
        pause.wait(0.001)
    raise AssertionError(item)


def test_one_after_another_in_an_order_that_can_be_changed(queue: TransferQueue, history: TransferHistory) -> None:
    works = [Work() for _ in range(3)]
    keys = [_add(queue, work, f"{number}") for number, work in enumerate(works)]
    assert works[0].began.wait(10)
    assert [item.status for item in queue.items()] == ["running", "waiting", "waiting"]
    queue.move(keys[2], -5)
    queue.move(keys[2], 1)
    assert [item.transfer.title for item in queue.items()] == ["0", "2", "1"]
    works[0].go.set()
    assert works[2].began.wait(10)
    assert not works[1].began.is_set()
    for work in works:
        work.go.set()
    for key in keys:
        assert _until(queue, key, "ok").message == "Done."
    queue.move(keys[0], 1)
    assert [item.transfer.title for item in queue.items()] == ["0", "2", "1"]


def test_the_history_keeps_how_each_ended(queue: TransferQueue, history: TransferHistory) -> None:
    noted = threading.Event()
    key = _add(queue, lambda _: Outcome("partial", "Some.", 3, "Look.", "https://x", "a: gone"))
    item = _until(queue, key, "partial")
    assert (item.message, item.hint, item.link, item.details, item.snapshot) == (
        "Some.",
        "Look.",
        "https://x",
        "a: gone",
        None,
    )
    for _ in range(10_000):
        if history.entries():
            break
        noted.wait(0.001)
    assert history.entries() == [
        PastTransfer(key, "download", "x", 5.0, "partial", "Some.", 3, ["/x"], {"paths": ["x"]})
    ]
    history.clear()
    assert history.entries() == []


def test_a_paused_transfer_stops_where_it_is_and_lets_others_pass(queue: TransferQueue) -> None:
    first, second = Work(), Work()
    key, other = _add(queue, first), _add(queue, second)
    assert first.began.wait(10)
    queue.pause(key)
    assert _item(queue, key).status == "paused"
    assert second.began.wait(10)
    first.go.set()
    second.go.set()
    _until(queue, other, "ok")
    assert (_item(queue, key).status, first.steps) == ("paused", 0)
    queue.resume(key)
    _until(queue, key, "ok")
    queue.pause(key)
    assert _item(queue, key).status == "ok"


def test_a_waiting_transfer_can_be_held_and_let_go(queue: TransferQueue) -> None:
    first, second = Work(), Work()
    key, other = _add(queue, first), _add(queue, second)
    queue.pause(other)
    first.go.set()
    _until(queue, key, "ok")
    assert _item(queue, other).status == "paused"
    second.go.set()
    queue.resume(other)
    _until(queue, other, "ok")


@pytest.mark.parametrize("paused", [False, True])
def test_cancelling_a_running_and_a_waiting_one(queue: TransferQueue, paused: bool) -> None:
    first, second, third = Work(), Work(), Work()
    key, other, last = _add(queue, first), _add(queue, second), _add(queue, third)
    assert first.began.wait(10)
    if paused:
        queue.pause(last)
        queue.pause(key)
        assert second.began.wait(10)
        second.go.set()
        _until(queue, other, "ok")
    else:
        queue.cancel(other)
        assert _item(queue, other).status == "cancelled"
    queue.cancel(key)
    assert _until(queue, key, "cancelled").message == "Cancelled."
    queue.resume(last)
    third.go.set()
    _until(queue, last, "ok")
    queue.cancel(last)
    assert _item(queue, last).status == "ok"


def test_failures_are_told_and_tried_again(queue: TransferQueue, caplog: pytest.LogCaptureFixture) -> None:
    errors: list[BaseException] = [
        StorageError("The disk failed.", hint="Try again."),
        ZeroDivisionError("inside"),
        JobCancelledError(),
    ]
    seen = []

    def work(_: Progress) -> Outcome:
        if errors:
            raise errors.pop(0)
        return Outcome("ok", "Done.")

    key = _add(queue, work)
    for status in ("failed", "failed", "cancelled"):
        item = _until(queue, key, status)
        seen.append((item.message, item.hint, "ZeroDivisionError" in item.details))
        queue.retry(key)
        (key,) = [item.key for item in queue.items()]
    _until(queue, key, "ok")
    assert seen == [
        ("The disk failed.", "Try again.", False),
        ("Unexpected error.", "", True),
        ("Cancelled.", "", False),
    ]
    assert "Unexpected error" in caplog.text
    queue.remove(key)
    assert queue.items() == ()
    with pytest.raises(InputError, match="not in the queue"):
        queue.remove(key)


def test_what_runs_is_neither_removed_nor_tried_again(queue: TransferQueue) -> None:
    work = Work()
    key = _add(queue, work)
    queue.remove(key)
    with pytest.raises(InputError, match="has not ended"):
        queue.retry(key)
    work.go.set()
    _until(queue, key, "ok")


def test_a_long_list_forgets_the_oldest_that_ended(history: TransferHistory) -> None:
    runner = JobRunner(lambda work, _: work())
    queue = TransferQueue(runner.submit, history)
    keys = [_add(queue, lambda _: Outcome("ok", "Done.")) for _ in range(60)]
    kept = [item.key for item in queue.items()]
    assert kept == keys[-51:]
    assert len(history.entries()) == 60


def test_a_history_that_cannot_be_read_or_kept_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    history = TransferHistory(tmp_path)
    (tmp_path / "transfers.json").write_text('[{"odd": 1}]')
    assert history.entries() == []
    TransferHistory(tmp_path / "missing").add(PastTransfer("k", "download", "x", 1.0, "ok", "Done."))
    assert "cannot be kept" in caplog.text


def test_one_that_cannot_be_started_stands_in_nobodys_way(history: TransferHistory) -> None:
    runner, is_full = JobRunner(lambda work, _: work()), True

    def submit(name: str, work: Callable[[Progress], None]) -> Job[None]:
        if is_full:
            raise JobBusyError("This machine starts no more threads.", hint="End what runs there.")
        return runner.submit(name, work)

    queue = TransferQueue(submit, history)
    key = _add(queue, lambda _: Outcome("ok", "Done."))
    assert (_item(queue, key).status, _item(queue, key).hint) == ("failed", "End what runs there.")
    is_full = False
    assert _item(queue, queue.retry(key)).status == "ok"


def test_one_is_cancelled_while_it_is_being_started(history: TransferHistory) -> None:
    held = HeldWork()
    runner = JobRunner(held)

    def submit(name: str, work: Callable[[Progress], None]) -> Job[None]:
        (item,) = starting.items()
        starting.cancel(item.key)
        return runner.submit(name, work)

    starting = TransferQueue(submit, history)
    key = _add(starting, lambda _: Outcome("ok", "Done."))
    held.release()
    assert _item(starting, key).status == "cancelled"
