"""The Checkpoints tab, used as a user does."""

from __future__ import annotations

import collections
import contextlib
import html
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colabpanel.errors import InputError, StorageError
from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.services.checkpoints import service
from colabpanel.services.checkpoints.panel_calls import restore_into
from colabpanel.services.checkpoints.service import Checkpoints, active_checkpoints
from colabpanel.tabs._checkpoint_words import restore_code
from colabpanel.tabs.checkpoints import CheckpointsTab
from tests.fakes import FakeClock, FakeHost, HeldWork, RecordingProgress

torch = pytest.importorskip("torch")

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    for one in active_checkpoints():
        one.close()
    yield
    for one in active_checkpoints():
        one.close()


@pytest.fixture
def run(host: FakeHost) -> Path:
    """A folder that training has filled, with a metric that is markup."""
    folder = host.workspace / "run"
    checkpoints = Checkpoints(folder, monitor="val_loss", keep_last=None)
    for step, loss in enumerate((0.5, 0.3, 0.4), 1):
        metrics = {"val_loss": loss, EVIL: 1.0, "thing": 2.0}
        model = {"w": torch.full((2, step), float(step)), "b": torch.zeros(4)}
        checkpoints.save(model, step=step, epoch=step, metrics=metrics)
    checkpoints.wait()
    checkpoints.close()
    return folder


def _tab(panel: Panel) -> CheckpointsTab:
    panel.select("checkpoints")
    tab = panel.tabs["checkpoints"]
    assert isinstance(tab, CheckpointsTab)
    return tab


@pytest.fixture
def tab(make_panel: Callable[..., Panel], host: FakeHost, run: Path) -> CheckpointsTab:
    tab = _tab(make_panel(host))
    tab.folder.folder.path = str(run)
    tab.folder.list_button.click()
    return tab


def _said(tab: CheckpointsTab) -> str:
    tab.update()
    return str(tab.chosen.jobs.message.value) + str(tab.notice.value)


def test_a_folder_is_listed_and_drawn(tab: CheckpointsTab) -> None:
    table = tab.folder.table.value
    assert "step-00000002 \N{MIDDLE DOT} best" in table
    assert table.index("step-00000003") < table.index("step-00000001")
    assert EVIL not in table + tab.folder.chart.value
    assert tab.folder.metric.value == "val_loss"
    assert "best" in tab.folder.chart.value
    assert "<svg" in tab.folder.chart.value
    tab.folder.mode.value = "max"
    assert "step-00000001 \N{MIDDLE DOT} best" in tab.folder.table.value
    tab.folder.mode.value = "auto"
    tab.folder.metric.value = EVIL
    assert EVIL not in tab.folder.table.value + tab.folder.chart.value
    tab.folder.metric.value = "thing"
    assert "cannot be told from its name" in tab.folder.note.value
    assert "\N{MIDDLE DOT} best" not in tab.folder.table.value


def test_what_training_adds_appears_by_itself(
    make_panel: Callable[..., Panel], host: FakeHost, run: Path, clock: FakeClock
) -> None:
    panel = make_panel(host)
    tab = _tab(panel)
    tab.folder.folder.path = str(run)
    tab.folder.list_button.click()
    tab.chosen.chosen.value = ["step-00000002"]
    before = tab.folder.table.value
    clock.now += 5
    panel.refresher.tick()
    assert tab.folder.table.value == before
    checkpoints = Checkpoints(run, monitor="val_loss", keep_last=None)
    checkpoints.save({"w": 1}, step=9, metrics={"val_loss": 0.1}).result()
    clock.now += 60
    panel.refresher.tick()
    assert "step-00000009 \N{MIDDLE DOT} best" in tab.folder.table.value
    assert tab.chosen.chosen.value == ("step-00000002",)


def test_training_in_this_notebook_is_found_and_asked_for_a_checkpoint(
    make_panel: Callable[..., Panel], host: FakeHost
) -> None:
    checkpoints = Checkpoints(host.workspace / "own", monitor="accuracy")
    checkpoints.save({"w": 1}, step=1, metrics={"accuracy": 0.5}).result()
    tab = _tab(make_panel(host))
    assert tab.folder.folder.path == str(host.workspace / "own")
    assert tab.folder.mode.value == "max"
    assert "step-00000001" in tab.folder.table.value
    tab.folder.save_button.click()
    tab.update()
    assert "saves one at its next batch" in tab.folder.jobs.message.value
    assert checkpoints.is_due(2)


def test_another_process_is_asked_by_the_folder(tab: CheckpointsTab, run: Path) -> None:
    tab.folder.save_button.click()
    tab.update()
    assert "Training on this machine" in tab.folder.jobs.message.value
    assert Checkpoints(run, monitor="val_loss").is_due(1)


def test_a_checkpoint_is_restored_into_a_variable(tab: CheckpointsTab, host: FakeHost, run: Path) -> None:
    card = tab.chosen
    card.restore_button.click()
    assert "No checkpoint is chosen." in tab.notice.value
    card.chosen.value = ["step-00000002"]
    card.variable.value = "best"
    (row,) = [row for row in Checkpoints(run, monitor="val_loss").table() if row.name == "step-00000002"]
    code = restore_code(row, "best")
    assert all(html.escape(line) in card.code.value for line in code)
    space: dict[str, Any] = {}
    exec("\n".join(code), space)
    assert space["best"]["w"].tolist() == [[2, 2], [2, 2]]
    card.restore_button.click()
    assert "Restored model" in _said(tab)
    assert host.variables["best"]["w"].tolist() == [[2, 2], [2, 2]]
    host.variables["data"] = [1, 2, 3]
    card.variable.value = "data"
    card.restore_button.click()
    assert "data is a list, and the checkpoint holds a dict" in _said(tab)
    assert host.variables["data"] == [1, 2, 3]
    host.variables["best"] = collections.OrderedDict(w=0)
    card.variable.value = "best"
    card.restore_button.click()
    assert "into best." in _said(tab)
    assert "cannot be filled" not in _said(tab)
    assert host.variables["best"]["w"].tolist() == [[2, 2], [2, 2]]
    card.variable.value = "not a name"
    card.restore_button.click()
    assert "is no name of a variable" in _said(tab)
    card.chosen.value = ["step-00000001", "step-00000002"]
    card.restore_button.click()
    assert "Several checkpoints are chosen." in tab.notice.value


def test_a_module_in_the_notebook_is_filled(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    model = torch.nn.Linear(2, 2)
    checkpoints = Checkpoints(host.workspace / "own", monitor="loss", mirror=host.workspace / "drive")
    checkpoints.save(model, step=1)
    checkpoints.wait()
    host.variables["model"] = other = torch.nn.Linear(2, 2)
    tab = _tab(make_panel(host))
    tab.chosen.chosen.value = ["step-00000001"]
    tab.chosen.restore_button.click()
    assert "into model." in _said(tab)
    assert torch.equal(other.weight, model.weight)
    assert host.variables["model"] is other
    assert "here and on the mirror" in tab.folder.table.value


def test_two_are_compared_and_one_is_looked_into(tab: CheckpointsTab) -> None:
    card = tab.chosen
    card.chosen.value = ["step-00000001"]
    card.compare_button.click()
    assert "Two checkpoints are compared." in tab.notice.value
    card.look_button.click()
    assert "Parameters" in card.inside.value
    assert EVIL not in card.inside.value
    card.chosen.value = ["step-00000003", "step-00000001"]
    card.compare_button.click()
    assert "0.4 (-0.1)" in card.inside.value
    assert "2 x 1" in card.inside.value
    assert "2 x 3" in card.inside.value


def _delete(tab: CheckpointsTab) -> None:
    """Delete what is chosen: ask, wait as long as reading takes, and answer."""
    tab.chosen.delete_button.click()
    for _ in range(3):
        tab.chosen._question._update()
    tab.chosen.delete_button.click()


def test_checkpoints_are_pinned_verified_and_deleted(tab: CheckpointsTab, run: Path) -> None:
    card = tab.chosen
    card.chosen.value = ["step-00000001", "step-00000003"]
    card.pin_button.click()
    assert "Pinned 2 checkpoints." in _said(tab)
    assert tab.folder.table.value.count("pinned") >= 2
    _delete(tab)
    assert "step-00000001 is pinned." in _said(tab)
    card.unpin_button.click()
    assert "Unpinned 2 checkpoints." in _said(tab)
    card.chosen.value = ["step-00000003"]
    card.delete_button.click()
    card.delete_button.click()  # the second half of a double-click answers nothing
    assert "Delete step-00000003?" in _said(tab)
    assert card.delete_button.disabled
    card.chosen.value = ["step-00000001"]
    assert (card.delete_button.description, card.delete_button.disabled) == ("Delete", False)
    card.chosen.value = ["step-00000003"]
    _delete(tab)
    assert "Deleted 1 checkpoint." in _said(tab)
    assert not (run / "step-00000003").exists()
    card.verify_button.click()
    assert "2 copies of checkpoints: all files are what was saved." in _said(tab)
    (run / "step-00000001/model.pt").write_bytes(b"")
    card.verify_button.click()
    assert "1 of 2 copies of checkpoints are not what was saved." in _said(tab)


def test_weights_are_exported(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    import safetensors.numpy

    torch.save({"w": torch.ones(3)}, host.workspace / "epoch=1-step=5-val_loss=0.25.pt")
    tab = _tab(make_panel(host))
    tab.folder.folder.path = str(host.workspace)
    tab.folder.list_button.click()
    (name,) = [name for _, name in tab.chosen.chosen.options]
    tab.chosen.chosen.value = [name]
    tab.chosen.half.value = True
    tab.chosen.export_to.path = str(host.workspace / "w.safetensors")
    tab.chosen.export_button.click()
    assert "Exported 1 tensor, 1 of them converted" in _said(tab)
    assert safetensors.numpy.load_file(host.workspace / "w.safetensors")["w"].dtype == np.float16
    tab.chosen.delete_button.click()
    assert "was not written by colabpanel" in tab.notice.value


def test_training_is_awaited_where_it_has_not_begun(
    make_panel: Callable[..., Panel], host: FakeHost, tick: Callable[[Panel], None], clock: FakeClock
) -> None:
    panel, run = make_panel(host), host.workspace / "later"
    tab = _tab(panel)
    tab.folder.folder.path = str(run)
    tab.folder.list_button.click()
    assert "not there yet" in tab.folder.note.value
    tab.folder.save_button.click()
    tab.update()
    assert "no training has opened it" in tab.folder.jobs.message.value
    assert not run.exists()
    with elsewhere(run) as checkpoints:
        tab.folder.save_button.click()
        tab.update()
        assert "Training on this machine" in tab.folder.jobs.message.value
        assert checkpoints.save_if_due({"w": 1}, step=1, metrics={"val_loss": 1.0})
    clock.now += 5
    tick(panel)
    assert "step-00000001" in tab.folder.table.value
    assert tab.folder.note.value == ""


@contextlib.contextmanager
def elsewhere(folder: Path) -> Iterator[Checkpoints]:
    """Open a folder as another process does, of which the panel knows nothing."""
    with Checkpoints(folder, monitor="val_loss") as checkpoints:
        service._active.discard(checkpoints)
        yield checkpoints


def test_a_file_in_place_of_a_folder_is_told(tab: CheckpointsTab, run: Path) -> None:
    (run / "file").touch()
    tab.folder.folder.path = str(run / "file")
    tab.folder.list_button.click()
    assert "is not a folder" in tab.folder.jobs.message.value
    tab.folder.folder.path = ""
    tab.folder.list_button.click()
    assert "No folder is chosen." in tab.notice.value


def test_the_dashboard_restores_nothing(make_panel: Callable[..., Panel], host: FakeHost, run: Path) -> None:
    host.is_served = True
    host.root = host.workspace
    tab = _tab(make_panel(host))
    tab.folder.folder.path = "run"
    tab.folder.list_button.click()
    assert "step-00000002" in tab.folder.table.value
    assert tab.chosen.restore_button.comm is None
    tab.folder.folder.path = "/etc"
    tab.folder.list_button.click()
    assert "lies outside" in tab.folder.jobs.message.value
    with pytest.raises(InputError, match="no notebook to restore into"):
        restore_into(RecordingProgress(), host, "run", "step-00000001", "model")


def test_ages_grow_while_somebody_looks(
    make_panel: Callable[..., Panel], host: FakeHost, run: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make_panel(host)
    tab = _tab(panel)
    tab.folder.folder.path = str(run)
    tab.folder.list_button.click()
    assert "just now" in tab.folder.table.value
    later = time.time() + 300
    monkeypatch.setattr("colabpanel.tabs._checkpoint_words.time.time", lambda: later)
    monkeypatch.setattr(type(panel.attention), "present", False)
    clock.now += 5
    panel.refresher.tick()
    assert "just now" in tab.folder.table.value
    monkeypatch.setattr(type(panel.attention), "present", True)
    clock.now += 5
    panel.refresher.tick()
    assert "5 min ago" in tab.folder.table.value


def test_the_buttons_are_about_the_folder_that_is_listed(tab: CheckpointsTab, host: FakeHost, run: Path) -> None:
    other = host.workspace / "other"
    with Checkpoints(other, monitor="val_loss") as checkpoints:
        checkpoints.save({"w": torch.ones(9)}, step=1, metrics={"val_loss": 0.1}).result()
    card = tab.chosen
    card.chosen.value = ["step-00000001"]
    tab.folder.folder.path = str(other)
    card.look_button.click()
    assert "float32 2 x 1" in card.inside.value
    _delete(tab)
    assert "Deleted 1 checkpoint" in _said(tab)
    assert (other / "step-00000001").exists()
    assert not (run / "step-00000001").exists()
    tab.folder.folder.path = str(run)
    tab.folder.list_button.click()
    card.chosen.value = ["step-00000002"]
    tab.folder.folder.path = str(other)
    tab.folder.list_button.click()
    assert card.chosen.value == (), "what was chosen was of another folder"
    tab.folder.folder.path = str(host.workspace / "nowhere")
    tab.folder.list_button.click()
    card.verify_button.click()
    assert "No folder is listed." in tab.notice.value


def test_what_is_told_of_a_checkpoint_is_of_the_one_that_is_chosen(
    make_panel: Callable[..., Panel], host: FakeHost, run: Path
) -> None:
    held = HeldWork()
    tab = _tab(make_panel(host, runner=JobRunner(held)))
    tab.folder.folder.path = str(run)
    tab.folder.list_button.click()
    held.release()
    card = tab.chosen
    card.chosen.value = ["step-00000001"]
    card.look_button.click()
    card.chosen.value = ["step-00000003"]
    held.release()
    assert "Choose one checkpoint" in card.inside.value
    card.look_button.click()
    held.release()
    assert "step-00000003" in card.inside.value


def test_that_a_folder_does_not_answer_is_told_until_it_does(
    tab: CheckpointsTab, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object) -> None:
        raise StorageError("Drive is not mounted.")

    with monkeypatch.context() as patch:
        patch.setattr("colabpanel.tabs._checkpoints_card.list_checkpoints", hang)
        clock.now += 5
        tab.context.refresher.tick()
    assert "does not answer: Drive is not mounted." in tab.folder.note.value
    assert "step-00000002" in tab.folder.table.value
    clock.now += 5
    tab.context.refresher.tick()
    assert tab.folder.note.value == ""


def test_that_a_folder_has_gone_is_told_until_it_is_back(
    make_panel: Callable[..., Panel], host: FakeHost, run: Path, tick: Callable[[Panel], None], clock: FakeClock
) -> None:
    panel = make_panel(host)
    tab = _tab(panel)
    tab.folder.folder.path = str(run)
    tab.folder.list_button.click()
    run.rename(run.with_name("away"))
    clock.now += 5
    tick(panel)
    assert "not there any more" in tab.folder.note.value
    assert "step-00000002" in tab.folder.table.value
    run.with_name("away").rename(run)
    clock.now += 5
    tick(panel)
    assert tab.folder.note.value == ""
