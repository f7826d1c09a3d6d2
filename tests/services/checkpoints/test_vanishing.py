"""A mirror on a file system that really goes away for five seconds, and comes back, while training saves on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from colabpanel.errors import StorageError
from colabpanel.services.checkpoints.service import Checkpoints
from tests.checkpoint_calls import all_listed_load, opened
from tests.faulty_fs import faulty, why_not
from tests.waiting import wait_until

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

AWAY = 5.0


def _save(checkpoints: Checkpoints, step: int) -> None:
    model = {"w": torch.full((1000,), float(step))}
    checkpoints.save(model, step=step, metrics={"loss": 1 / step}, extra={"n": step}).result()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The folder behind the file system, and where it is mounted."""
    (tmp_path / "behind").mkdir()
    return tmp_path / "behind", tmp_path / "drive"


@pytest.mark.filterwarnings("ignore:Checkpoints do not reach the mirror")
def test_a_file_system_that_is_gone_for_five_seconds(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    behind, drive = folders
    with faulty(behind, drive) as mounted:
        checkpoints = opened(tmp_path / "run", mirror=drive / "run")
        _save(checkpoints, 1)
        checkpoints.wait()
        mounted.kill()
        gone = time.monotonic()
        for step in (2, 3):
            _save(checkpoints, step)
        wait_until(lambda: checkpoints.failure is not None)
        with pytest.raises(StorageError):
            checkpoints.wait()
        while time.monotonic() < gone + AWAY:
            assert all_listed_load(behind / "run") == [1]
            assert all_listed_load(tmp_path / "run") == [2, 3]
    with pytest.raises(StorageError, match="not mounted any more"):
        checkpoints.wait()  # what is left of the mount is a folder on local disk, and that is no safe place
    assert list(drive.iterdir()) == []
    with faulty(behind, drive):
        checkpoints.wait()
        assert checkpoints.failure is None
        assert [row.places for row in checkpoints.table()] == [("local", "mirror")] * 2
        assert all_listed_load(drive / "run") == [2, 3]
        checkpoints.close()
    assert [path.name for path in behind.rglob(".*")] == []
