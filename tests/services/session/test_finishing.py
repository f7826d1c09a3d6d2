from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import ColabPanelError, HostError, InputError, JobCancelledError, StorageError
from colabpanel.hosts.colab import ColabHost
from colabpanel.jobs import Job, JobRunner
from colabpanel.progress import Progress
from colabpanel.services import mounts, saves
from colabpanel.services.checkpoints.service import active_checkpoints
from colabpanel.services.saves import note_save
from colabpanel.services.session.finishing import finish
from colabpanel.services.session.safety import SafetyCheck, look_whether_safe
from tests.checkpoint_calls import opened, save
from tests.fakes import FakeColabDrive, FakeColabRuntime, FakeHost, FakeShell, RecordingProgress


class FakeColab(FakeHost):
    """A host that releases, and notes the order of things."""

    releases_runtime = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, drive_mountpoint=Path("/content/drive"))
        self.calls: list[str] = []

    def unmount_drive(self, *, timeout: float = 600.0) -> None:
        super().unmount_drive()
        self.calls.append("unmount")

    def release_runtime(self) -> None:
        super().release_runtime()
        self.calls.append("release")


@pytest.fixture
def colab(tmp_path: Path) -> FakeColab:
    return FakeColab(tmp_path)


@pytest.fixture(autouse=True)
def _drive_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saves, "_newest", {})
    for left_open in active_checkpoints():
        left_open.close()
    drive = tmp_path / "drive"
    monkeypatch.setattr(mounts, "mount_of", lambda path: ("/", "fuse.drive" if drive in path.parents else "ext4"))


@pytest.fixture
def saved(tmp_path: Path) -> None:
    note_save(tmp_path / "drive" / "work.snapshot.zip")


def _nothing(_: float) -> None:
    """Take no time."""


def _elsewhere(work: Callable[[], Any]) -> Any:
    """Call something as a job does: not on the main thread."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run).start()
    return future.result(timeout=60)


def _states(checks: tuple[SafetyCheck, ...]) -> list[str]:
    return [check.state for check in checks]


@pytest.mark.usefixtures("saved")
def test_what_is_safe_is_released_after_drive_is_written_out(colab: FakeColab) -> None:
    progress, seen = RecordingProgress(), list[Any]()
    finished = _elsewhere(
        lambda: finish(host=colab, progress=progress, looked=seen.append, pause=_nothing, countdown=2.5)
    )
    assert colab.calls == ["unmount", "release"]
    assert _states(finished.checks) == ["safe", "safe"]
    assert seen == [finished.checks]
    assert [total for total, words in progress.phases if "unless you cancel" in words] == [3]
    assert not progress.cancellable
    assert colab.watchers == []


def test_a_host_that_does_not_release_refuses_before_it_waits(host: FakeHost, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot release the machine"):
        finish(host=host)
    served = FakeColab(tmp_path)
    served.is_served = True
    with pytest.raises(HostError, match="dashboard"):
        finish(host=served)
    assert served.calls == []


@pytest.mark.parametrize("countdown", [-1, 3601, float("nan")])
def test_what_is_no_countdown_is_refused(colab: FakeColab, countdown: float) -> None:
    with pytest.raises(InputError):
        finish(host=colab, countdown=countdown)


@pytest.mark.usefixtures("saved")
def test_jobs_are_waited_for_also_those_that_begin_later(colab: FakeColab) -> None:
    first, second = Future[None](), Future[None]()
    running, waits = [first], list[float]()

    def pause(seconds: float) -> None:
        waits.append(seconds)
        assert colab.calls == []
        if len(waits) == 3:
            running.append(second)
            first.set_result(None)
        if len(waits) == 6:
            second.set_result(None)

    finish(host=colab, jobs=lambda: running, countdown=0, pause=pause)
    assert len(waits) == 6
    assert colab.calls == ["unmount", "release"]


def _failed(error: Exception) -> Future[None]:
    future = Future[None]()
    future.set_exception(error)
    return future


def _cancelled() -> Future[None]:
    future = Future[None]()
    future.cancel()
    return future


def _cancelled_job() -> Job[None]:
    job: Job[None] = Job("x")
    job.cancel()
    job.run(lambda: None)
    return job


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(
    "job", [_failed(StorageError("The disk is full.")), _failed(ValueError()), _cancelled(), _cancelled_job()]
)
def test_work_that_did_not_succeed_releases_nothing(colab: FakeColab, job: Any) -> None:
    with pytest.raises(ColabPanelError, match=r"did not succeed: .+ Nothing was released") as caught:
        finish(host=colab, jobs=[job], anyway=True, pause=_nothing)
    assert ".." not in caught.value.message
    assert colab.calls == []


def test_a_job_that_fails_while_a_cell_is_waited_for_releases_nothing(
    colab: FakeColab, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, waited = JobRunner(), list[bool]()

    def fail(_: Progress) -> None:
        raise StorageError("Drive is full.")

    def on_main_thread(function: Callable[[], Any]) -> Future[Any]:
        with contextlib.suppress(StorageError):
            runner.submit("copying", fail).result(30)  # begins and ends before the cell does
        waited.append(True)
        return FakeHost.on_main_thread(colab, function)

    monkeypatch.setattr(colab, "on_main_thread", on_main_thread)
    with runner.noting() as jobs, pytest.raises(ColabPanelError, match="Drive is full"):
        finish(jobs=lambda: list(jobs), countdown=0, anyway=True, host=colab)
    assert waited
    assert colab.calls == []


@pytest.mark.usefixtures("saved")
def test_the_countdown_can_be_vetoed(colab: FakeColab) -> None:
    progress = RecordingProgress(cancel_after=5)
    with pytest.raises(JobCancelledError):
        finish(host=colab, countdown=60, progress=progress, pause=_nothing)
    assert "unless you cancel" in progress.phases[-1][1]
    assert colab.calls == []
    assert colab.watchers == []


@pytest.mark.usefixtures("saved")
def test_what_begins_during_the_countdown_begins_it_anew(colab: FakeColab) -> None:
    progress, waits = RecordingProgress(), list[float]()

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            colab.watchers[0][0]()

    finish(host=colab, countdown=2, progress=progress, pause=pause)
    assert len([words for _, words in progress.phases if "unless you cancel" in words]) == 2
    assert len(waits) == 5 + 8
    assert colab.calls == ["unmount", "release"]


@pytest.mark.usefixtures("saved")
def test_a_cell_that_begins_at_the_last_moment_is_waited_for() -> None:
    shell, drive, runtime = FakeShell(), FakeColabDrive(), FakeColabRuntime()
    host = ColabHost(shell, drive=lambda: drive, runtime=lambda: runtime)
    asked = threading.Event()
    add = shell.kernel.io_loop.add_callback

    def add_callback(*call: Any) -> None:
        add(*call)
        asked.set()

    shell.kernel.io_loop.add_callback = add_callback
    future: Future[Any] = Future()
    work = lambda: future.set_result(finish(host=host, countdown=0, pause=_nothing))  # noqa: E731
    threading.Thread(target=work).start()

    def loop_once() -> None:
        assert asked.wait(30)
        asked.clear()
        shell.kernel.io_loop.run()

    loop_once()  # no cell runs
    assert asked.wait(30)  # it wants to release
    shell.events.fire("pre_run_cell")
    loop_once()  # the cell awaits
    assert (drive.calls, runtime.unassigned) == ([], 0)
    shell.events.fire("post_run_cell")
    loop_once()
    assert (drive.calls, runtime.unassigned) == ([], 0)
    loop_once()
    assert future.result(30).checks
    assert (drive.calls, runtime.unassigned) == ([("unmount",)], 1)


@pytest.mark.usefixtures("saved")
def test_a_cell_that_awaits_is_waited_for(colab: FakeColab) -> None:
    """It leaves the main thread free, on which the runtime would be released."""
    colab.runs_cell = True
    waits = list[float]()

    def pause(seconds: float) -> None:
        waits.append(seconds)
        colab.runs_cell = len(waits) < 3

    with ThreadPoolExecutor(1) as pool:
        pool.submit(finish, host=colab, countdown=0, pause=pause).result(30)
    assert (len(waits), colab.calls) == (3, ["unmount", "release"])


@pytest.mark.usefixtures("saved")
def test_drive_that_cannot_be_written_out_keeps_the_runtime(colab: FakeColab) -> None:
    colab.refusal = HostError("Drive could not write out everything.")
    with pytest.raises(HostError, match="could not write out"):
        finish(host=colab, countdown=0)
    assert colab.calls == []


def test_a_cell_that_failed_is_not_safe_whatever_is_allowed(colab: FakeColab) -> None:
    colab.cell_failed = True
    with pytest.raises(ColabPanelError, match=r"ended with an error or was interrupted\. Nothing was released"):
        _elsewhere(lambda: finish(host=colab, countdown=0, anyway=True))
    assert colab.calls == []


@pytest.mark.usefixtures("saved")
def test_a_cell_that_finishes_itself_does_not_look_at_the_one_before(colab: FakeColab) -> None:
    colab.cell_failed = True
    finish(host=colab, countdown=0)
    assert colab.calls == ["unmount", "release"]


def test_where_nothing_was_saved_that_is_said_and_may_be_overridden(colab: FakeColab) -> None:
    with pytest.raises(ColabPanelError, match="is not known"):
        finish(host=colab, countdown=0)
    assert colab.calls == []
    finished = finish(host=colab, countdown=0, anyway=True)
    assert _states(finished.checks) == ["risk"]
    assert colab.calls == ["unmount", "release"]


def test_a_save_on_this_machine_is_a_risk_unless_a_newer_one_is_elsewhere(host: FakeHost, tmp_path: Path) -> None:
    note_save(tmp_path / "a" / "one", 50.0)
    (check,) = look_whether_safe(host)
    assert (check.state, "one, is on this machine only" in check.sentence) == ("risk", True)
    note_save(tmp_path / "drive" / "two", 40.0)
    assert look_whether_safe(host)[0].state == "risk"
    note_save(tmp_path / "drive" / "three", time.time() - 300)
    (check,) = look_whether_safe(host)
    assert (check.state, check.sentence) == ("safe", "The newest save, three, is on Drive or a network, 5 min ago.")


def test_a_cell_that_began_after_the_last_save_is_a_risk(host: FakeHost, tmp_path: Path) -> None:
    note_save(tmp_path / "drive" / "one", 1000.0)
    assert look_whether_safe(host, changed_since=900.0)[0].state == "safe"
    (check,) = look_whether_safe(host, changed_since=1090.0)
    assert check.state == "risk"
    assert "began 1 min 30 s after" in check.sentence


def test_checkpoints_on_drive_are_waited_for(host: FakeHost, tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive" / "run")
    assert _states(look_whether_safe(host)) == ["risk"]  # nothing was saved, and that is all
    save(checkpoints, 1)
    first, second = look_whether_safe(host)
    assert (first.state, first.sentence) == ("safe", f"step-00000001 is verified in {tmp_path / 'drive' / 'run'}.")
    assert second.state == "safe"
    checkpoints.close()


@pytest.mark.parametrize("mirror", [None, "another-folder"])
def test_checkpoints_on_this_machine_are_a_risk(host: FakeHost, tmp_path: Path, mirror: str | None) -> None:
    checkpoints = opened(tmp_path / "run", mirror=mirror and tmp_path / mirror)
    save(checkpoints, 1)
    first, second = look_whether_safe(host)
    assert _states((first, second)) == ["risk", "risk"]
    assert "on this machine only" in first.sentence
    checkpoints.close()


def test_checkpoints_that_do_not_reach_their_mirror_are_not_safe(colab: FakeColab, tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive" / "run")
    (tmp_path / "drive").write_bytes(b"in the way of a folder")
    save(checkpoints, 1)
    note_save(tmp_path / "drive" / "one")
    with pytest.raises(ColabPanelError, match=r"Checkpoints in .+ are not safe: .+ Nothing was released"):
        finish(host=colab, countdown=0, anyway=True)
    assert colab.calls == []
    (tmp_path / "drive").unlink()
    finish(host=colab, countdown=0, anyway=True)
    assert (tmp_path / "drive" / "run" / "step-00000001").is_dir()
    assert colab.calls == ["unmount", "release"]
    checkpoints.close()


class _Impatient(Progress):
    """Cancels what hangs, and then lets go of what it hangs on."""

    def __init__(self, let_go: Callable[[], None]) -> None:
        self._let_go, self.phase = let_go, ""

    def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
        self.phase = description

    def advance(self, amount: int = 1) -> None:
        if "safe" in self.phase:
            self._let_go()
            raise JobCancelledError


def test_looking_at_checkpoints_can_be_cancelled(colab: FakeColab, tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run")
    save(checkpoints, 1)
    checkpoints.wait()
    held = checkpoints._local._lock
    held.acquire()
    with pytest.raises(JobCancelledError):
        finish(host=colab, progress=_Impatient(held.release))
    checkpoints.close()
    assert colab.calls == []
