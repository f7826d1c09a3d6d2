"""Dying, or meeting a disk that fails, at every change that dumping and deleting make."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from colabpanel.errors import JobCancelledError, SpaceError
from colabpanel.services.snapshots.service import dump
from tests.fakes import RecordingProgress
from tests.snapshot_calls import value_of, variables_of
from tests.sweeps import Fault, Run, Sweeper

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

CALLS = "tests.snapshot_calls"
A, B, C = (f"{name}.snapshot.zip" for name in "abc")


@pytest.fixture(scope="module")
def sweeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweeper]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLABPANEL_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))
        made = Sweeper()
        yield made
        made.close()


@pytest.fixture
def template(tmp_path: Path, sweeper: Sweeper) -> Path:
    """A folder with a snapshot, one that builds on it, and one on that."""
    folder = tmp_path / "template"
    folder.mkdir()
    for version, (name, base) in enumerate([(A, None), (B, A), (C, B)], 1):
        arguments = {"path": str(folder / name), "version": version, "base": base and str(folder / base)}
        assert sweeper.run(f"{CALLS}:dump_here", arguments).result
    return folder


def _versions(folder: Path) -> dict[str, int]:
    return {path.name: value_of(str(path)) for path in sorted(folder.glob("*.zip"))}


def _faults(how: str, *, lasting: bool) -> Iterator[Fault]:
    for at in range(1, 200):
        yield Fault(at, how, lasting)
    pytest.fail("there is no end to it")


def _placed(folder: Path, key: str, value: object) -> object:
    return str(folder / value) if key in {"path", "base", "folder"} and isinstance(value, str) else value


def _sweep(sweeper: Sweeper, template: Path, tmp_path: Path, order: tuple[str, dict[str, object]], how: str) -> Run:
    """Let each change of a call go wrong; whatever was there is there or replaced, and the call then succeeds."""
    call, options = order
    for fault in _faults(how, lasting=how.startswith("E")):
        folder = tmp_path / f"run-{fault.at}"
        shutil.copytree(template, folder)
        arguments = {key: _placed(folder, key, value) for key, value in options.items()}
        run = sweeper.run(f"{CALLS}:{call}", arguments, fault)
        before, now = _versions(template), _versions(folder)
        for name, version in now.items():
            assert version in {before.get(name, 9), 9}, run
        if not run.hit:
            assert [name for name in os.listdir(folder) if name.startswith(".")] == []
            return run
        again = sweeper.run(f"{CALLS}:{call}", arguments)
        gone = again.error is not None and "does not exist" in again.error["message"]
        assert again.result is not None or gone, again
        assert [name for name in os.listdir(folder) if name.startswith(".")] == []
        shutil.rmtree(folder)
    raise AssertionError


@pytest.mark.parametrize("how", ["kill", "tear", "ENOSPC", "EIO", "EACCES"])
def test_dumping_over_an_earlier_snapshot(sweeper: Sweeper, template: Path, tmp_path: Path, how: str) -> None:
    (template / C).unlink()
    (template / B).unlink()
    _sweep(sweeper, template, tmp_path, ("dump_here", {"path": A, "version": 9, "base": None}), how)


@pytest.mark.parametrize("how", ["kill", "EIO"])
def test_dumping_on_a_base(sweeper: Sweeper, template: Path, tmp_path: Path, how: str) -> None:
    run = _sweep(sweeper, template, tmp_path, ("dump_here", {"path": "d.snapshot.zip", "version": 9, "base": A}), how)
    assert run.result is not None
    assert run.result["reused"] > 160_000


@pytest.mark.parametrize("how", ["kill", "tear", "EIO"])
def test_deleting_a_base(sweeper: Sweeper, template: Path, tmp_path: Path, how: str) -> None:
    _sweep(sweeper, template, tmp_path, ("fold_here", {"path": A}), how)


@pytest.mark.parametrize("how", ["kill", "ENOSPC"])
def test_keeping_the_newest(sweeper: Sweeper, template: Path, tmp_path: Path, how: str) -> None:
    run = _sweep(sweeper, template, tmp_path, ("prune_here", {"folder": ".", "keep": 1}), how)
    assert run.result == {"deleted": [B, A]}


def test_a_cancelled_dump_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / A
    dump(path, variables_of(1))
    for amount in (1, 100_000, 190_000):
        with pytest.raises(JobCancelledError):
            dump(path, variables_of(2), progress=RecordingProgress(cancel_after=amount))
        assert value_of(str(path)) == 1
        assert os.listdir(tmp_path) == [A]


def test_a_disk_without_room(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=18M", "none", str(small)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        dump(small / A, variables_of(1))
        with pytest.raises(SpaceError, match="are free there") as caught:
            dump(small / A, {"large": bytes(1 << 20) * 3})
        assert "base=" in caught.value.hint
        assert value_of(str(small / A)) == 1
    finally:
        subprocess.run(["umount", str(small)], check=True)
