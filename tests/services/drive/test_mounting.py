from __future__ import annotations

import os
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import (
    HostError,
    JobCancelledError,
    MountFailedError,
    OutsideRootError,
    PathError,
    StorageError,
)
from colabpanel.services.drive import (
    find_drive,
    inspect_drive_folder,
    mount_drive,
    mounting,
    unmount_drive,
    use_drive_folder,
)
from colabpanel.services.drive.diagnosis import diagnose, log_sizes
from tests.fakes import FakeHost, RecordingProgress


def test_mounting_gives_the_users_own_folder(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    drive = mount_drive(host=host)
    assert drive.root == tmp_path / "drive" / "MyDrive"
    assert drive.mountpoint == tmp_path / "drive"
    assert host.mounted == [tmp_path / "drive"]
    unmount_drive(host=host)
    assert host.unmounted == 1


def test_the_hosts_refusal_is_passed_on(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    host.refusal = HostError("Drive did not mount.", hint="Again.")
    with pytest.raises(HostError, match="did not mount"):
        mount_drive(host=host)
    with pytest.raises(HostError, match="did not mount"):
        unmount_drive(host=host)


def test_a_host_that_cannot_mount_says_so(host: FakeHost) -> None:
    with pytest.raises(HostError, match="cannot mount") as caught:
        mount_drive(host=host)
    assert "serves as Drive" in caught.value.hint


def test_a_mount_without_the_own_folder_is_a_failure(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    host.mount_drive = lambda mountpoint, **_: mountpoint.mkdir()  # type: ignore[method-assign]
    with pytest.raises(StorageError, match="your own folder is not in it"):
        mount_drive(host=host)


def test_a_mountpoint_outside_of_the_root_is_refused(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, root=tmp_path / "root")
    with pytest.raises(OutsideRootError):
        mount_drive(tmp_path / "elsewhere", host=host)
    assert not host.mounted


def test_waiting_for_the_main_thread_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    waiting: Future[None] = Future()
    monkeypatch.setattr(host, "on_main_thread", lambda function: waiting)
    with pytest.raises(JobCancelledError):
        mount_drive(host=host, progress=_CancelSoon())
    assert waiting.cancelled()


def _colab(tmp_path: Path) -> tuple[FakeHost, Path]:
    host, mounts = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive"), tmp_path / "mounts"
    host.drive_logs = tmp_path / "logs"
    host.drive_logs.mkdir()
    mounts.write_text("")
    return host, mounts


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounting, "_BETWEEN_TRIES", 0.0)


@pytest.mark.usefixtures("_no_pause")
def test_the_race_is_tried_a_second_time(tmp_path: Path) -> None:
    host, mounts = _colab(tmp_path)
    host.refusals = [MountFailedError("Drive did not mount: mount failed.")]
    progress = RecordingProgress()
    assert mount_drive(host=host, mounts=mounts, progress=progress).root == tmp_path / "drive/MyDrive"
    assert "Drive gave up; it often works the second time" in [words for _, words in progress.phases]


@pytest.mark.usefixtures("_no_pause")
def test_a_second_failure_is_told(tmp_path: Path) -> None:
    host, mounts = _colab(tmp_path)
    host.refusals = [MountFailedError("Drive did not mount: mount failed.", hint="Restart.")] * 2
    with pytest.raises(HostError, match=r"mount failed\. It was tried twice\.") as caught:
        mount_drive(host=host, mounts=mounts)
    assert caught.value.hint == "Restart."


def _mount_that_fails(host: FakeHost, written: list[str]) -> None:
    """Let the host fail once for each text, which its program writes down before; then it mounts."""
    mounts = host.mount_drive

    def mount(mountpoint: Path, **options: Any) -> None:
        if not written:
            mounts(mountpoint, **options)
            return
        assert host.drive_logs is not None
        with (host.drive_logs / "drive_fs.txt").open("a") as log:
            log.write(written.pop(0))
        raise MountFailedError("Drive did not mount: mount failed.")

    host.mount_drive = mount  # type: ignore[method-assign]


@pytest.mark.usefixtures("_no_pause")
def test_what_was_written_down_before_is_no_reason(tmp_path: Path) -> None:
    host, mounts = _colab(tmp_path)
    assert host.drive_logs is not None
    (host.drive_logs / "drive_fs.txt").write_text("an hour ago: storageQuotaExceeded\n")
    _mount_that_fails(host, ["started\n"])
    assert mount_drive(host=host, mounts=mounts).root == tmp_path / "drive/MyDrive"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("E0101 QueryManager timed out", "took too long to list"),
        ("reason: storageQuotaExceeded", "The Drive is full"),
        ("403 userRateLimitExceeded", "no more requests"),
        ("The domain policy has disabled Drive File Stream", "administrator"),
        ("oauth2: invalid_grant", "did not accept the account"),
        ("write: No space left on device", "disk of the runtime is full"),
    ],
)
def test_what_drives_program_wrote_down_is_said_in_words(tmp_path: Path, log: str, words: str) -> None:
    host, mounts = _colab(tmp_path)
    assert host.drive_logs is not None
    _mount_that_fails(host, ["x" * 300_000 + log])
    with pytest.raises(HostError, match=words) as caught:
        mount_drive(host=host, mounts=mounts)
    assert caught.value.hint
    assert not host.mounted


def test_a_log_of_another_time_says_nothing(tmp_path: Path) -> None:
    log = tmp_path / "drive_fs.txt"
    log.write_text("QueryManager timed out, " * 2)
    assert diagnose(tmp_path, after=log_sizes(tmp_path)) is None
    before = log_sizes(tmp_path)
    log.write_text("a new one: invalid_grant")
    found = diagnose(tmp_path, after=before)
    assert found is not None
    assert "did not accept the account" in found.sentence
    assert log_sizes(None) == {}
    assert diagnose(None, reason="mount failed: timeout during initial read of root folder") is not None


def test_what_cannot_be_a_mountpoint_is_said_before_anybody_is_asked(tmp_path: Path) -> None:
    host, mounts = _colab(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a").touch()
    (tmp_path / "link").symlink_to("full")
    wrong = {"full/a": "is a file", "full": "contains files", "link": "is a link", "no/where": "does not exist"}
    for path, words in {**wrong, "with space": "a space"}.items():
        with pytest.raises(PathError, match=words):
            mount_drive(tmp_path / path, host=host, mounts=mounts)
    assert not host.mounted


def test_a_drive_that_is_mounted_is_not_mounted_twice(tmp_path: Path) -> None:
    host, mounts = _colab(tmp_path)
    (tmp_path / "drive/MyDrive").mkdir(parents=True)
    mounts.write_text(f"drive {tmp_path / 'drive'} fuse.drive rw 0 0\n")
    assert mount_drive(host=host, mounts=mounts).root == tmp_path / "drive/MyDrive"
    assert (host.mounted, host.unmounted) == ([], 0)


def test_mounting_anew_writes_out_first_and_leaves_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, mounts = _colab(tmp_path)
    (tmp_path / "drive/MyDrive").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "drive/MyDrive")
    mounts.write_text(f"drive {tmp_path / 'drive'} fuse.drive rw 0 0\n")
    host.mount_drive = lambda mountpoint, **options: host.mounted.append(mountpoint)  # type: ignore[method-assign]
    mount_drive(force=True, host=host, mounts=mounts)
    assert (host.mounted, host.unmounted, Path.cwd()) == ([tmp_path / "drive"], 1, tmp_path)


def test_unmounting_leaves_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, _ = _colab(tmp_path)
    (tmp_path / "drive/MyDrive").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "drive/MyDrive")
    unmount_drive(host=host)
    assert (host.unmounted, Path.cwd()) == (1, tmp_path)


def test_it_is_told_when_drives_program_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, mounts = _colab(tmp_path)
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    monkeypatch.setattr(host, "on_main_thread", lambda function: future)

    def is_starting() -> bool:
        (tmp_path / "drive/MyDrive").mkdir(parents=True)
        future.set_result(None)
        return True

    monkeypatch.setattr(host, "drive_is_starting", is_starting)
    progress = RecordingProgress()
    mount_drive(host=host, mounts=mounts, progress=progress)
    assert [words for _, words in progress.phases][-1] == "Mounting Drive"


class _CancelSoon(RecordingProgress):
    """Lets the call begin, then cancels it."""

    def advance(self, amount: int = 1) -> None:
        if self.phases:
            self.looks = getattr(self, "looks", 0) + 1
            if self.looks > 1:
                raise JobCancelledError


def test_a_timeout_inside_the_mount_is_not_taken_for_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    failed: Future[None] = Future()
    failed.set_exception(TimeoutError("slow"))
    monkeypatch.setattr(host, "on_main_thread", lambda function: failed)
    with pytest.raises(TimeoutError, match="slow"):
        mount_drive(host=host)


def test_a_folder_that_serves_as_drive_is_remembered(host: FakeHost, tmp_path: Path) -> None:
    assert find_drive(host=host) is None
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    assert use_drive_folder(folder, host=host).root == folder
    again = find_drive(host=host)
    assert again is not None
    assert (again.root, again.mountpoint) == (folder, None)
    host.root = host.workspace
    assert find_drive(host=host) is None
    host.root = None
    folder.rmdir()
    with pytest.raises(PathError, match="does not exist"):
        find_drive(host=host)


def test_a_mounted_drive_is_found_in_the_list_of_mounts(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    mounts = tmp_path / "mounts"
    assert find_drive(host=host, mounts=mounts) is None
    mounts.write_text(f"drive {tmp_path / 'drive'} fuse.drive rw 0 0\n")
    (tmp_path / "drive" / "My Drive").mkdir(parents=True)
    found = find_drive(host=host, mounts=mounts)
    assert found is not None
    assert found.root == tmp_path / "drive" / "My Drive"
    mounts.write_text("proc /proc proc rw 0 0\n")
    assert find_drive(host=host, mounts=mounts) is None


def test_what_cannot_serve_as_drive_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PathError, match="is not a folder"):
        inspect_drive_folder(tmp_path / "file")
    with pytest.raises(OutsideRootError):
        inspect_drive_folder("..", root=tmp_path)
