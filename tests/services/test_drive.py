from __future__ import annotations

import os
from concurrent.futures import Future
from pathlib import Path

import pytest

from colabpanel.errors import HostError, JobCancelledError, OutsideRootError, PathError, StorageError
from colabpanel.services.drive import find_drive, inspect_drive_folder, mount_drive, unmount_drive, use_drive_folder
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
