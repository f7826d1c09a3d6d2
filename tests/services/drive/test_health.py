"""How a Drive does: with a FUSE mount as its stand-in, killed, frozen and failing."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import HostError, JobCancelledError, OutsideRootError
from colabpanel.services import saves
from colabpanel.services.drive import mount_drive, mounting
from colabpanel.services.drive.health import DriveHealth, drive_health
from colabpanel.services.drive.repairing import repair_drive
from tests.fakes import FakeHost, RecordingProgress
from tests.faulty_fs import Faulty, Rules, faulty, why_not


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Faulty]:
    if reason := why_not():
        pytest.skip(reason)
    (tmp_path / "real/MyDrive").mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        try:
            mounted = stack.enter_context(faulty(tmp_path / "real", tmp_path / "drive"))
        except OSError as error:
            pytest.skip(f"FUSE cannot be mounted here: {error}")
        yield mounted


@pytest.fixture
def colab(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a Drive a second to answer, while what is done about it may take as long as ever."""

    def quick_health(*path: Path, **options: Any) -> DriveHealth:
        return drive_health(*path, **{**options, "deadline": 1})

    monkeypatch.setattr(mounting, "drive_health", quick_health)


def test_a_drive_that_is_well(disk: Faulty, colab: FakeHost) -> None:
    found = drive_health(host=colab)
    assert (found.state, found.path, found.is_sick) == ("ok", disk.mount, False)
    assert found.kind.startswith("fuse")
    assert found.seconds is not None


def test_a_drive_whose_program_was_killed(disk: Faulty, colab: FakeHost) -> None:
    disk.kill()
    found = drive_health(host=colab)
    assert (found.state, found.is_sick) == ("disconnected", True)
    assert f"errno {errno.ENOTCONN}" in found.sentence
    assert "Repair" in found.hint


def test_a_drive_that_cannot_be_listed(disk: Faulty, colab: FakeHost) -> None:
    disk.obey(Rules(list_fail="EIO"))
    found = drive_health(host=colab)
    assert (found.state, found.is_sick) == ("errors", True)
    assert "errno 5" in found.sentence
    assert "very many files" in found.hint


def test_a_drive_that_hangs(disk: Faulty, colab: FakeHost) -> None:
    disk.freeze()
    found = drive_health(host=colab, deadline=0.5)
    assert (found.state, found.seconds, found.is_sick) == ("hangs", None, True)
    assert "did not answer within 0.5 seconds" in found.sentence


def test_a_drive_that_is_not_there(colab: FakeHost, tmp_path: Path) -> None:
    assert drive_health(host=colab).state == "not mounted"
    (tmp_path / "drive").mkdir()
    assert drive_health(host=colab).state == "not mounted"
    (tmp_path / "drive/MyDrive").mkdir()
    found = drive_health(host=colab)
    assert (found.state, found.is_sick) == ("look-alike", False)
    assert "this machine's own disk" in found.hint


def test_below_the_mountpoint_the_mount_counts(disk: Faulty, colab: FakeHost) -> None:
    assert drive_health(disk.mount / "MyDrive", host=colab).kind.startswith("fuse")
    disk.freeze()
    found = drive_health(disk.mount / "MyDrive", host=colab, deadline=0.5)
    assert (found.state, found.is_sick) == ("hangs", True)
    assert "Repair" in found.hint


def test_a_folder_in_place_of_one_on_drive(colab: FakeHost, tmp_path: Path) -> None:
    (tmp_path / "drive/MyDrive/run").mkdir(parents=True)
    assert drive_health(tmp_path / "drive/MyDrive", host=colab).state == "look-alike"
    assert drive_health(tmp_path / "drive/none", host=colab).state == "not mounted"


def test_folders_elsewhere(host: FakeHost, tmp_path: Path) -> None:
    assert drive_health(host=host).state == "not mounted"
    assert drive_health(tmp_path, host=host).state == "ok"
    assert drive_health(tmp_path / "none", host=host).state == "absent"
    (tmp_path / "file").touch()
    assert drive_health(tmp_path / "file", host=host).state == "ok"
    host.root = tmp_path / "work"
    with pytest.raises(OutsideRootError):
        drive_health(tmp_path, host=host)


def _mount(host: FakeHost, mounts: Path) -> None:
    assert host.drive_mountpoint is not None
    (host.drive_mountpoint / "MyDrive").mkdir(parents=True)
    mounts.write_text(f"drive {host.drive_mountpoint} fuse.drive rw 0 0\n")


def test_a_repair_writes_out_mounts_anew_and_tells(
    colab: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _mount(colab, tmp_path / "mounts")
    monkeypatch.chdir(tmp_path / "drive/MyDrive")
    forced: list[bool] = []
    colab.mount_drive = lambda _, *, force, **__: forced.append(force)  # type: ignore[method-assign]
    repaired = repair_drive(host=colab, mounts=tmp_path / "mounts")
    assert (colab.unmounted, forced, repaired.unsure, Path.cwd()) == (1, [False], (), tmp_path)
    assert repaired.steps[1:] == ("What was pending was written out.", f"Drive is mounted at {tmp_path / 'drive'}.")


def test_a_repair_tells_what_may_not_have_arrived(
    colab: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saves, "_newest", {})
    _mount(colab, tmp_path / "mounts")
    saves.note_save(tmp_path / "drive/MyDrive/model.keras")
    saves.note_save(tmp_path / "here.keras")
    forced: list[bool] = []
    colab.mount_drive = lambda _, *, force, **__: forced.append(force)  # type: ignore[method-assign]
    colab.refusal = HostError("Drive could not write out everything.")
    repaired = repair_drive(host=colab, mounts=tmp_path / "mounts")
    assert forced == [True]
    assert repaired.unsure == (tmp_path / "drive/MyDrive/model.keras",)
    assert repaired.steps[0].endswith("Drive could not write out everything.")
    assert "model.keras was saved just now; whether all of it has reached Drive cannot be told" in repaired.steps[-1]


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("break_it", [Faulty.freeze, Faulty.kill])
def test_a_drive_that_does_not_answer_is_detached_before_anybody_looks_into_it(
    disk: Faulty, colab: FakeHost, break_it: Callable[[Faulty], None]
) -> None:
    break_it(disk)
    seen: list[bool] = []

    def mount(mountpoint: Path, *, force: bool = False, **_: Any) -> None:  # looks first, as Google's own does
        seen.extend((force, (mountpoint / "My Drive").is_dir()))
        (mountpoint / "MyDrive").mkdir(parents=True)

    colab.mount_drive = mount  # type: ignore[method-assign]
    repaired = repair_drive(host=colab)
    assert seen == [True, False]
    assert "It did not answer, and was detached." in repaired.steps
    assert repaired.drive.root == disk.mount / "MyDrive"


@pytest.mark.usefixtures("_impatient")
def test_mounting_anew_detaches_it_too(disk: Faulty, colab: FakeHost) -> None:
    disk.freeze()
    colab.mount_drive = lambda mountpoint, **_: (mountpoint / "MyDrive").mkdir()  # type: ignore[method-assign]
    assert mount_drive(force=True, host=colab).root == disk.mount / "MyDrive"


def test_where_it_cannot_be_detached_nothing_is_mounted(
    disk: Faulty, colab: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.kill()
    with monkeypatch.context() as without:
        without.setenv("PATH", "")
        with pytest.raises(HostError, match="cannot be detached") as caught:
            repair_drive(host=colab)
    assert "Restart the runtime" in caught.value.hint
    assert colab.mounted == []


def test_a_repair_that_fails_tells_what_may_be_lost(
    colab: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saves, "_newest", {})
    _mount(colab, tmp_path / "mounts")
    saves.note_save(tmp_path / "drive/MyDrive/model.keras")
    colab.refusal = HostError("No.", hint="Wait.")
    with pytest.raises(HostError, match="No") as caught:
        repair_drive(host=colab, mounts=tmp_path / "mounts")
    assert caught.value.hint.startswith("Wait. model.keras was saved just now; whether all of it has reached Drive")


def test_a_repair_can_be_cancelled(colab: FakeHost, tmp_path: Path) -> None:
    _mount(colab, tmp_path / "mounts")
    with pytest.raises(JobCancelledError):
        repair_drive(host=colab, mounts=tmp_path / "mounts", progress=RecordingProgress(cancel_after=0))


def test_only_colab_can_be_repaired(host: FakeHost) -> None:
    with pytest.raises(HostError, match="mounts no Drive"):
        repair_drive(host=host)
