"""Whether files have reached Drive, told by the attribute that its program sets; a FUSE mount is its stand-in."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colabpanel.cli import main
from colabpanel.errors import JobCancelledError, OutsideRootError, PathError, StorageError
from colabpanel.services.drive import safety
from colabpanel.services.drive.safety import drive_safety, safety_summary, wait_until_safe
from colabpanel.services.saves import SafeSave
from colabpanel.services.session import safety as session_safety
from tests.fakes import FakeHost, RecordingProgress
from tests.faulty_fs import Faulty, Rules, faulty, why_not

NAME = "user.drive.uncommitted"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Faulty]:
    if reason := why_not():
        pytest.skip(reason)
    (tmp_path / "real").mkdir()
    with contextlib.ExitStack() as stack:
        try:
            mounted = stack.enter_context(faulty(tmp_path / "real", tmp_path / "drive"))
        except OSError as error:
            pytest.skip(f"FUSE cannot be mounted here: {error}")
        yield mounted


def _write(path: Path, told: bytes | None, size: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    if told is not None:
        try:
            os.setxattr(path, NAME, told)
        except OSError as error:
            pytest.skip(f"no attributes on this disk: {error}")
    return path


def test_each_file_is_told_where_it_is(disk: Faulty, host: FakeHost) -> None:
    drive = disk.mount
    for name, told in {"safe": b"0", "a/way": b"1\0", "odd": b"?", "silent": None}.items():
        _write(drive / name, told)
    (drive.parent / "real/link").symlink_to("safe")
    found = drive_safety(drive, host=host)
    assert {file.path.name: file.where for file in found.files} == {
        "safe": "safe",
        "way": "on its way",
        "odd": "unknown",
        "silent": "unknown",
    }
    assert (found.status, len(found.skipped), found.count("safe"), found.size("on its way")) == ("partial", 1, 1, 3)
    words = safety_summary(found)
    assert words.startswith("1 file, 3 bytes, on the way to Drive; 2 files, 6 bytes, where Drive does not tell; ")
    assert words.endswith("1 entry could not be looked at.")
    assert drive_safety([drive / "safe"], host=host).status == "ok"
    assert safety_summary(drive_safety(str(drive / "safe"), host=host)) == "1 file, 3 bytes: all of it is on Drive."


def test_a_copy_on_this_machine_is_not_safe_though_it_says_so(disk: Faulty, host: FakeHost, tmp_path: Path) -> None:
    copied = shutil.copy2(_write(disk.mount / "model", b"0"), tmp_path / "model")
    assert os.getxattr(copied, NAME) == b"0"
    found = drive_safety([disk.mount / "model", copied], host=host)
    assert [file.where for file in found.files] == ["safe", "here"]
    assert "1 file, 3 bytes, on this machine only" in safety_summary(found)


def test_a_drive_that_hangs_or_fails_is_told_of(disk: Faulty, host: FakeHost) -> None:
    (disk.mount / "run").mkdir()
    disk.obey(Rules(list_fail="EIO"))
    with pytest.raises(StorageError, match="The disk failed"):
        drive_safety(disk.mount / "run", host=host)
    disk.obey(Rules())
    disk.freeze()
    with pytest.raises(StorageError, match=r"No answer within 0\.5 seconds"):
        drive_safety(disk.mount / "run", host=host, deadline=0.5)


def test_what_cannot_be_looked_at(host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PathError, match="nothing to look at"):
        drive_safety([], host=host)
    with pytest.raises(PathError, match="does not exist"):
        drive_safety(tmp_path / "none", host=host)
    host.root = tmp_path / "work"
    with pytest.raises(OutsideRootError):
        drive_safety(tmp_path, host=host)


def test_a_file_of_a_drive_that_does_not_tell_is_not_called_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "a", None)
    monkeypatch.setattr(safety, "is_remote", lambda _: True)
    monkeypatch.delattr(os, "getxattr", raising=False)
    found = safety.look_here([str(tmp_path / "a")], None, RecordingProgress())
    assert found["files"] == [(str(tmp_path / "a"), 3, "unknown")]
    monkeypatch.setattr(safety, "_MOST_FILES", 0)
    assert safety.look_here([str(tmp_path / "a")], None, RecordingProgress())["complete"] is False


def test_waiting_ends_when_all_has_arrived(disk: Faulty, host: FakeHost) -> None:
    path = _write(disk.mount / "model", b"1", 100)

    class Arriving(RecordingProgress):
        def start(self, *phase: Any, **options: Any) -> None:  # it was seen on its way: now it arrives
            super().start(*phase, **options)
            os.setxattr(path, NAME, b"0")

    progress = Arriving()
    found = wait_until_safe(path, host=host, progress=progress)
    assert (found.status, progress.done) == ("ok", 100)


def test_waiting_has_an_end_and_can_be_cancelled(disk: Faulty, host: FakeHost) -> None:
    path = _write(disk.mount / "model", b"1")
    assert wait_until_safe(path, timeout=0.1, host=host).status == "partial"
    with pytest.raises(JobCancelledError):
        wait_until_safe(path, host=host, progress=RecordingProgress(cancel_after=0))


def test_a_session_is_not_safe_while_a_save_is_on_its_way(disk: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    newest, path = _write(disk.mount / "late/new.zip", b"0"), _write(disk.mount / "run.zip", b"1")
    known = [SafeSave(newest, 2.0), SafeSave(path, 1.0), SafeSave(disk.mount.parent / "here.zip", 0.0)]
    monkeypatch.setattr(session_safety, "saves", lambda: known)
    found = session_safety._newest_save(None)
    assert (found.state, found.sentence) == ("risk", "run.zip is written, but not all of it has reached Drive yet.")
    os.setxattr(path, NAME, b"0")
    assert session_safety._newest_save(None).state == "safe"
    path.unlink()
    assert session_safety._newest_save(None).state == "safe"


def test_a_session_is_not_called_safe_while_drive_does_not_answer(
    disk: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(disk.mount / "run/model.keras", b"0")
    monkeypatch.setattr(session_safety, "saves", lambda: [SafeSave(path, 0.0)])
    disk.kill()
    found = session_safety._newest_save(None)
    assert found.state == "risk"
    assert "Whether model.keras has reached Drive cannot be told" in found.sentence
    assert "repair it" in found.hint


def test_the_command_line_tells_it(disk: Faulty, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(disk.mount / "model", b"1")
    assert main(["drive", "safe", str(path), "--wait", "0", "--json"]) == 3
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["status"], answer["files"], answer["where"]) == ("partial", 1, {"on its way": 1})
    os.setxattr(path, NAME, b"0")
    assert main(["drive", "safe", str(path)]) == 0
    assert main(["drive", "health", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["state"], answer["path"]) == ("ok", str(tmp_path))
    assert main(["drive", "health", str(tmp_path / "none")]) == 1
