from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import psutil
import pytest

from colabpanel.errors import StorageError
from colabpanel.hosts import TimeLimit
from colabpanel.services import saves
from colabpanel.services.checkpoints import mirroring, saving
from colabpanel.services.saves import last_save, note_save
from colabpanel.services.session import clock as module
from colabpanel.services.session.clock import Activity, session_clock
from colabpanel.services.snapshots.service import dump
from tests.checkpoint_calls import opened, save
from tests.fakes import FakeClock, FakeHost

LIMIT = TimeLimit("Free", 5400.0, 3600.0, "somebody")


@pytest.fixture(autouse=True)
def _nothing_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saves, "_newest", {})


def test_the_kernel_and_its_machine_are_as_old_as_the_system_says(host: FakeHost) -> None:
    now = psutil.Process().create_time() + 100
    found = session_clock(host=host, clock=lambda: now)
    assert found.kernel == pytest.approx(100)
    assert found.machine == pytest.approx(now - psutil.Process(1).create_time())
    assert (found.idle, found.unsaved, found.saved, found.limits) == (None, None, None, ())


def test_where_the_first_process_is_hidden_the_machine_tells(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pid: int | None = None) -> psutil.Process:
        if pid == 1:
            raise psutil.AccessDenied(pid)
        return own

    own = psutil.Process()
    monkeypatch.setattr(module, "_born", module._born.__wrapped__)
    monkeypatch.setattr(psutil, "Process", gone)
    monkeypatch.setattr(psutil, "boot_time", lambda: 1000.0)
    assert session_clock(host=host, clock=lambda: 5000.0).machine == 4000.0

    def unknown() -> float:
        raise OSError

    monkeypatch.setattr(psutil, "boot_time", unknown)
    found = session_clock(host=host, clock=lambda: 5000.0)
    assert found.machine is None
    assert found.left(LIMIT) is None


def test_what_is_left_of_a_limit_is_never_less_than_nothing(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.time_limits = (LIMIT, TimeLimit("Paid", None, None, "nobody"))
    monkeypatch.setattr(module, "_machine_uptime", lambda now: now)
    clock = FakeClock()
    for clock.now, left in ((0.0, 3600.0), (3000.0, 600.0), (9000.0, 0.0)):
        assert session_clock(host=host, clock=clock).left(LIMIT) == left
    found = session_clock(host=host)
    assert found.left(found.limits[1]) is None
    assert found.left(TimeLimit("Ours", None, math.inf, "us")) is None


def test_times_since_something_begin_at_zero_even_when_clocks_are_set_back(host: FakeHost) -> None:
    found = session_clock(host=host, last_activity=90.0, last_safe_save=40.0, clock=lambda: 100.0)
    assert (found.idle, found.unsaved, found.saved) == (10.0, 60.0, None)
    found = session_clock(host=host, last_activity=190.0, last_safe_save=140.0, clock=lambda: 100.0)
    assert (found.idle, found.unsaved) == (0.0, 0.0)


def test_a_snapshot_is_a_save_and_one_that_failed_is_none(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump(tmp_path / "one.snapshot.zip", {"x": 1})
    saved = last_save()
    assert saved is not None
    found = session_clock(host=host, clock=lambda: saved.when + 30)
    assert (found.saved, found.unsaved) == (tmp_path / "one.snapshot.zip", 30.0)

    def fail(*_: object, **__: object) -> None:
        raise StorageError("No.")

    monkeypatch.setattr("colabpanel.services.snapshots.service.write_snapshot", fail)
    with pytest.raises(StorageError):
        dump(tmp_path / "two.snapshot.zip", {"x": 1})
    assert last_save() == saved


def test_a_checkpoint_is_a_save_once_it_is_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[Path] = []

    def note(path: Path, when: float) -> None:
        noted.append(path)
        note_save(path, when)

    for one in (saving, mirroring):
        monkeypatch.setattr(one, "note_save", note)
    checkpoints = opened(tmp_path / "run", mirror=tmp_path / "mirror")
    save(checkpoints, 1, extra={"n": np.arange(3)})
    checkpoints.wait()
    checkpoints.close()
    assert noted == [tmp_path / "run" / "step-00000001", tmp_path / "mirror" / "step-00000001"]
    times = {one.when for one in saves.saves()}
    assert {one.path for one in saves.saves()} == set(noted)  # not the snapshots within, nor anything half written
    assert times == {checkpoints.table()[0].created}


def test_the_newest_of_each_folder_is_remembered(tmp_path: Path) -> None:
    for name, when in (("a/1", 5.0), ("a/2", 7.0), ("a/3", 6.0), ("b/1", 9.0), (".x.part/1", 99.0)):
        note_save(tmp_path / name, when)
    assert [(one.path.relative_to(tmp_path).as_posix(), one.when) for one in saves.saves()] == [
        ("b/1", 9.0),
        ("a/2", 7.0),
    ]


def test_cells_and_clicks_are_activity(host: FakeHost, clock: FakeClock) -> None:
    activity = Activity(host, clock=clock)
    began = clock.now
    (started, ended), *_ = host.watchers
    clock.now += 10
    assert (activity.last, activity.cell_began) == (began, None)
    activity.clicked()
    assert activity.last == clock.now
    clock.now += 10
    started()
    clock.now += 100
    assert (activity.last, activity.cell_began) == (clock.now, clock.now - 100)
    ended()
    clock.now += 5
    assert activity.last == clock.now - 5


def test_nobody_watches_cells_for_an_activity_that_is_closed(host: FakeHost) -> None:
    activity = Activity(host)
    activity.close()
    assert host.watchers == []
