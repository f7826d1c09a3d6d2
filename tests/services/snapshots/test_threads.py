"""What goes on beside a dump or a load: cells that change variables, disks that hang, and other threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from colabpanel.errors import JobCancelledError
from colabpanel.services.snapshots import container
from colabpanel.services.snapshots.container import ContainerWriter
from colabpanel.services.snapshots.models import Snapshot
from colabpanel.services.snapshots.panel_calls import load_chosen
from colabpanel.services.snapshots.service import dump, load
from tests.fakes import FakeHost, RecordingProgress

T = TypeVar("T")
LARGE = 2_000_000


class HostAtWork(FakeHost):
    """A host that remembers whether its main thread is at it."""

    is_at_it = False

    def on_main_thread(self, function: Callable[[], T]) -> Future[T]:
        self.is_at_it = True
        try:
            return super().on_main_thread(function)
        finally:
            self.is_at_it = False


class Noted:
    """Notes where it was filled."""

    seen: Callable[[], bool] = bool
    filled_there: bool

    def __getstate__(self) -> dict[str, Any]:
        return {"a": 1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.filled_there = Noted.seen()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.snapshot.zip"


def test_a_write_left_behind_goes_into_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, real = threading.Event(), ContainerWriter._write

    def slow(writer: ContainerWriter, batch: Any, offset: int) -> None:
        if batch[0][0][0]:
            hanging.wait(20)
        real(writer, batch, offset)

    monkeypatch.setattr(ContainerWriter, "_write", slow)
    monkeypatch.setattr(container, "_GRACE", 0.01)
    monkeypatch.setattr(container, "_BATCH", 1)
    handle = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    with (
        pytest.raises(JobCancelledError),
        ContainerWriter(handle, RecordingProgress(cancel_after=1).advance) as writer,
    ):
        writer.add("member", [b"\1" * LARGE], head=b"\0")
    other = os.open(tmp_path / "b", os.O_RDWR | os.O_CREAT)
    os.dup2(other, handle)  # as if the file had been closed, and the next one had got its number
    hanging.set()
    for lane in [thread for thread in threading.enumerate() if thread.name.startswith("colabpanel-lane")]:
        lane.join(20)
    os.close(handle)
    os.close(other)
    assert (tmp_path / "b").stat().st_size == 0
    assert (tmp_path / "a").stat().st_size > LARGE // 2
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writer._handle)


def _dump_while_cells_run(path: Path, array: Any, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    """Dump on another thread; the array changes after each write, before what was written is summed up."""
    written, write, take = threading.Semaphore(0), ContainerWriter._write, container._Sums.take

    def write_then_tell(writer: ContainerWriter, batch: Any, offset: int) -> None:
        write(writer, batch, offset)
        written.release()

    def change_then_take(sums: Any, batch: Any) -> int:
        assert written.acquire(timeout=20)
        array[:] += 1
        return take(sums, batch)

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as threads:
        patch.setattr(ContainerWriter, "_write", write_then_tell)
        patch.setattr(container._Sums, "take", change_then_take)
        return threads.submit(dump, path, {"array": array}).result()


def test_cells_may_change_what_another_thread_dumps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "_BATCH", 1)
    array = np.zeros(LARGE // 8)
    assert _dump_while_cells_run(path, array, monkeypatch).status == "ok"
    found = load(path)["array"]
    assert found.shape == array.shape
    assert found[0] < array[0]


def test_copies_take_the_memory_of_what_is_in_flight(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = list[int](), container._Copies.of

    def counted(copies: Any, batch: Any) -> Any:
        found = real(copies, batch)
        made.append(sum(map(len, copies._buffers)))
        return found

    monkeypatch.setattr(container, "_BATCH", 1)
    monkeypatch.setattr(container._Copies, "of", counted)
    variables = {"array": np.random.default_rng(0).random(LARGE), "text": "x"}
    dump(path, variables)
    assert made == []
    with ThreadPoolExecutor(1) as threads:
        threads.submit(dump, path, variables).result()
    assert len(made) > 30
    assert max(made) == 4 * (512 << 10)
    np.testing.assert_array_equal(load(path)["array"], variables["array"])


def test_variables_are_put_into_the_notebook_on_its_main_thread(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump(path, {"noted": Noted(), "plain": [1]})
    host, progress = HostAtWork(tmp_path / "host"), RecordingProgress()
    changed, loads = list[bool](), list[bool]()

    class Variables(dict[str, Any]):
        def update(self, *found: Any) -> None:  # type: ignore[override]
            changed.append(host.is_at_it)
            super().update(*found)

    def loaded(*arguments: Any, **options: Any) -> Any:
        loads.append(host.is_at_it)
        return load(*arguments, **options)

    host.variables = Variables()
    monkeypatch.setattr(Noted, "seen", lambda: host.is_at_it)
    monkeypatch.setattr("colabpanel.services.snapshots.panel_calls.load", loaded)
    assert load_chosen(progress, host, str(path), ["plain"], prefix="my_") == ["my_plain"]
    assert load_chosen(progress, host, str(path), ["noted"]) == ["noted"]
    assert (host.variables["my_plain"], host.variables["noted"].filled_there) == ([1], True)
    assert (changed, loads) == ([True, True], [False, True])
