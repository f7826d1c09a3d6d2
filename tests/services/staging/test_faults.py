"""Staging from and to disks that fail, hang, vanish or fill up, on a file system made to do so."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from colabpanel import stage
from colabpanel.errors import ColabPanelError, JobCancelledError, PathError, SourceLostError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.staging.models import StagedData
from tests.archives import TREE, add_file, make_tar, make_zip, tree_of
from tests.faulty_fs import Faulty, Rules, faulty, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "FUSE works")

MB = 1 << 20
FILES = {f"d{number % 3}/{number:02}.bin": random.Random(number).randbytes(600_000) for number in range(60)}
PATIENCE = 90.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Faulty]:
    """Return a faulty view of a folder that holds ``a.zip`` and ``a.tar``."""
    real = tmp_path / "real"
    real.mkdir()
    make_zip(real / "a.zip", FILES, method=zipfile.ZIP_STORED)
    make_tar(real / "a.tar", FILES)
    with contextlib.ExitStack() as stack:
        try:
            mounted = stack.enter_context(faulty(real, tmp_path / "mount"))
        except OSError as error:
            pytest.skip(f"FUSE cannot be mounted here: {error}")
        yield mounted


def _span(source: Path, name: str) -> tuple[int, int]:
    """Return where the middle of a stored member lies in an archive."""
    start = source.read_bytes().index(FILES[name])
    return start + 100_000, start + 101_000


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_one_failed_read_in_a_hundred_is_survived(disk: Faulty, tmp_path: Path, name: str) -> None:
    disk.obey(Rules(eio_share=0.01))
    staged = stage(disk.mount / name, tmp_path / "out")
    assert (staged.status, staged.skipped) == ("ok", ())
    assert tree_of(tmp_path / "out") == FILES


def test_many_failed_reads_are_survived(disk: Faulty, tmp_path: Path) -> None:
    disk.obey(Rules(eio_share=0.1, seed=3))
    assert stage(disk.mount / "a.zip", tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == FILES


def test_a_slow_source_changes_nothing(disk: Faulty, tmp_path: Path) -> None:
    disk.obey(Rules(latency=0.005, bandwidth=40 * MB))
    assert stage(disk.mount / "a.zip", tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == FILES


@pytest.mark.parametrize("code", ["EIO", "ESTALE", "ETIMEDOUT"])
def test_a_range_that_cannot_be_read_costs_its_members_alone(disk: Faulty, tmp_path: Path, code: str) -> None:
    for name in ("d1/07.bin", "d1/19.bin"):
        disk.obey(Rules(fail=code, fail_range=_span(tmp_path / "real" / "a.zip", name)))
        out = tmp_path / name[3:5]
        staged = stage(disk.mount / "a.zip", out)
        assert staged.status == "partial"
        assert {member for member, _ in staged.skipped} == {name}
        assert tree_of(out) == {other: FILES[other] for other in FILES if other != name}


def test_a_range_that_cannot_be_read_is_told_and_later_finished(disk: Faulty, tmp_path: Path) -> None:
    disk.obey(Rules(fail="EIO", fail_range=_span(tmp_path / "real" / "a.zip", "d1/07.bin")))
    try:
        staged = stage(disk.mount / "a.zip", tmp_path / "out")
        assert staged.status == "partial"
    except SourceLostError as error:
        assert error.hint  # noqa: PT017 - either outcome is right
        assert not (tmp_path / "out").exists()
    disk.obey(Rules())
    assert stage(disk.mount / "a.zip", tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == FILES


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_a_source_that_goes_away_is_told_and_staging_goes_on_later(disk: Faulty, tmp_path: Path, name: str) -> None:
    middle = (tmp_path / "real" / name).stat().st_size // 2
    disk.obey(Rules(fail="ENOTCONN", fail_range=(middle, middle + MB)))
    with pytest.raises(SourceLostError) as caught:
        stage(disk.mount / name, tmp_path / "out")
    assert caught.value.hint
    assert not (tmp_path / "out").exists()
    disk.obey(Rules())
    assert stage(disk.mount / name, tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == FILES
    assert not (tmp_path / "out.partial").exists()


def test_a_server_that_was_killed_is_told(disk: Faulty, tmp_path: Path) -> None:
    disk.kill()
    with pytest.raises(ColabPanelError) as caught:
        stage(disk.mount / "a.zip", tmp_path / "out")
    assert caught.value.hint
    assert not (tmp_path / "out").exists()


class _Cancellable(Progress):
    """Is told that bytes came, and cancels when it is asked to."""

    def __init__(self) -> None:
        self.began, self.cancel = threading.Event(), threading.Event()

    def advance(self, amount: int = 1) -> None:
        if amount:
            self.began.set()
        if self.cancel.is_set():
            raise JobCancelledError


class _Staging(threading.Thread):
    """A staging on a thread of its own, and how it ended."""

    def __init__(self, source: Path, out: Path) -> None:
        super().__init__(daemon=True)
        self.progress, self._paths = _Cancellable(), (source, out)
        self.error: BaseException | None = None
        self.staged: StagedData | None = None

    def run(self) -> None:
        try:
            self.staged = stage(*self._paths, progress=self.progress)
        except BaseException as error:
            self.error = error


@pytest.mark.parametrize("where", ["start", "middle"])
def test_a_hang_is_left_behind_when_it_is_cancelled(disk: Faulty, tmp_path: Path, where: str) -> None:
    middle = (tmp_path / "real" / "a.zip").stat().st_size // 2
    disk.obey(Rules(hang=True, hang_range=(0, 1 << 40) if where == "start" else (middle, middle + MB)))
    staging = _Staging(disk.mount / "a.zip", tmp_path / "out")
    staging.start()
    if where == "middle":
        assert staging.progress.began.wait(PATIENCE)
    began = time.monotonic()
    staging.progress.cancel.set()
    staging.join(10)
    assert not staging.is_alive(), "cancelling did not return within 10 seconds"
    assert time.monotonic() - began < 10
    assert isinstance(staging.error, JobCancelledError), repr(staging.error)
    assert not (tmp_path / "out").exists()
    # Meanwhile this process is free to do other things.
    assert stage(tmp_path / "real" / "a.zip", tmp_path / "other").status == "ok"
    disk.obey(Rules())
    assert stage(disk.mount / "a.zip", tmp_path / "later").status == "ok"


def test_a_hang_that_ends_is_only_slow(disk: Faulty, tmp_path: Path) -> None:
    middle = (tmp_path / "real" / "a.zip").stat().st_size // 2
    disk.obey(Rules(hang=True, hang_range=(middle, middle + MB)))
    staging = _Staging(disk.mount / "a.zip", tmp_path / "out")
    staging.start()
    assert staging.progress.began.wait(PATIENCE)
    disk.obey(Rules())
    staging.join(PATIENCE)
    assert staging.staged is not None, repr(staging.error)
    assert staging.staged.status == "ok"
    assert tree_of(tmp_path / "out") == FILES


@pytest.mark.parametrize("hides_removed", [False, True])
def test_a_target_on_a_mounted_disk_is_left_tidy(tmp_path: Path, hides_removed: bool) -> None:
    (tmp_path / "real").mkdir()
    source = make_zip(tmp_path / "a.zip")
    with faulty(tmp_path / "real", tmp_path / "mount", hides_removed=hides_removed):
        for _ in range(2):
            assert stage(source, tmp_path / "mount" / "out").status == "ok"
        assert tree_of(tmp_path / "mount" / "out") == TREE
    assert os.listdir(tmp_path / "real") == ["out"]


@pytest.mark.parametrize("code", ["EROFS", "EACCES"])
def test_a_target_that_cannot_be_written_is_refused(disk: Faulty, tmp_path: Path, code: str) -> None:
    disk.obey(Rules(write_fail=code))
    with pytest.raises(PathError) as caught:
        stage(tmp_path / "real" / "a.zip", disk.mount / "out")
    assert caught.value.hint
    assert sorted(os.listdir(tmp_path / "real")) == ["a.tar", "a.zip"]


@pytest.mark.parametrize("code", ["ENOSPC", "EROFS", "EIO"])
def test_a_target_that_fails_midway_is_finished_later(disk: Faulty, tmp_path: Path, code: str) -> None:
    disk.obey(Rules(write_fail=code, write_after=3 * MB))
    with pytest.raises(ColabPanelError) as caught:
        stage(tmp_path / "real" / "a.zip", disk.mount / "out")
    assert isinstance(caught.value, PathError if code == "EROFS" else StorageError)
    assert caught.value.hint
    assert not (disk.mount / "out").exists()
    disk.obey(Rules())
    assert stage(tmp_path / "real" / "a.zip", disk.mount / "out").status == "ok"
    assert tree_of(disk.mount / "out") == FILES


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of four megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_and_room_made_lets_it_finish(tmp_path: Path, small: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name, content in FILES.items():
            add_file(archive, name, content)
    with pytest.raises(StorageError, match="disk is full") as caught:
        stage(tmp_path / "a.tar.gz", small / "out")
    assert caught.value.hint
    assert os.listdir(small) == ["out.partial"]
    subprocess.run(["mount", "-o", "remount,size=40m", small], check=True)
    assert stage(tmp_path / "a.tar.gz", small / "out").status == "ok"
    assert tree_of(small / "out") == FILES
