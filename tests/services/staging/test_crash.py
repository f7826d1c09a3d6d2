"""Losing the process, the permission or the disk at the worst moment."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from colabpanel import plan, stage
from colabpanel.errors import PathError, StorageError
from colabpanel.jobs import Job
from colabpanel.services.staging.engine import stage_here
from colabpanel.services.staging.partial import Partial
from colabpanel.services.staging.planning import plan_here
from colabpanel.services.staging.publish import publish
from colabpanel.services.staging.request import Request
from colabpanel.services.staging.service import discard
from tests.archives import TREE, add_file, make_zip, tree_of
from tests.fakes import RecordingProgress

FILES = {f"d{number % 7}/{number}.bin": bytes([number % 256]) * 2000 for number in range(3000)}


def _start(source: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "colabpanel", "stage", str(source), str(out), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _kill_all(process: subprocess.Popen[bytes]) -> None:
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(family, timeout=10)


def _unpacked(partial: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(partial / "files"))


def _caught_midway(source: Path, out: Path, when: int) -> subprocess.Popen[bytes]:
    """Start stagings until one is seen with so many files there; the others were quicker than this process counts."""
    while True:
        process = _start(source, out)
        while process.poll() is None:
            if _unpacked(out.with_name("out.partial")) >= when:
                return process
        process.communicate()
        assert process.returncode == 0
        shutil.rmtree(out)


def _killed_midway(source: Path, out: Path, when: int) -> bool:
    """Kill a staging once so many files are there; False where it ended before."""
    _kill_all(_caught_midway(source, out, when))
    return not out.exists()


@pytest.mark.parametrize("when", [1, 900, 2500])
def test_kill_9_midway_then_again_finishes_right(tmp_path: Path, when: int) -> None:
    source, out = make_zip(tmp_path / "a.zip", FILES), tmp_path / "out"
    while not _killed_midway(source, out, when):  # it was quicker than this process could count
        shutil.rmtree(out)
    assert not out.exists()
    assert plan(source, out).resumable
    staged = stage(source, out)
    assert (staged.status, staged.files) == ("ok", len(FILES))
    assert tree_of(out) == FILES
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "out"]


def test_killing_the_kernel_alone_leaves_no_orphan_at_work(tmp_path: Path) -> None:
    source, out = make_zip(tmp_path / "a.zip", FILES), tmp_path / "out"
    process = _caught_midway(source, out, 10)
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert stage(source, out).status == "ok"
    assert tree_of(out) == FILES


class _Interrupted(BaseException):
    """Stands for a kill: nothing of ours catches it."""


class _KillAt(RecordingProgress):
    def __init__(self, moves: int) -> None:
        super().__init__()
        self.moves = moves

    def advance(self, amount: int = 1) -> None:
        if not self.cancellable and amount:
            self.moves -= 1
            if self.moves < 0:
                raise _Interrupted


@pytest.mark.parametrize("moves", [0, 1, 3, 4])
def test_a_kill_while_files_are_moved_is_finished_later(tmp_path: Path, moves: int) -> None:
    source, out = make_zip(tmp_path / "a.zip"), tmp_path / "out"
    (out / "data").mkdir(parents=True)
    (out / "own.txt").write_bytes(b"own")
    (out / "data" / "a.txt").write_bytes(b"old")
    request = Request(source=str(source), directory=str(out)).to_json()
    with pytest.raises(_Interrupted):
        stage_here(request, _KillAt(moves))
    assert all(path.read_bytes() in {b"own", b"old", *TREE.values()} for path in out.rglob("*") if path.is_file())
    staged = stage(source, out)
    assert (staged.status, staged.files) == ("ok", 4)
    assert tree_of(out) == {**TREE, "own.txt": b"own"}
    assert not (tmp_path / "out.partial").exists()


def test_a_finished_tree_is_moved_however_often_it_takes(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "out", None)
    partial.open(["id"], resume=True)
    (partial.files / "x").write_bytes(b"x")
    partial.begin_publishing()
    partial.close()
    again = Partial(tmp_path / "out", None)
    again.open(["id"], resume=True)
    publish(again, tmp_path / "out", "changed", RecordingProgress())
    again.close()
    assert tree_of(tmp_path / "out") == {"x": b"x"}
    publish(again, tmp_path / "out", "changed", RecordingProgress())
    assert tree_of(tmp_path / "out") == {"x": b"x"}


def test_a_journal_line_cut_short_costs_one_batch(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "out", None)
    partial.open(["id"], resume=True)
    partial.note(1, 10)
    partial.flush()
    partial.close()
    journal = partial.folder / "journal.jsonl"
    with journal.open("ab") as stream:
        stream.write(b'\n{"done": [[2, 2')
    again = Partial(tmp_path / "out", None)
    again.open(["id"], resume=True)
    assert again.done == {1: 10}
    again.note(3, 30)
    again.flush()
    again.close()
    third = Partial(tmp_path / "out", None)
    third.open(["id"], resume=True)
    assert third.done == {1: 10, 3: 30}
    third.close()


@pytest.mark.parametrize("nonsense", [b"", b'{"version": 99}\n', b"5", b"[]", b"null", b"\xff\xfe"])
def test_a_journal_of_nonsense_is_begun_afresh(tmp_path: Path, nonsense: bytes) -> None:
    folder = tmp_path / "out.partial"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "stray").touch()
    (folder / "lock").touch()
    (folder / "journal.jsonl").write_bytes(nonsense)
    assert stage(make_zip(tmp_path / "a.zip"), tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == TREE


def test_a_partial_that_was_half_removed_is_known_for_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = make_zip(tmp_path / "a.zip"), tmp_path / "out"
    request = Request(source=str(source), directory=str(out)).to_json()
    removed: list[str] = []
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "out.partial" and path.name != ".colabpanel-Case":
            removed.append(path.name)
            if len(removed) == stop:
                raise _Interrupted
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    for stop in (1, 2, 3, 4, 5):  # noqa: B007 - read by unlink above
        removed.clear()
        with contextlib.suppress(_Interrupted):
            stage_here(request, RecordingProgress())
        assert tree_of(out) == TREE
    assert removed[-1] == "lock"
    monkeypatch.undo()
    assert stage(source, out).status == "ok"
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "out"]


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_partial_that_is_not_ours_is_left_alone(tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "files").mkdir(parents=True)
    (elsewhere / "files" / "thesis.txt").write_text("years of work")
    stranger = tmp_path / "out.partial"
    if kind == "folder":
        elsewhere.rename(stranger)
    elif kind == "file":
        stranger.touch()
    else:
        stranger.symlink_to(elsewhere)
    before = tree_of(tmp_path)
    source = make_zip(tmp_path / "a.zip")
    with pytest.raises(PathError, match="is in the way"):
        stage(source, tmp_path / "out")
    with pytest.raises(PathError, match="is in the way"):
        discard(tmp_path / "out")
    source.unlink()
    assert tree_of(tmp_path) == before


def test_cancelling_while_files_are_moved_finishes_instead(tmp_path: Path) -> None:
    source, out = make_zip(tmp_path / "a.zip"), tmp_path / "out"
    out.mkdir()
    job: Job[Any] = Job("stage")

    class CancelWhenMoving(RecordingProgress):
        def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
            job.start(total, description, unit=unit, cancellable=cancellable)
            if not cancellable:
                job.cancel()

        def advance(self, amount: int = 1) -> None:
            job.advance(amount)

    stage_here(Request(source=str(source), directory=str(out)).to_json(), CancelWhenMoving())
    assert tree_of(out) == TREE


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_midway_keeps_what_is_done(tmp_path: Path, small_disk: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for number in range(30):
            add_file(archive, f"{number}.bin", os.urandom(100_000))
    out = small_disk / "out"
    with pytest.raises(StorageError, match="disk is full") as caught:
        stage(tmp_path / "a.tar.gz", out)
    assert "goes on where it stopped" in caught.value.hint
    assert not out.exists()
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert stage(tmp_path / "a.tar.gz", out).status == "ok"
    assert len(tree_of(out)) == 30


def _as_nobody(request: dict[str, Any]) -> dict[str, str]:
    """Stage in a forked process of another user, for root may do anything."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setuid(65534)
        answer = {"message": "staged", "status": "ok"}
        try:
            stage_here(request, RecordingProgress())
        except BaseException as error:
            answer = {"message": str(error), "status": getattr(error, "status", ""), "hint": getattr(error, "hint", "")}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as stream:
        told: dict[str, str] = json.load(stream)
    os.waitpid(child, 0)
    return told


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="changes to another user")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    ("mode", "folder_mode", "words"),
    [(0o600, 0o777, "You may not read"), (0o644, 0o755, "You may not write"), (0o644, 0o000, "You may not read")],
)
def test_without_permission_it_is_said(mode: int, folder_mode: int, words: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        base = Path(name)
        source = make_zip(base / "a.zip")
        source.chmod(mode)
        request = Request(source=str(source), directory=str(base / "out")).to_json()
        plan_here(request, RecordingProgress())  # loads what the other user may not be able to load
        base.chmod(folder_mode)
        answer = _as_nobody(request)
        assert words in answer["message"]
        assert answer["status"] == "rejected"
        assert answer["hint"]
        assert os.listdir(base) == ["a.zip"]


def test_a_target_that_turns_unwritable_is_told_from_a_bad_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_zip(tmp_path / "a.zip")
    real = os.write
    code = errno.EROFS

    def write(handle: int, data: bytes) -> int:
        if bytes(data[:5]) == b"alpha":
            raise OSError(code, os.strerror(code))
        return real(handle, data)

    monkeypatch.setattr(os, "write", write)
    request = Request(source=str(source), directory=str(tmp_path / "out")).to_json()
    with pytest.raises(PathError, match="Read-only"):
        stage_here(request, RecordingProgress())
    code = errno.EIO
    with pytest.raises(StorageError, match="Input/output"):
        stage_here(request, RecordingProgress())
    code = errno.ENAMETOOLONG
    staged = stage_here(request, RecordingProgress())
    assert staged["skipped"] == [("data/a.txt", "it cannot be written: File name too long")]


def test_a_folder_of_the_target_on_another_disk_is_filled_by_copying(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "data").mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", out / "data"], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        (out / "data" / "a.txt").write_bytes(b"old")
        staged = stage(make_zip(tmp_path / "a.zip", {"data/a.txt": b"new", "data/b.txt": b"b"}), out)
        assert (staged.status, tree_of(out)) == ("ok", {"data/a.txt": b"new", "data/b.txt": b"b"})
    finally:
        subprocess.run(["umount", out / "data"], check=True)


def test_a_target_keeps_its_permissions(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o700)
    stage(make_zip(tmp_path / "a.zip"), out)
    assert out.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("source", ["fifo", "/dev/zero", "."])
def test_a_source_that_is_no_regular_file_is_refused_at_once(tmp_path: Path, source: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(PathError, match="not an archive"):
        stage(tmp_path / source, tmp_path / "out")
