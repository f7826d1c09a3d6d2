"""What a hostile tester and a stranger found, mended."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import colabpanel
from colabpanel.errors import ArchiveError, InputError, StorageError
from colabpanel.services.checkpoints import catalog, mirroring
from colabpanel.services.checkpoints.record import MANIFEST, RECORD
from colabpanel.services.checkpoints.service import Checkpoints
from tests.checkpoint_calls import opened, save

PATIENCE = 30.0


def test_links_are_neither_followed_nor_emptied(tmp_path: Path) -> None:
    victim = opened(tmp_path / "victim")
    save(victim, 1).result()
    folder = tmp_path / "run"
    save(opened(folder), 5).result()
    (folder / "step-00000001").symlink_to(tmp_path / "victim/step-00000001")
    (folder / ".a.deadbeef-1-1.gone").symlink_to(tmp_path / "victim")
    os.utime(folder, (0, 0))
    os.utime(tmp_path / "victim", (0, 0))
    with pytest.raises(InputError):
        catalog.delete_checkpoints(folder, [1])
    assert [row.step for row in opened(folder).table()] == [5]
    catalog.prune_checkpoints(folder, monitor="loss", keep_best=0, keep_last=1)
    assert victim.verify()[0].status == "ok"
    model = folder / "step-00000005/model.snapshot.zip"
    model.rename(tmp_path / "elsewhere")
    model.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArchiveError, match="is no file of this folder"):
        opened(folder).restore(which=5)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes")
def test_pipes_and_endless_devices_hold_nothing_up(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    save(opened(folder), 1).result()
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)
    model = folder / "step-00000001/model.snapshot.zip"
    model.unlink()
    os.mkfifo(model)
    assert catalog.checkpoints(folder) == []
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).symlink_to("/dev/zero")
    assert catalog.checkpoints(folder) == []
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).mkdir()
    assert catalog.checkpoints(folder) == []


def test_threads_that_save_on_one_object_do_not_mix(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    checkpoints = opened(tmp_path / "run", keep_last=None)

    def save(first: int) -> None:
        for step in range(first, first + 10):
            checkpoints.save({"w": torch.full((50_000,), float(step))}, step=step)

    threads = [threading.Thread(target=save, args=(first,)) for first in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checkpoints.wait()
    assert len(checkpoints.table()) == 20
    for row in checkpoints.table():
        assert checkpoints.restore(which=row.name).model["w"].unique().tolist() == [row.step]


def test_numbers_of_numpy_in_a_state_come_back(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model, checkpoints = torch.nn.Linear(2, 2), opened(tmp_path / "run")
    optimizer = torch.optim.SGD(model.parameters(), lr=np.float64(0.01))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: np.cos(epoch / 100))
    checkpoints.save(model, step=np.int64(3), epoch=torch.tensor(1.0), optimizer=optimizer, scheduler=scheduler)
    restored = checkpoints.restore(model, which="last", optimizer=optimizer, scheduler=scheduler)
    assert restored.not_restored == ()
    assert (restored.checkpoint.step, restored.checkpoint.epoch) == (3, 1)


def test_an_optimizer_that_does_not_fit_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model, checkpoints = torch.nn.Linear(2, 2), opened(tmp_path / "run")
    checkpoints.save(model, step=1, optimizer=torch.optim.SGD(model.parameters(), 0.1))
    other = torch.nn.Linear(2, 2)
    before = other.weight.clone()
    wrong = torch.optim.SGD([other.weight], 0.1)
    with pytest.raises(InputError, match="does not fit the one given"):
        checkpoints.restore(other, which=1, optimizer=wrong)
    assert torch.equal(other.weight, before)


def test_a_damaged_copy_here_stays_where_that_of_the_mirror_is_no_better(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive")
    save(checkpoints, 1)
    checkpoints.wait()
    (tmp_path / "run/step-00000001/random.json").write_text("")
    (tmp_path / "drive/step-00000001/model.snapshot.zip").unlink()
    with pytest.raises(ArchiveError):
        checkpoints.restore()
    assert (tmp_path / "run/step-00000001/model.snapshot.zip").is_file()


def test_a_file_that_cannot_be_read_does_not_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(tmp_path / "run")
    for step in (1, 2):
        save(checkpoints, step)
    checkpoints.wait()
    real = checkpoints._local.verify

    def verify(record: Any) -> str:
        if record.step == 2:
            raise OSError(5, "Input/output error")
        return real(record)

    monkeypatch.setattr(checkpoints._local, "verify", verify)
    restored = checkpoints.restore(which="last")
    assert restored.checkpoint.step == 1
    assert "Input/output error" in restored.damaged[0][1]
    (tmp_path / "run/step-00000001/random.json").unlink()


def test_clocks_that_go_back_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive", keep_best=0)
    ahead = time.time() + 86_400
    with monkeypatch.context() as patch:
        patch.setattr("colabpanel.services.checkpoints.saving.time.time", lambda: ahead)
        for step in (1, 2):
            save(checkpoints, step)
        checkpoints.wait()
    checkpoints.close()
    again = opened(tmp_path / "run", mirror=tmp_path / "drive", keep_best=0)
    assert save(again, 3).result().step == 3
    again.wait()
    assert [(row.step, row.places) for row in again.table()] == [
        (2, ("local", "mirror")),
        (3, ("local", "mirror")),
    ]
    (tmp_path / "run").rename(tmp_path / "gone")
    fresh = opened(tmp_path / "run", mirror=tmp_path / "drive", keep_best=0)
    save(fresh, 4)
    fresh.wait()
    assert [row.step for row in fresh.table() if "mirror" in row.places] == [3, 4]


def test_a_monitor_that_is_wrong_deletes_no_best(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run", monitor="val_loss")
    for step in (3, 2, 1):
        save(checkpoints, step, metrics={"val_loss": step / 10})
    checkpoints.settle()
    with pytest.raises(InputError, match="no metric called 'val_accuracy'"):
        catalog.prune_checkpoints(tmp_path / "run", keep_last=1)
    forgotten = Checkpoints(tmp_path / "run", keep_last=1)
    with pytest.raises(InputError, match="no metric called 'val_accuracy'"):
        save(forgotten, 9)
    forgotten.settle()
    assert [row.step for row in forgotten.table()] == [2, 1, 9]


def test_extras_with_a_state_are_kept_by_every_framework(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    checkpoints, average = opened(tmp_path / "run"), torch.nn.Linear(2, 2)
    checkpoints.save({"w": np.ones(3)}, step=1, extra={"average": average, "n": 1})
    fresh = torch.nn.Linear(2, 2)
    restored = checkpoints.restore(which=1, extra={"average": fresh, "typo": fresh})
    assert torch.equal(fresh.weight, average.weight)
    assert {"average", "extra"} <= set(restored.restored)
    assert ("typo", "nothing was saved under this name") in restored.not_restored
    restored = checkpoints.restore({"w": 0}, which=1)
    assert ("model", "this cannot be filled: take restored.model") in restored.not_restored


def test_a_pin_during_the_copying_reaches_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    real = mirroring.copy_folder

    def copy(*arguments: Any, **options: Any) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        real(*arguments, **options)

    monkeypatch.setattr(mirroring, "copy_folder", copy)
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive")
    save(checkpoints, 1)
    assert begun.wait(PATIENCE)
    checkpoints.pin(1)
    go_on.set()
    checkpoints.wait()
    record = json.loads((tmp_path / "drive/step-00000001" / RECORD).read_text())
    assert record["is_pinned"] is True


def test_closing_and_waiting_end(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "drive")
    save(checkpoints, 1)
    checkpoints.close()
    checkpoints.wait(PATIENCE)
    save(checkpoints, 2)
    checkpoints.wait(PATIENCE)


END = """
import gc, sys
import numpy as np
from colabpanel import Checkpoints
def main():
    checkpoints = Checkpoints(sys.argv[1], mirror=sys.argv[2], monitor="loss")
    saved = [checkpoints.save({{"w": np.ones(3_000_000)}}, step=step) for step in range({count})]
    {more}
main()
gc.collect()
"""


def _script(tmp_path: Path, more: str, *, count: int = 1) -> subprocess.CompletedProcess[str]:
    code = END.format(more=more, count=count)
    arguments = [sys.executable, "-c", code, str(tmp_path / "run"), str(tmp_path / "drive")]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("more", "count"), [("saved[-1].result()", 1), ("pass", 1), ("pass", 3)])
def test_a_script_that_ends_at_once_keeps_both_copies(tmp_path: Path, more: str, count: int) -> None:
    done = _script(tmp_path, more, count=count)
    assert (done.returncode, done.stderr) == (0, "")
    assert [row.step for row in catalog.checkpoints(tmp_path / "drive")] == list(range(count))


def test_where_no_thread_can_be_started_the_one_that_saves_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")  # as Python 3.12 says

    with Checkpoints(tmp_path / "run", mirror=tmp_path / "drive", monitor="loss") as checkpoints:
        monkeypatch.setattr(mirroring, "start_pending", no_more)
        checkpoints.save({"w": 1}, step=1).result()
        checkpoints.wait()
        assert [row.step for row in catalog.checkpoints(tmp_path / "drive")] == [1]


def test_what_fails_while_a_script_ends_is_said(tmp_path: Path) -> None:
    done = _script(
        tmp_path,
        "saved[-1].result(); import colabpanel.services.checkpoints.saving as saving; saving.settle = None; "
        "checkpoints.save({'w': 1}, step=2)",
    )
    assert "a checkpoint was not saved" in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_neither_waits_nor_hangs(tmp_path: Path) -> None:
    code = (
        "import os, sys, numpy as np; from colabpanel import Checkpoints\n"
        "checkpoints = Checkpoints(sys.argv[1], monitor='loss', mirror=sys.argv[2])\n"
        "checkpoints.save({'w': np.ones(5_000_000)}, step=1)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    checkpoints.settle(); sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "checkpoints.wait()\n"
    )
    arguments = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "run"), str(tmp_path / "drive")]
    assert subprocess.run(arguments, check=False, timeout=40).returncode == 0


def test_two_processes_that_save_the_same_step_both_succeed(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from colabpanel import Checkpoints\n"
        "checkpoints = Checkpoints(sys.argv[1], monitor='loss', keep_last=None)\n"
        "for step in range(12): checkpoints.save({'w': np.full(1000, step)}, step=step).result()\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")]) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    rows = catalog.checkpoints(tmp_path / "run")
    assert sorted(row.step or 0 for row in rows) == sorted([*range(12), *range(12)])
    assert all(row.status == "ok" for row in catalog.verify_checkpoints(tmp_path / "run"))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"step": True}, "step takes"),
        ({"step": 1.5}, "step takes"),
        ({"step": 1, "epoch": "2"}, "epoch takes"),
        ({"step": 1, "epoch": float("nan")}, "epoch takes"),
        ({"step": 1, "metrics": [1]}, "metrics takes"),
        ({"step": 1, "extra": {1: 2}}, "extra takes"),
        ({"step": 1, "extra": [2]}, "extra takes"),
        ({"step": 1, "model": None}, "There is no model"),
    ],
)
def test_what_is_given_is_checked_first(tmp_path: Path, what: dict[str, Any], message: str) -> None:
    checkpoints = opened(tmp_path / "run")
    with pytest.raises(InputError, match=message):
        checkpoints.save(**{"model": {"w": 1}, **what})
    assert checkpoints.table() == []
    assert checkpoints.save({"w": 1}, step=1, tags="best").result().tags == ("best",)


def test_what_else_cannot_be_given(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match="directory takes"):
        Checkpoints(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="every_steps"):
        opened(tmp_path / "run", every_steps="10")
    checkpoints = opened(tmp_path / "run")
    with pytest.raises(InputError, match="cannot be saved"):
        checkpoints.save(torch.nn.Linear(2, 2, device="meta"), step=1)
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InputError, match="cannot be saved"):
        checkpoints.save({"w": torch.ones(1), "loop": loop}, step=1)
    assert [path.name for path in (tmp_path / "run").iterdir()] == []
    save(checkpoints, 1).result()
    assert catalog.delete_checkpoints(tmp_path / "run", 1) == ["step-00000001"]


def test_numbers_in_records_have_bounds(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    save(opened(folder), 1).result()
    body = json.loads((folder / MANIFEST).read_text())
    for key, value in (
        ("created", 1e300),
        ("step", 10**40),
        ("step", -1),
        ("parameters", 10**40),
        ("name", "a\x1b[31m"),
    ):
        wrong = {**body, "checkpoints": [{**body["checkpoints"][0], key: value}]}
        (folder / MANIFEST).write_text(json.dumps(wrong))
        (row,) = catalog.checkpoints(folder)
        assert (row.step, row.created < 1e11) == (1, True)
    huge = [{"name": "model.snapshot.zip", "size": 10**400, "digest": ""}]
    (folder / MANIFEST).write_text(json.dumps({**body, "checkpoints": [{**body["checkpoints"][0], "files": huge}]}))
    assert catalog.checkpoints(folder)[0].size > 0


def test_room_is_made_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(tmp_path / "run", keep_last=None)
    for step in (1, 2, 3):
        save(checkpoints, step)
    checkpoints.settle()
    real = checkpoints._local._list
    refused: list[int] = []

    def full(records: Any) -> None:
        if not refused:
            refused.append(1)
            raise OSError(28, "No space left on device")
        real(records)

    monkeypatch.setattr(checkpoints._local, "_list", full)
    assert checkpoints.delete(2) == ["step-00000002"]
    assert [row.step for row in checkpoints.table()] == [1, 3]
    assert (tmp_path / "run" / MANIFEST).is_file()


def test_a_disk_that_is_full_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(tmp_path / "run")
    monkeypatch.setattr("colabpanel.services.checkpoints.saving.free_bytes", lambda _: 0)

    def fail(*_: Any) -> Any:
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos")

    monkeypatch.setattr("colabpanel.services.checkpoints.saving.settle", fail)
    save(checkpoints, 1)
    with pytest.raises(StorageError, match="The disk is full"):
        checkpoints.settle()


def test_old_files_of_pytorch_and_numbers_that_overflow(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    folder = tmp_path / "run"
    folder.mkdir()
    state = {"weight": torch.full((2, 2), 1e6), "bias": torch.zeros(2)}
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)
    model = torch.nn.Linear(2, 2)
    colabpanel.restore_checkpoint(folder, "old.pt", model)
    assert torch.equal(model.weight, state["weight"])
    exported = colabpanel.export_checkpoint(folder, "old.pt", tmp_path / "half.safetensors", dtype="float16")
    assert (exported.converted, exported.overflowed) == (2, 1)


def test_a_schedule_counts_from_where_a_run_goes_on(tmp_path: Path) -> None:
    save(opened(tmp_path / "run"), 1000).result()
    checkpoints = opened(tmp_path / "run", every_steps=100)
    checkpoints.restore(which="last")
    assert not checkpoints.is_due(1001)
    assert checkpoints.is_due(1100)


def test_an_extra_that_cannot_be_loaded_keeps_no_weights_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cp_mine.py").write_text("class A: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = importlib.import_module("cp_mine")
    checkpoints = Checkpoints(tmp_path / "run", monitor="loss")
    for step in (1, 2):
        checkpoints.save({"w": np.full(3, step)}, step=step, extra={"a": mine.A()}).result()
    checkpoints.close()
    monkeypatch.delitem(sys.modules, "cp_mine")
    (tmp_path / "cp_mine.py").unlink()
    importlib.invalidate_caches()
    restored = Checkpoints(tmp_path / "run").restore(which="last")
    assert (restored.checkpoint.step, restored.model["w"].tolist(), restored.damaged) == (2, [2, 2, 2], ())
    assert [what for what, _ in restored.not_restored] == ["extra"]


def test_a_metric_that_is_not_a_number_ends_no_training(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run", monitor="val_loss")
    for step, loss in ((1, 0.5), (2, float("nan")), (3, float("inf"))):
        checkpoints.save({"w": np.zeros(1)}, step=step, metrics={"val_loss": loss}).result()
    assert [(row.step, dict(row.metrics), row.is_best) for row in checkpoints.table()] == [
        (1, {"val_loss": 0.5}, True),
        (2, {}, False),
        (3, {}, False),
    ]
    with pytest.raises(InputError, match="no metric called"):
        checkpoints.save({"w": np.zeros(1)}, step=4, metrics={"accuracy": 1.0})


def test_training_that_begins_anew_is_saved_as_often(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run", every_steps=10, keep_last=None)
    for first in (0, 0, 5):
        due = [step for step in range(first, 45) if checkpoints.save_if_due({"w": np.zeros(1)}, step=step)]
        assert due == [first + 10 * times for times in range(1, (44 - first) // 10 + 1)]


class _Trainer:
    """What the callback asks of the trainer."""

    def __init__(self, output: Path) -> None:
        self.output_dir, self.global_step, self.epoch = str(output), 5, 1.0


def test_a_trainers_folder_without_files_is_no_checkpoint_and_trials_have_their_own(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    checkpoints, trainer = Checkpoints(tmp_path / "run"), _Trainer(tmp_path / "out")
    callback = checkpoints.transformers()
    with pytest.raises(InputError, match="nothing that a trainer saved"):
        callback.on_save(trainer, trainer, None)
    folder = tmp_path / "out/run-3/checkpoint-5"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    callback.on_save(trainer, trainer, None)
    checkpoints.wait()
    assert (tmp_path / "run/step-00000005/model.safetensors").read_bytes() == b"weights"
