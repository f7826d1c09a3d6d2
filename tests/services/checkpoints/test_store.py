"""The store: copies on the mirror, damage, pins, requests, and what goes wrong in the background."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colabpanel.errors import ArchiveError, ColabPanelError, InputError, OutsideRootError, PathError, StorageError
from colabpanel.services.checkpoints import catalog, mirroring, places
from colabpanel.services.checkpoints.record import MANIFEST, RECORD, Record
from colabpanel.services.checkpoints.service import Checkpoints, active_checkpoints
from colabpanel.services.checkpoints.store import Store
from tests.checkpoint_calls import opened, save
from tests.waiting import PATIENCE, wait_until


def _hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def test_the_mirror_is_a_store_of_its_own(tmp_path: Path) -> None:
    with opened(tmp_path / "run", mirror=tmp_path / "drive") as checkpoints:
        for step in range(1, 6):
            save(checkpoints, step).result()
            checkpoints.wait()
        rows = checkpoints.table()
    assert [(row.step, row.places, row.is_best) for row in rows] == [
        (4, ("local", "mirror"), False),
        (5, ("local", "mirror"), True),
    ]
    shutil.rmtree(tmp_path / "run")
    again = opened(tmp_path / "run", mirror=tmp_path / "drive")
    assert [row.places for row in again.table()] == [("mirror",), ("mirror",)]
    restored = again.restore(which=4)
    assert restored.model["w"][0] == 4
    assert restored.checkpoint.places == ("local", "mirror")
    alone = Checkpoints(tmp_path / "drive", monitor="loss").restore()
    assert alone.model["w"][0] == 5
    assert _hidden(tmp_path) == []


def test_a_folder_on_a_network_is_written_to_by_way_of_local_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "is_remote", lambda path: "drive" in path.parts)
    with opened(tmp_path / "drive") as checkpoints:
        save(checkpoints, 1)
        save(checkpoints, 2)
        checkpoints.wait()
        assert checkpoints.directory == checkpoints.mirror == tmp_path / "drive"
    assert {path.name for path in (tmp_path / "drive").iterdir()} == {"step-00000001", "step-00000002", MANIFEST}
    assert opened(tmp_path / "drive").restore(which="last").model["w"][0] == 2


def test_a_mirror_that_vanishes_gets_everything_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirroring, "_PAUSES", (0.05,))
    away = threading.Event()
    real = mirroring.copy_folder

    def copy(*arguments: Any, **options: Any) -> None:
        if away.is_set():
            raise StorageError("Transport endpoint is not connected.", hint="Mount Drive again.")
        real(*arguments, **options)

    monkeypatch.setattr(mirroring, "copy_folder", copy)
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive")
    checkpoints._mirroring._pauses = (0.05,)  # type: ignore[union-attr]
    save(checkpoints, 1)
    checkpoints.wait()
    away.set()
    save(checkpoints, 2)
    wait_until(lambda: checkpoints.failure is not None)
    with pytest.raises(StorageError, match="not connected"):
        checkpoints.wait()
    with pytest.warns(RuntimeWarning, match="do not reach the mirror"):
        save(checkpoints, 3)
    checkpoints.settle()
    assert Checkpoints(tmp_path / "drive", monitor="loss").restore(which="last").model["w"][0] == 1
    away.clear()
    wait_until(lambda: checkpoints.failure is None and checkpoints._mirroring.is_idle)  # type: ignore[union-attr]
    checkpoints.wait()
    assert [row.step for row in checkpoints.table() if "mirror" in row.places] == [2, 3]
    assert _hidden(tmp_path) == []


def _steps_of_copies(checkpoints: Checkpoints, folder: Path) -> dict[str, float]:
    """Return what is in each copy on a mirror, by name."""
    assert checkpoints._mirroring is not None
    names = [record.name for record in checkpoints._mirroring.mirror.records()]
    alone = opened(folder, keep_last=None)
    return {name: float(alone.restore(which=name).model["w"][1]) for name in names}


def _save_number(checkpoints: Checkpoints, number: float) -> None:
    checkpoints.save({"w": np.array([1.0, number])}, step=1, metrics={"loss": 1.0}).result()


@pytest.mark.parametrize("is_open", [False, True])
def test_a_step_that_only_the_mirror_has_is_saved_again_beside_it(tmp_path: Path, is_open: bool) -> None:
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive", keep_last=None)
    _save_number(checkpoints, 1)
    checkpoints.wait()
    shutil.rmtree(tmp_path / "run")
    if not is_open:
        checkpoints.close()
        checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive", keep_last=None)
    _save_number(checkpoints, 2)
    checkpoints.wait()
    assert [(row.name, row.places) for row in checkpoints.table()] == [
        ("step-00000001", ("mirror",)),
        ("step-00000001-2", ("local", "mirror")),
    ]
    assert _steps_of_copies(checkpoints, tmp_path / "drive") == {"step-00000001": 1, "step-00000001-2": 2}


def test_another_checkpoint_of_the_same_name_is_not_taken_for_the_copy(tmp_path: Path) -> None:
    one, two = (opened(tmp_path / run, mirror=tmp_path / "drive", keep_last=None) for run in ("one", "two"))
    _save_number(one, 1)
    one.wait()
    _save_number(two, 2)  # it does not know yet what the other one has brought there
    two.wait()
    assert _steps_of_copies(two, tmp_path / "drive") == {"step-00000001": 1, "step-00000001-2": 2}
    assert [(row.name, row.places) for row in two.table()] == [
        ("step-00000001", ("mirror",)),
        ("step-00000001-2", ("local", "mirror")),
    ]
    assert two.restore(which="step-00000001-2").model["w"][1] == 2
    assert two.restore(which="step-00000001").model["w"][1] == 1


def test_fetching_a_checkpoint_keeps_another_one_of_its_name(tmp_path: Path) -> None:
    for folder, number in (("run", 1), ("drive", 2)):
        checkpoints = opened(tmp_path / folder)
        _save_number(checkpoints, number)
        checkpoints.close()
    both = opened(tmp_path / "run")
    both._mirror = Store(tmp_path / "drive")  # as before anything was copied
    assert [row.places for row in both.table()] == [("local",), ("mirror",)]
    assert both.restore(which="last").model["w"][1] == 2
    assert [(row.name, row.places) for row in both.table()] == [
        ("step-00000001-2", ("local",)),
        ("step-00000001", ("local", "mirror")),
    ]
    assert both.restore(which="step-00000001-2").model["w"][1] == 1


def test_a_name_on_the_mirror_that_is_no_checkpoint_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive")
    (tmp_path / "drive/step-00000001").mkdir()
    (tmp_path / "drive/step-00000001/mine").write_text("x")
    save(checkpoints, 1)
    checkpoints.wait(PATIENCE)
    assert [(row.name, row.places) for row in checkpoints.table()] == [("step-00000001-2", ("local", "mirror"))]


def test_waiting_for_a_checkpoint_does_not_forget_a_newer_one(tmp_path: Path) -> None:
    saver, newer = opened(tmp_path / "run")._saver, Future[Record]()

    class Last(Future[Record]):
        def exception(self, timeout: float | None = None) -> None:
            saver._last = newer  # as a thread that saves meanwhile does

    saver._last = Last()
    saver.settle()
    assert saver._last is newer


@pytest.mark.filterwarnings("ignore:Checkpoints do not reach the mirror")
def test_any_failure_of_the_mirror_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("division by zero")

    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive")
    with monkeypatch.context() as patch:
        patch.setattr(mirroring, "copy_folder", copy)
        save(checkpoints, 1).result()
        with pytest.raises(StorageError, match="division by zero"):
            checkpoints.wait(PATIENCE)
        assert isinstance(checkpoints.failure, StorageError)
    checkpoints.wait(PATIENCE)
    assert [row.places for row in checkpoints.table()] == [("local", "mirror")]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_deleted_while_it_is_copied_does_not_come_to_the_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive")
    assert checkpoints._mirroring is not None
    begun, go_on, mirror = threading.Event(), threading.Event(), checkpoints._mirroring.mirror
    real = mirror.publish

    def publish(part: Path, record: Record) -> Record:
        published = real(part, record) if when == "after" else record
        begun.set()
        assert go_on.wait(PATIENCE)
        return published if when == "after" else real(part, record)

    monkeypatch.setattr(mirror, "publish", publish)
    save(checkpoints, 1)
    assert begun.wait(PATIENCE)
    assert checkpoints.delete(1) == ["step-00000001"]
    go_on.set()
    checkpoints.wait(PATIENCE)
    assert checkpoints.table() == []
    assert _hidden(tmp_path) == []


def test_a_deletion_that_is_refused_leaves_the_copying_be(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive")
    save(checkpoints, 1)
    checkpoints.pin(1)
    with pytest.raises(InputError, match="is pinned"):
        checkpoints.delete(1)
    checkpoints.wait(PATIENCE)
    assert [row.places for row in checkpoints.table()] == [("local", "mirror")]


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_taken(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run", keep_last=None)
    for step in (1, 2, 3):
        save(checkpoints, step)
    checkpoints.wait()
    file = tmp_path / "run/step-00000003/model.snapshot.zip"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    (tmp_path / "run/step-00000002/model.snapshot.zip").unlink()
    assert [(row.name, row.status) for row in checkpoints.verify()] == [
        ("step-00000001", "ok"),
        ("step-00000002", "damaged"),
        ("step-00000003", "damaged"),
    ]
    restored = checkpoints.restore(which="last")
    assert restored.checkpoint.step == 1
    assert restored.damaged == (
        ("step-00000003 (local)", "model.snapshot.zip is not what was saved"),
        ("step-00000002 (local)", "model.snapshot.zip is missing"),
    )
    with pytest.raises(ArchiveError, match="None of these checkpoints can be read"):
        checkpoints.restore(which=3)
    with pytest.raises(ArchiveError):
        checkpoints.path(3)
    assert checkpoints.path(1) == tmp_path / "run/step-00000001"


def test_a_damaged_copy_here_is_mended_from_the_mirror(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive")
    save(checkpoints, 1)
    checkpoints.wait()
    (tmp_path / "run/step-00000001/model.snapshot.zip").write_bytes(b"")
    restored = checkpoints.restore()
    assert restored.model["w"][0] == 1
    assert restored.damaged[0][0] == "step-00000001 (local)"
    assert all(row.status == "ok" for row in checkpoints.verify())


def test_a_manifest_that_is_lost_or_nonsense_is_made_anew(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run")
    save(checkpoints, 1, tags=["first"])
    checkpoints.settle()
    for text in ("", "[]", "{", json.dumps({"format": "colabpanel.checkpoints", "version": 1, "checkpoints": [{}, 3]})):
        (tmp_path / "run" / MANIFEST).write_text(text)
        assert [(row.step, row.tags) for row in checkpoints.table()] == [(1, ("first",))]
    (tmp_path / "run/step-00000001" / RECORD).write_text('{"name": "../../etc"}')
    assert checkpoints.table() == []


def test_names_in_a_manifest_stay_inside(tmp_path: Path) -> None:
    (tmp_path / "run/step-1").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    record = {"name": "step-1", "step": 1, "created": 1.0, "metrics": {}, "files": []}
    body = {"format": "colabpanel.checkpoints", "version": 1}
    for name in ("../secret", "/etc/passwd", "a/../../secret", ".hidden", ""):
        wrong = {**record, "files": [{"name": name, "size": 1, "digest": "0"}]}
        (tmp_path / "run" / MANIFEST).write_text(json.dumps({**body, "checkpoints": [wrong, {**record, "name": name}]}))
        assert catalog.checkpoints(tmp_path / "run") == []


def test_a_step_that_is_saved_again_stands_beside_the_earlier_one(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run")
    first, second = save(checkpoints, 1).result(), save(checkpoints, 1).result()
    assert (first.name, second.name) == ("step-00000001", "step-00000001-2")
    assert checkpoints.restore(which=1).checkpoint.name == "step-00000001-2"


def test_what_is_pinned_stays(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run", keep_best=0, keep_last=1, mirror=tmp_path / "drive")
    save(checkpoints, 1)
    checkpoints.wait()
    assert checkpoints.pin(1).is_pinned
    assert checkpoints.tag("last", "good", "one").tags == ("good", "one")
    for step in (2, 3):
        save(checkpoints, step)
    checkpoints.wait()
    assert [(row.step, row.places) for row in checkpoints.table()] == [
        (1, ("local", "mirror")),
        (3, ("local", "mirror")),
    ]
    with pytest.raises(InputError, match="is pinned"):
        catalog.delete_checkpoints(tmp_path / "run", [3, 1])
    catalog.pin_checkpoint(tmp_path / "run", 1, pinned=False)
    catalog.pin_checkpoint(tmp_path / "drive", 1, pinned=False)
    assert checkpoints.prune() == ["step-00000001"]
    checkpoints.wait()
    assert [row.step for row in checkpoints.table()] == [3]


def test_a_folder_is_pruned_deleted_from_and_verified_from_outside(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run", keep_last=None)
    for step in range(1, 7):
        save(checkpoints, step)
    checkpoints.settle()
    assert catalog.delete_checkpoints(tmp_path / "run", ["step-00000002", 3]) == ["step-00000002", "step-00000003"]
    found = catalog.checkpoints(tmp_path / "run", monitor="loss")
    assert [(row.step, row.is_best) for row in found] == [(1, False), (4, False), (5, False), (6, True)]
    assert catalog.prune_checkpoints(tmp_path / "run", monitor="loss", keep_last=2) == [
        "step-00000001",
        "step-00000004",
    ]
    assert [row.status for row in catalog.verify_checkpoints(tmp_path / "run")] == ["ok", "ok"]
    with pytest.raises(InputError, match="no checkpoint 99"):
        catalog.delete_checkpoints(tmp_path / "run", [5, 99])
    with pytest.raises(PathError, match="is not a folder"):
        catalog.checkpoints(tmp_path / "nothing")
    with pytest.raises(OutsideRootError):
        catalog.checkpoints(tmp_path, root=tmp_path / "run")


def test_a_checkpoint_can_be_asked_for_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(tmp_path / "run", every_steps=100)
    assert checkpoints.save_if_due({"w": 1}, step=1) is None
    checkpoints.request_save()
    assert checkpoints.save_if_due({"w": 1}, step=2) is not None
    assert checkpoints.save_if_due({"w": 1}, step=3) is None
    checkpoints.settle()
    catalog.request_checkpoint(tmp_path / "run")
    checkpoints._requests._next_look = 0.0
    saved = checkpoints.save_if_due({"w": 1}, step=4)
    assert saved is not None
    assert saved.result().step == 4
    assert checkpoints.save_if_due({"w": 1}, step=5) is None
    assert checkpoints.save_if_due({"w": 1}, step=104) is not None
    checkpoints.settle()
    assert _hidden(tmp_path) == []


@pytest.mark.parametrize("mirror", [None, "other"])
def test_a_checkpoint_can_be_asked_for_in_a_folder_on_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: str | None
) -> None:
    monkeypatch.setattr(places, "is_remote", lambda path: "drive" in path.parts)
    (tmp_path / "drive").mkdir()
    checkpoints = opened(tmp_path / "drive", every_steps=100, mirror=mirror and tmp_path / mirror)
    catalog.request_checkpoint(tmp_path / "drive")
    assert list((tmp_path / "drive").iterdir()) == []
    assert checkpoints.save_if_due({"w": 1}, step=1) is not None
    assert checkpoints.save_if_due({"w": 1}, step=2) is None
    checkpoints.wait(PATIENCE)


def test_training_that_ends_with_an_error_leaves_a_checkpoint(tmp_path: Path) -> None:
    checkpoints, model = opened(tmp_path / "run"), {"w": 0}

    def train() -> None:
        with checkpoints.saving_on_error(model, extra={"at": "batch 7"}):
            checkpoints.save_if_due(model, step=7)
            model["w"] = 7
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    restored = checkpoints.restore(which="last")
    assert (restored.model, restored.extra, restored.checkpoint.step) == ({"w": 7}, {"at": "batch 7"}, 7)
    assert restored.checkpoint.tags == ("KeyboardInterrupt",)
    with (
        pytest.warns(RuntimeWarning, match="A checkpoint was not saved on this error"),
        pytest.raises(ZeroDivisionError),
        checkpoints.saving_on_error(n for n in range(3)),
    ):
        raise ZeroDivisionError


def test_a_write_that_fails_is_told_at_the_next_save_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = opened(tmp_path / "run")
    save(checkpoints, 1).result()
    with monkeypatch.context() as patch:
        patch.setattr("colabpanel.services.checkpoints.saving.settle", _full)
        failed = save(checkpoints, 2)
        assert isinstance(failed.exception(), StorageError)
        assert isinstance(checkpoints.failure, StorageError)
    with pytest.raises(StorageError, match="disk is full"):
        save(checkpoints, 3)
    save(checkpoints, 4).result()
    assert [row.step for row in checkpoints.table()] == [1, 4]
    with monkeypatch.context() as patch:
        patch.setattr("colabpanel.services.checkpoints.saving.settle", _full)
        save(checkpoints, 5).exception()
    with pytest.warns(RuntimeWarning, match="disk is full"), pytest.raises(ZeroDivisionError):
        _fail_in_training(checkpoints)
    assert checkpoints.table()[-1].step == 6
    assert _hidden(tmp_path) == []


def test_one_that_failed_keeps_none_before_it_from_being_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(tmp_path / "run")
    save(checkpoints, 1).result()
    with monkeypatch.context() as patch:
        patch.setattr("colabpanel.services.checkpoints.saving.settle", _full)
        save(checkpoints, 2).exception()
    for use in (lambda: checkpoints.restore(which="last"), lambda: checkpoints.path("last"), checkpoints.verify):
        with pytest.warns(RuntimeWarning, match="disk is full"):
            assert use()
    with pytest.raises(StorageError, match="disk is full"):
        save(checkpoints, 3)


def _fail_in_training(checkpoints: Checkpoints) -> None:
    checkpoints.save_if_due({}, step=6)
    with checkpoints.saving_on_error({"w": 6}):
        raise ZeroDivisionError


def _full(*_: Any) -> Any:
    raise OSError(28, "No space left on device")


def test_a_metric_that_is_not_there_is_told_but_the_checkpoint_is_saved(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run")
    with pytest.raises(InputError, match="no metric called 'loss'"):
        save(checkpoints, 1, metrics={"accuracy": 1.0})
    assert checkpoints.restore(which="last").checkpoint.step == 1
    with pytest.raises(InputError, match="no metric called 'loss'"):
        checkpoints.restore()


def test_wrong_options_and_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        opened(tmp_path / "file")
    with pytest.raises(InputError, match="must be another folder"):
        opened(tmp_path / "run", mirror=tmp_path / "run/inside")
    with pytest.raises(OutsideRootError):
        opened(tmp_path / "run", root=tmp_path / "file")
    with pytest.raises(StorageError, match="not mounted"):
        opened(tmp_path / "run", mirror="/content/drive/MyDrive/run")
    with pytest.raises(InputError, match="no checkpoints yet"):
        opened(tmp_path / "run").restore()
    with pytest.raises(ColabPanelError, match="cannot be saved"):
        opened(tmp_path / "run").save((n for n in range(3)), step=1)
    with pytest.raises(InputError, match="extra"):
        opened(tmp_path / "run").save({"w": 1}, step=1, extra={"g": (n for n in range(3))})
    assert _hidden(tmp_path) == []


def test_stores_that_are_open_are_known_until_they_are_closed(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run")
    assert checkpoints in active_checkpoints()
    assert checkpoints.activity == ""
    checkpoints.close()
    assert checkpoints not in active_checkpoints()


def test_the_copy_is_begun_before_the_checkpoint_counts_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints, done = opened(tmp_path / "run", mirror=tmp_path / "drive"), list[bool]()
    saver = checkpoints._saver
    monkeypatch.setattr(saver, "_saved", lambda: done.append(saver._last is None or saver._last.done()))
    save(checkpoints, 1).result()
    assert done == [False]
