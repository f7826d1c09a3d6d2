"""The Dump/Load tab, used as a user does."""

from __future__ import annotations

import html
import pickle
import re
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from colabpanel.errors import InputError, StorageError
from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.services.snapshots import service
from colabpanel.services.snapshots.panel_calls import dump_chosen, load_chosen, new_name
from colabpanel.services.snapshots.service import dump, load
from colabpanel.tabs._snapshot_words import dump_code
from colabpanel.tabs.dump import DumpTab
from tests.fakes import FakeHost, HeldWork, RecordingProgress

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def tab(make_panel: Callable[..., Panel], host: FakeHost) -> DumpTab:
    host.variables = {"array": np.arange(1000), "rows": [1, 2], "generator": (n for n in "a")}
    return _tab(make_panel(host))


def _tab(panel: Panel) -> DumpTab:
    panel.select("dump")
    tab = panel.tabs["dump"]
    assert isinstance(tab, DumpTab)
    return tab


def _files(host: FakeHost) -> list[Path]:
    return sorted((host.workspace / "snapshots").glob("*.snapshot.zip"))


def test_variables_are_listed_and_saved(tab: DumpTab, host: FakeHost) -> None:
    card = tab.variables
    assert "array" in card.table.value
    assert "no snapshot yet" in card.table.value
    assert [name for _, name in card.chosen.options] == ["array", "rows"]
    card.save_button.click()
    assert "No variables are chosen." in tab.notice.value
    card.all_button.click()
    assert "2 variables, about 7.9 KB in the file" in card.predicted.value
    assert "of extra memory" in card.predicted.value
    assert "names=[&#x27;array&#x27;, &#x27;rows&#x27;]" in card.code.value
    card.save_button.click()
    tab.update()
    assert "Saved 2 variables" in card.jobs.message.value
    (path,) = _files(host)
    assert load(path)["rows"] == [1, 2]
    assert "as it was" in card.table.value
    assert path.name in tab.files.files.value
    assert tab.files.file.path == str(path)
    assert "would replace yours" in tab.files.contents_table.value


def test_what_the_last_snapshot_has_not_is_not_as_it_was(tab: DumpTab) -> None:
    card = tab.variables
    for names in (["array", "rows"], ["rows"]):
        card.chosen.value = names
        card.save_button.click()
        tab.update()
    assert card.table.value.count("as it was") == 1
    assert "not in it" in card.table.value


def test_what_changed_is_known_to_a_panel_that_saved_nothing(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path
) -> None:
    host.variables = {"array": np.arange(1000), "rows": [1, 2], "new": 1}
    dump(host.workspace / "snapshots" / "a.snapshot.zip", {"array": np.arange(1000), "rows": [1, 2, 3]})
    (host.workspace / "snapshots" / "b.snapshot.zip").write_bytes(b"damaged")
    card = _tab(make_panel(host)).variables
    said = ("as it was", "changed", "not in it")
    assert [card.table.value.count(f">{text}<") for text in said] == [1, 1, 1]
    card.folder.text.value = str(tmp_path / "elsewhere")
    assert card.table.value.count("no snapshot yet") == 3
    card.folder.text.value = ""
    assert "as it was" in card.table.value


def test_a_folder_that_cannot_be_read_leaves_open_what_changed(
    make_panel: Callable[..., Panel], host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageError("No answer within 5 seconds.")

    monkeypatch.setattr("colabpanel.tabs._dump_card.last_fingerprints", fail)
    host.variables = {"rows": [1, 2]}
    card = _tab(make_panel(host)).variables
    assert "not known" in card.table.value
    assert "no snapshot yet" not in card.table.value


def test_snapshots_of_earlier_versions_tell_nothing_of_changes(
    make_panel: Callable[..., Panel], host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.variables = {"rows": [1, 2]}
    monkeypatch.setattr(service, "fingerprints", lambda _variables: {})
    dump(host.workspace / "snapshots" / "a.snapshot.zip", {"rows": [1, 2]})
    assert "not known" in _tab(make_panel(host)).variables.table.value


def test_once_the_last_snapshot_is_deleted_there_is_none(tab: DumpTab, host: FakeHost) -> None:
    tab.variables.all_button.click()
    tab.variables.save_button.click()
    tab.update()
    assert "as it was" in tab.variables.table.value
    tab.files.delete_button.click()
    tab.update()
    assert "no snapshot yet" in tab.variables.table.value


def test_what_changed_is_shown_and_alone_written(tab: DumpTab, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    card = tab.variables
    host.variables["large"] = np.random.default_rng(0).random(100_000)
    card.refresh_button.click()
    card.name.value = "run"
    card.keep.value = "two"
    card.all_button.click()
    card.save_button.click()
    assert "Keep takes a number" in tab.notice.value
    card.keep.value = "2"
    card.only_changed.value = True
    for number in range(3):
        monkeypatch.setattr("time.strftime", lambda _format, number=number: f"2026010{number}-000000")
        host.variables["rows"].append(number)
        card.save_button.click()
        tab.update()
    files = _files(host)
    assert [path.name for path in files] == [f"run-2026010{number}-000000.snapshot.zip" for number in (1, 2)]
    assert "Deleted 1 older" in card.jobs.message.value
    assert files[0].stat().st_size > 800_000 > files[1].stat().st_size * 50
    host.variables["array"] = np.arange(11)
    card.refresh_button.click()
    assert "changed" in card.table.value


def test_what_cannot_be_saved_is_told(tab: DumpTab, host: FakeHost) -> None:
    host.variables[f"x{EVIL}"] = {"in": (n for n in "a")}
    card = tab.variables
    card.refresh_button.click()
    card.all_button.click()
    card.save_button.click()
    tab.update()
    assert "1 variable could not be saved" in card.jobs.message.value
    assert EVIL not in card.jobs.message.value + card.table.value + card.code.value
    assert "generator" in card.jobs.message.value


def test_a_snapshot_is_loaded_under_other_names(tab: DumpTab, host: FakeHost, tmp_path: Path) -> None:
    dump(tmp_path / "old.snapshot.zip", {"weights": np.ones(3), "layer.0/bias": 5})
    files = tab.files
    files.load_button.click()
    assert "No variables are chosen." in tab.notice.value
    files.file.text.value = str(tmp_path / "old.snapshot.zip")
    assert "weights" in files.contents_table.value
    assert list(files.chosen.value) == ["weights", "layer.0/bias"]
    files.prefix.value = "old_"
    assert "old_weights" in files.code.value
    files.load_button.click()
    tab.update()
    assert "Loaded 2 variables: old_weights, old_layer_0_bias." in files.jobs.message.value
    assert host.variables["old_weights"].tolist() == [1, 1, 1]
    assert host.variables["old_layer_0_bias"] == 5


def test_code_needs_trust(
    tab: DumpTab,
    host: FakeHost,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    dump(tmp_path / "a.snapshot.zip", {"function": lambda: 7})
    monkeypatch.setenv("COLABPANEL_CONFIG_DIR", str(tmp_path_factory.mktemp("somebody")))
    files = tab.files
    files.file.text.value = str(tmp_path / "a.snapshot.zip")
    assert "holds code" in files.contents_table.value
    files.load_button.click()
    tab.update()
    assert "function holds code" in files.jobs.message.value
    assert "function" not in host.variables
    files.trust.value = True
    assert "trusted=True" in files.code.value
    files.load_button.click()
    tab.update()
    assert host.variables["function"]() == 7


def test_files_that_are_none_are_told(tab: DumpTab, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_text("nonsense")
    tab.files.file.text.value = str(tmp_path / "a.pkl")
    assert "is damaged" in tab.files.jobs.message.value or "cut short" in tab.files.jobs.message.value
    (tmp_path / "log.pkl").write_bytes(pickle.dumps(1) + pickle.dumps([1, 2])[:-3])
    tab.files.file.text.value = str(tmp_path / "log.pkl")
    assert "damaged" in tab.files.contents_table.value
    assert tab.files.chosen.value == ("log",)
    tab.files.file.text.value = str(tmp_path / "missing.pkl")
    assert "does not exist" in tab.files.jobs.message.value
    tab.files.delete_button.click()
    assert "No file is chosen." in tab.notice.value
    tab.files.folder.text.value = str(tmp_path / "nowhere")
    tab.files.list_button.click()
    assert "is no folder" in tab.notice.value


def test_exporting_and_deleting(tab: DumpTab, host: FakeHost) -> None:
    folder = host.workspace / "snapshots"
    dump(folder / "a.snapshot.zip", {"n": [1], "large": np.ones(100_000), "odd": {1}})
    dump(folder / "b.snapshot.zip", {"n": 2, "large": np.ones(100_000)}, base=folder / "a.snapshot.zip")
    files = tab.files
    files.list_button.click()
    assert "b.snapshot.zip" in files.files.value
    files.file.text.value = str(folder / "a.snapshot.zip")
    files.export_button.click()
    tab.update()
    assert "Exported 2 files" in files.jobs.message.value
    assert "odd" in files.jobs.message.value
    assert (folder / "a" / "n.json").exists()
    files.delete_button.click()
    tab.update()
    assert "Deleted a.snapshot.zip." in files.jobs.message.value
    assert load(folder / "b.snapshot.zip")["large"].sum() == 100_000
    (folder / "c.npy").touch()
    np.save(folder / "c.npy", np.arange(3))
    files.file.text.value = str(folder / "c.npy")
    files.delete_button.click()
    assert "Only snapshots are deleted here." in tab.notice.value


def test_the_dashboard_runs_no_code_and_has_no_notebook(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path
) -> None:
    host.is_served = True
    host.root = tmp_path
    tab = _tab(make_panel(host))
    assert not hasattr(tab, "variables")
    dump(tmp_path / "work" / "a.snapshot.zip", {"n": [1]})
    tab.files.file.text.value = "work/a.snapshot.zip"
    assert "ready" in tab.files.contents_table.value
    tab.files.export_to.text.value = "../outside"
    tab.files.export_button.click()
    tab.update()
    assert "outside the folder" in tab.files.jobs.message.value
    tab.files.export_to.text.value = ""
    tab.files.export_button.click()
    tab.update()
    assert (tmp_path / "work/a/n.json").exists()
    with pytest.raises(InputError, match="no notebook"):
        load_chosen(RecordingProgress(), host, str(tmp_path / "work/a.snapshot.zip"), ["n"])


def test_names_of_snapshots(host: FakeHost, tmp_path: Path) -> None:
    assert new_name("").startswith("snapshot-")
    for wrong in ("../a", ".a", "a/b", "a\0"):
        with pytest.raises(InputError, match="cannot be called"):
            new_name(wrong)
    host.variables = {"a": 1}
    dumped = dump_chosen(RecordingProgress(), host, str(tmp_path / "new"), "x", ["a"], incremental=True)
    assert dumped.snapshot.saved == ("a",)


def test_deleting_twice_deletes_one(tab: DumpTab, host: FakeHost) -> None:
    folder = host.workspace / "snapshots"
    for name in ("a", "b", "c"):
        dump(folder / f"{name}.snapshot.zip", {"n": [1]})
    files = tab.files
    files.list_button.click()
    files.file.text.value = str(folder / "b.snapshot.zip")
    files.delete_button.click()
    tab.update()
    files.delete_button.click()
    tab.update()
    assert "No file is chosen." in tab.notice.value
    assert [path.name[0] for path in _files(host)] == ["a", "c"]
    files.list_button.click()
    assert files.file.path != "", "on a listing that was asked for, the newest is"


def test_a_file_that_was_chosen_meanwhile_stays(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    folder = host.workspace / "snapshots"
    for name in ("a", "b"):
        dump(folder / f"{name}.snapshot.zip", {"n": [1]})
    held = HeldWork()
    tab = _tab(make_panel(host, runner=JobRunner(held)))
    files = tab.files
    files.file.text.value = str(folder / "a.snapshot.zip")
    held.release()
    files.delete_button.click()
    files.file.text.value = str(folder / "b.snapshot.zip")
    held.release()
    tab.update()
    assert files.file.path == str(folder / "b.snapshot.zip")
    assert [path.name[0] for path in _files(host)] == ["b"]
    held.release()


def test_trust_is_for_one_file(tab: DumpTab, tmp_path: Path) -> None:
    for name in ("a", "b"):
        dump(tmp_path / f"{name}.snapshot.zip", {"n": [1]})
    files = tab.files
    files.file.text.value = str(tmp_path / "a.snapshot.zip")
    files.trust.value = True
    files.file.text.value = str(tmp_path / "b.snapshot.zip")
    assert files.trust.value is False
    assert "trusted" not in files.code.value


def test_what_is_loaded_is_the_file_that_was_looked_into(
    tab: DumpTab, host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("here", 1), ("there", 2)):
        dump(tmp_path / name / "a.snapshot.zip", {"n": number})
    monkeypatch.chdir(tmp_path / "here")
    tab.files.file.text.value = "a.snapshot.zip"
    monkeypatch.chdir(tmp_path / "there")
    tab.files.load_button.click()
    tab.update()
    assert host.variables["n"] == 1


def test_a_late_list_of_another_folder_is_dropped(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path
) -> None:
    for name in ("slow", "quick"):
        dump(tmp_path / name / f"{name}.snapshot.zip", {"n": 1})
    held = HeldWork()
    files = _tab(make_panel(host, runner=JobRunner(held))).files
    for name in ("slow", "quick"):
        files.folder.text.value = str(tmp_path / name)
        files.list_button.click()
    held.waiting.reverse()
    held.release()
    assert "quick.snapshot.zip" in files.files.value
    assert files.file.path.endswith("quick.snapshot.zip")
    held.release()


def test_variables_go_to_drive_once_it_is_there(tab: DumpTab, host: FakeHost, tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    assert tab.variables.folder.text.placeholder == str(host.workspace / "snapshots")
    tab.context.state.drive_root = str(drive)
    assert tab.variables.folder.text.placeholder == tab.files.folder.text.placeholder == str(drive / "snapshots")
    tab.variables.all_button.click()
    tab.variables.save_button.click()
    tab.update()
    assert len(list(drive.glob("snapshots/*.snapshot.zip"))) == 1
    tab.variables.folder.text.value = str(tmp_path / "elsewhere")
    tab.variables.save_button.click()
    tab.update()
    assert tab.files.folder.path == str(tmp_path / "elsewhere"), "the field names what is listed"


def test_the_code_does_what_the_button_does(
    tab: DumpTab, host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, folder = tab.variables, tmp_path / "out"
    card.folder.path = str(folder)
    card.all_button.click()
    card.name.value, card.keep.value, card.only_changed.value = "50%", "1", True
    lines = dump_code(str(folder), "50%", ["array", "rows"], incremental=True, keep="1")
    assert all(html.escape(line) in card.code.value for line in lines)
    monkeypatch.setattr(service, "detect", lambda: host)
    dump(folder / "50%-20200101-000000.snapshot.zip", host.variables, names=["array"])
    exec("\n".join(lines), {})
    (kept,) = folder.iterdir()
    assert re.fullmatch(r"50%-\d{8}-\d{6}\.snapshot\.zip", kept.name)
    assert "2020" not in kept.name
    assert list(load(kept)) == ["array", "rows"]


def test_what_can_never_be_saved_is_not_offered(tab: DumpTab, host: FakeHost) -> None:
    with Path(__file__).open() as file:
        host.variables.update(lock=threading.Lock(), file=file, generator=(n for n in "a"))
        card = tab.variables
        card.refresh_button.click()
        assert [name for _, name in card.chosen.options] == ["array", "rows"]
    assert "It holds a lock, which cannot be saved." in card.table.value
