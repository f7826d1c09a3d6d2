"""Dying, or meeting a disk that fails, at every change that saving, mirroring and deleting make."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkpoint_calls import all_listed_load
from tests.sweeps import Fault, Sweeper

pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

CALLS = "tests.checkpoint_calls"
MOST = 400


@pytest.fixture(scope="module")
def sweeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweeper]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLABPANEL_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))
        patch.setenv("COLABPANEL_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        made = Sweeper()
        yield made
        made.close()


@pytest.fixture
def template(tmp_path: Path, sweeper: Sweeper) -> Path:
    """A store of two checkpoints, and a mirror that has them."""
    folder = tmp_path / "template"
    for step in (1, 2):
        assert sweeper.run(f"{CALLS}:save_here", {"path": str(folder / "run"), "step": step}).result
    arguments = {"path": str(folder / "run"), "mirror": str(folder / "drive")}
    assert sweeper.run(f"{CALLS}:mirror_here", arguments).result
    return folder


def _hidden(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob(".*")]


@pytest.mark.parametrize("how", ["kill", "ENOSPC", "EIO"])
def test_a_save_that_fails_anywhere_loses_no_checkpoint(
    template: Path, tmp_path: Path, sweeper: Sweeper, how: str
) -> None:
    for at in range(1, MOST):
        folder = tmp_path / f"run-{at}"
        shutil.copytree(template, folder)
        arguments = {"path": str(folder / "run"), "step": 3}
        run = sweeper.run(f"{CALLS}:save_here", arguments, Fault(at, how, lasting=how != "kill"))
        listed = all_listed_load(folder / "run")
        assert set(listed) <= {1, 2, 3}, run
        assert {2} <= set(listed) or {3} <= set(listed), run
        if not run.hit:
            assert listed == [3]
            assert _hidden(folder) == []
            return
        assert sweeper.run(f"{CALLS}:save_here", arguments | {"step": 4}).result, run
        assert all_listed_load(folder / "run") == [4]
        assert _hidden(folder) == [], run
        shutil.rmtree(folder)
    pytest.fail("there is no end to it")


@pytest.mark.parametrize("how", ["kill", "EIO"])
def test_a_mirroring_that_fails_anywhere_leaves_what_is_verified(
    template: Path, tmp_path: Path, sweeper: Sweeper, how: str
) -> None:
    assert sweeper.run(f"{CALLS}:save_here", {"path": str(template / "run"), "step": 3}).result
    for at in range(1, MOST):
        folder = tmp_path / f"run-{at}"
        shutil.copytree(template, folder)
        arguments = {"path": str(folder / "run"), "mirror": str(folder / "drive")}
        run = sweeper.run(f"{CALLS}:mirror_here", arguments, Fault(at, how, lasting=how != "kill"))
        listed = all_listed_load(folder / "drive")
        assert {2} <= set(listed) or {3} <= set(listed), run
        if not run.hit:
            assert listed == [3]
            assert _hidden(folder) == []
            return
        assert sweeper.run(f"{CALLS}:mirror_here", arguments).result, run
        assert all_listed_load(folder / "drive") == [3]
        assert _hidden(folder) == [], run
        shutil.rmtree(folder)
    pytest.fail("there is no end to it")


def test_a_deletion_that_is_killed_anywhere_leaves_nothing_half(
    template: Path, tmp_path: Path, sweeper: Sweeper
) -> None:
    for at in range(1, MOST):
        folder = tmp_path / f"run-{at}"
        shutil.copytree(template, folder)
        arguments = {"path": str(folder / "run"), "name": "step-00000002"}
        run = sweeper.run(f"{CALLS}:delete_here", arguments, Fault(at))
        assert all_listed_load(folder / "run") in ([], [2]), run
        if not run.hit:
            return
        assert sweeper.run(f"{CALLS}:save_here", {"path": str(folder / "run"), "step": 4}).result, run
        assert all_listed_load(folder / "run") == [4]
        assert _hidden(folder / "run") == [], run
        shutil.rmtree(folder)
    pytest.fail("there is no end to it")
