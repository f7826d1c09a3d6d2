"""The Data staging tab, used as a user does: fields are filled, buttons are clicked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from colabpanel.errors import JobCancelledError, StorageError
from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.progress import Progress
from colabpanel.services.copying.models import CopiedData
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.history import History, stage_and_record
from colabpanel.services.staging.models import Plan
from colabpanel.tabs import _copy_card
from colabpanel.tabs._staging_words import code_for, plan_facts, skipped_list
from colabpanel.tabs.staging import StagingTab
from tests.archives import TREE, make_zip, tree_of, write_tree
from tests.fakes import FakeClock, FakeHost, HeldWork
from tests.http_faults import serving

EVIL = "<img src=x onerror=alert(1)>.txt"


@pytest.fixture
def panel(make_panel: Callable[..., Panel], host: FakeHost) -> Panel:
    return make_panel(host)


def _tab(panel: Panel) -> StagingTab:
    panel.select("staging")
    tab = panel.tabs["staging"]
    assert isinstance(tab, StagingTab)
    return tab


@pytest.fixture
def settle(panel: Panel, tick: Callable[[Panel], None]) -> Callable[[], None]:
    """Let the user stop typing."""

    def looks() -> None:
        tick(panel)
        tick(panel)

    return looks


@pytest.fixture
def tab(panel: Panel) -> StagingTab:
    return _tab(panel)


def test_choosing_an_archive_suggests_a_target_and_shows_a_plan(
    tab: StagingTab, host: FakeHost, tmp_path: Path, settle: Callable[[], None]
) -> None:
    tab.source.text.value = str(make_zip(tmp_path / "photos.zip"))
    assert tab.directory == tab.target.text.placeholder == str(host.workspace / "photos")
    assert str(host.workspace / "photos") in tab.code.value
    assert tab.plan_view.value == ""
    settle()
    assert "<dd>4</dd>" in tab.plan_view.value
    tab.source.text.value = str(make_zip(tmp_path / "other.TAR.gz"))
    assert tab.directory == str(host.workspace / "other")
    tab.target.text.value = "/mine"
    tab.source.text.value = str(tmp_path / "photos.zip")
    assert (tab.directory, tab.target.text.value) == ("/mine", "/mine")
    tab.target.text.value = ""
    tab.source.text.value = ""
    assert tab.directory == ""
    assert tab.target.text.placeholder == "A folder on fast local disk"


def test_stage_data_unpacks_and_says_so(
    tab: StagingTab, panel: Panel, host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    tab.source.text.value = str(make_zip(tmp_path / "photos.zip"))
    tab.stage_button.click()
    assert tab.stage_button.disabled
    tick(panel)
    assert tree_of(host.workspace / "photos") == TREE
    assert "Unpacked 4 files, 10.0 KB" in tab.jobs.message.value
    assert "Work here" in tab.jobs.message.value
    assert not tab.stage_button.disabled
    assert "photos.zip" in tab.recent.table.value
    assert "Done" in tab.recent.table.value
    assert str(tmp_path / "photos.zip") in tab.source.text.options


def test_work_here_changes_the_working_folder(tab: StagingTab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tab.work_button.click()
    assert "No target folder" in tab.notice.value
    (tmp_path / "data").mkdir()
    tab.target.text.value = str(tmp_path / "data")
    tab.work_button.click()
    assert Path.cwd() == tmp_path / "data"
    assert "now works in" in tab.notice.value
    tab.target.text.value = str(tmp_path / "missing")
    tab.work_button.click()
    assert "does not exist yet" in tab.notice.value


def test_without_paths_nothing_starts(tab: StagingTab) -> None:
    tab.stage_button.click()
    assert "No archive is chosen." in tab.notice.value
    tab.source.text.value = "/"
    tab.stage_button.click()
    assert "No target folder is chosen." in tab.notice.value
    assert not tab.jobs.busy


def test_a_bad_archive_is_told_before_and_after_pressing(
    tab: StagingTab, panel: Panel, tmp_path: Path, tick: Callable[[Panel], None], settle: Callable[[], None]
) -> None:
    (tmp_path / "photo.zip").write_bytes(b"\x89PNG\r\n\x1a\n")
    tab.source.text.value = str(tmp_path / "photo.zip")
    settle()
    assert "photo.zip is a PNG image" in tab.plan_message.value
    tab.stage_button.click()
    tick(panel)
    assert "photo.zip is a PNG image" in tab.jobs.message.value
    assert "Refused" in tab.recent.table.value


def test_foreign_names_stay_text(
    tab: StagingTab, panel: Panel, tmp_path: Path, tick: Callable[[Panel], None], settle: Callable[[], None]
) -> None:
    tab.source.text.value = str(make_zip(tmp_path / f"{EVIL[:-4]}.zip", {EVIL: b"x", f"../{EVIL}": b"x"}))
    settle()
    assert "1 member would be skipped." in tab.plan_message.value
    tab.stage_button.click()
    tick(panel)
    assert "1 member was skipped" in tab.jobs.message.value
    for view in (tab.plan_message, tab.jobs.message, tab.recent.table, tab.code, tab.plan_view):
        assert "<img" not in view.value


def test_options_reach_the_service_and_the_code(
    tab: StagingTab, panel: Panel, host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    tab.source.text.value = str(make_zip(tmp_path / "a.zip"))
    tab.options.toggle.click()
    tab.options.include.value = "*.txt, *.bin"
    tab.options.exclude.value = "data/deep/*"
    tab.options.first.value = "2"
    tab.options.overwrite.value = "never"
    tab.options._password.value = "s3cret"
    assert "include=[&#x27;*.txt&#x27;, &#x27;*.bin&#x27;]" in tab.code.value
    assert "getpass" in tab.code.value
    assert "s3cret" not in tab.code.value
    tick(panel)
    tick(panel)
    assert "<dd>2</dd>" in tab.plan_view.value
    tab.stage_button.click()
    tick(panel)
    assert sorted(tree_of(host.workspace / "a")) == ["data/a.txt", "data/empty.txt"]
    assert "s3cret" not in (host.state_dir / "stagings.json").read_text()
    tab.options.toggle.click()
    for wrong in ("many", "0", "-3"):
        tab.options.first.value = wrong
        assert "Sample takes a whole number" in tab.plan_message.value
        tab.stage_button.click()
        assert "Sample takes a whole number" in tab.notice.value


def test_cancel_keeps_the_partial_and_resume_goes_on(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    held = HeldWork()
    panel = make_panel(host, runner=JobRunner(held))
    tab = _tab(panel)
    source, target = make_zip(tmp_path / "a.zip"), host.workspace / "a"
    tab.source.text.value = str(source)
    tab.target.text.value = str(target)
    held.release()
    tab.stage_button.click()
    assert "cp-progress" in tab.jobs.bar.value
    tab.jobs.cancel_button.click()
    tick(panel)
    assert "Cancelling" in tab.jobs.figures.value
    held.release()
    tick(panel)
    assert "Cancelled." in tab.jobs.message.value
    tab.options.include.value = "*"
    assert tab.jobs.message.value == ""
    tab.options.include.value = ""
    assert not target.exists()
    history = History(host.state_dir)
    history.finish(history.begin(str(source), str(target), {"include": ["*.txt"]}), "cancelled", "Cancelled.")
    tab.recent.refresh()
    held.release()
    assert tab.recent.unfinished_row.layout.display is None
    tab.recent.resume_button.click()
    held.release()
    tick(panel)
    held.release()
    assert sorted(tree_of(target)) == ["data/a.txt", "data/empty.txt", "data/\u00e4\u4f60.txt"]
    assert tab.recent.unfinished_row.layout.display == "none"


def test_discard_forgets_and_deletes(tab: StagingTab, host: FakeHost, tmp_path: Path) -> None:
    target = host.workspace / "a"
    (host.workspace / "a.partial" / "files").mkdir(parents=True)
    (host.workspace / "a.partial" / "lock").touch()
    history = History(host.state_dir)
    history.finish(history.begin(str(tmp_path / "a.zip"), str(target), {}), "cancelled", "Cancelled.")
    tab.recent.refresh()
    tab.recent.discard_button.click()
    assert not os.listdir(host.workspace)
    assert history.entries() == []
    assert "Discarded" in tab.notice.value


def test_pack_writes_an_archive_beside_the_folder(
    tab: StagingTab, panel: Panel, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    tab.packing.button.click()
    assert "No folder is chosen." in tab.notice.value
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "<b>.txt").write_bytes(b"text " * 1000)
    (folder / "link").symlink_to("nowhere")
    tab.packing.folder.text.value = str(folder)
    assert tab.packing.archive.text.placeholder == f"{folder}.zip"
    assert f"colabpanel.pack(&#x27;{folder}&#x27;, &#x27;{folder}.zip&#x27;)" in tab.packing.code.value
    tab.packing.shard.value = "many"
    tab.packing.button.click()
    assert "takes a number of MB" in tab.notice.value
    tab.packing.shard.value = ""
    tab.packing.button.click()
    tick(panel)
    assert "Packed 1 file, 4.9 KB" in tab.packing.jobs.message.value
    assert "1 entry was left out" in tab.packing.jobs.message.value
    assert (tmp_path / "pictures.zip").exists()
    tab.packing.shard.value = "1"
    assert "shard_size=1048576" in tab.packing.code.value


def test_copy_brings_results_to_a_safe_place(
    tab: StagingTab, panel: Panel, host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    tab.copying.button.click()
    assert "Nothing to copy is chosen." in tab.notice.value
    results, drive = tmp_path / "results", tmp_path / "drive"
    write_tree(results, {"<b>.txt": b"text"})
    tab.copying.source.text.value = str(results)
    tab.copying.button.click()
    assert "No target is chosen." in tab.notice.value
    tab.copying.target.text.value = str(drive)
    assert f"colabpanel.copy(&#x27;{results}&#x27;, &#x27;{drive}/&#x27;)" in tab.copying.code.value
    tab.copying.every.value = "soon"
    tab.copying.button.click()
    assert "takes a number of minutes" in tab.notice.value
    tab.copying.every.value = ""
    (results / "link").symlink_to("nowhere")
    tab.copying.button.click()
    tick(panel)
    assert "Copied 1 file, 4 bytes" in tab.copying.jobs.message.value
    assert "1 was left out" in tab.copying.jobs.message.value
    assert tree_of(drive) == {"<b>.txt": b"text"}


def test_copy_again_and_again_tells_each_round(
    tab: StagingTab, panel: Panel, tmp_path: Path, tick: Callable[[Panel], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def rounds(*_: object, minutes: float, on_round: Callable[[object], None], **__: object) -> None:
        on_round(CopiedData("ok", tmp_path, 3, 30, 0, (), 1))
        seen.append(tab.copying.jobs.message.value)
        on_round(StorageError("Drive went away.", hint="Mount it."))
        seen.append(tab.copying.jobs.message.value)
        raise JobCancelledError

    monkeypatch.setattr(_copy_card, "mirror", rounds)
    for field, value in ((tab.copying.source, "a"), (tab.copying.target, "b")):
        field.text.value = value
    tab.copying.every.value = "2.5"
    assert "minutes=2.5" in tab.copying.code.value
    tab.copying.button.click()
    tick(panel)
    assert "Copied 3 files" in seen[0]
    assert "Drive went away." in seen[1]
    assert "Cancelled." in tab.copying.jobs.message.value


def test_a_plan_says_what_was_staged_before(
    tab: StagingTab, panel: Panel, host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    tab.source.text.value = str(make_zip(tmp_path / "photos.zip"))
    tab.stage_button.click()
    tick(panel)
    tab.target.text.value = str(host.workspace / "photos")
    for _ in range(3):
        tick(panel)
    assert "nothing needs to be unpacked" in tab.plan_view.value
    tab.stage_button.click()
    tick(panel)
    assert "are in" in tab.jobs.message.value
    assert "already; nothing was unpacked" in tab.jobs.message.value


def test_the_list_is_cleared_of_what_has_ended(tab: StagingTab, host: FakeHost) -> None:
    history = History(host.state_dir)
    for status in ("ok", "rejected", "cancelled"):
        history.finish(history.begin(f"{status}.zip", status, {}), status, "")
    history.begin("running.zip", "running", {})
    tab.recent.refresh()
    tab.recent.clear_button.click()
    assert [entry.source for entry in history.entries()] == ["running.zip", "cancelled.zip"]
    assert "ok.zip" not in tab.recent.table.value
    assert "running.zip" in tab.recent.table.value


def test_discard_waits_for_a_running_staging(make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path) -> None:
    held = HeldWork()
    tab = _tab(make_panel(host, runner=JobRunner(held)))
    history = History(host.state_dir)
    history.finish(history.begin(str(tmp_path / "a.zip"), "out", {}), "cancelled", "Cancelled.")
    tab.recent.refresh()
    held.release()
    tab.source.text.value = str(make_zip(tmp_path / "a.zip"))
    tab.stage_button.click()
    tab.recent.discard_button.click()
    assert "A staging is running." in tab.notice.value


def test_a_plan_that_was_overtaken_is_not_shown(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    held = HeldWork()
    panel = make_panel(host, runner=JobRunner(held))
    tab = _tab(panel)
    held.release()
    for source in (make_zip(tmp_path / "one.zip", {"a": b"1"}), tmp_path / "missing.zip"):
        tab.source.text.value = str(source)
        tick(panel)
        tick(panel)
    held.release()
    assert "does not exist" in tab.plan_message.value
    assert tab.plan_view.value == ""


def test_in_the_dashboard_paths_outside_are_refused_by_the_service(
    make_panel: Callable[..., Panel], tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    host = FakeHost(tmp_path, root=tmp_path / "work")
    host.is_served = True
    panel = make_panel(host)
    tab = _tab(panel)
    make_zip(tmp_path / "secret.zip")
    tab.source.text.value = "../secret.zip"
    tick(panel)
    tick(panel)
    assert "lies outside the folder" in tab.plan_message.value
    tab.stage_button.click()
    tick(panel)
    assert "lies outside the folder" in tab.jobs.message.value
    tab.source.browse_button.click()
    assert tab.source.chooser is not None
    assert "lies outside the folder" in tab.source.chooser._note.value
    assert "Work here" not in [
        child.description for child in tab.jobs.children[0].children if hasattr(child, "description")
    ]


def test_browsing_starts_at_drive(tab: StagingTab, panel: Panel, tmp_path: Path) -> None:
    make_zip(tmp_path / "on-drive.zip")
    panel.state.drive_root = str(tmp_path)
    tab.source.browse_button.click()
    assert tab.source.chooser is not None
    assert "on-drive.zip" in [title for title, _ in tab.source.chooser._dircontent.options]


def test_words_for_plans_and_long_lists() -> None:
    base = Plan(
        Path("/a.tgz"),
        Path("/out"),
        "tar.gz",
        1024,
        None,
        None,
        2048,
        None,
        target_used=True,
        resumable=True,
        reusable=False,
        cache=0,
        seconds=None,
        encrypted=False,
    )
    facts = plan_facts(base)
    assert facts.count("known after unpacking") == 2
    assert "not known" in facts
    assert "goes on where it stopped" in facts
    whole = plan_facts(replace(base, format=None, archive_size=None, encrypted=None))
    assert "size not known" in whole
    assert "brought to the disk whole" in whole
    listed = skipped_list([Skipped(f"{number}", "bad") for number in range(600)])
    assert listed.endswith("and 100 more; colabpanel.stage(...).skipped lists all")
    assert code_for("", "", {}, has_password=False)[-1] == "colabpanel.stage('data.zip', 'data')"


def test_the_dashboard_lists_what_lies_below_its_root_by_whole_paths(
    make_panel: Callable[..., Panel], tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    host = FakeHost(tmp_path, root=tmp_path / "work")
    History(host.state_dir).begin("/elsewhere/secret.zip", "/elsewhere/out", {})
    panel = make_panel(host)
    tab = _tab(panel)
    assert "secret" not in tab.recent.table.value
    make_zip(host.workspace / "a.zip")
    tab.source.text.value = "a.zip"
    tab.target.text.value = "./sub/../out"
    tab.stage_button.click()
    tick(panel)
    entry = History(host.state_dir).entries()[0]
    assert (entry.source, entry.directory) == (str(host.workspace / "a.zip"), str(host.workspace / "out"))


def test_stagings_of_others_are_followed(
    tab: StagingTab, panel: Panel, host: FakeHost, tmp_path: Path, clock: FakeClock
) -> None:
    history = History(host.state_dir)
    entry = history.begin(str(tmp_path / "a.zip"), "out", {})
    tab.recent.refresh()
    assert "Running" in tab.recent.table.value
    history.finish(entry, "ok", "Done.", files=1, size=1)
    clock.now += 6
    panel.refresher.tick()
    assert "Running" not in tab.recent.table.value


def test_an_address_is_staged_from_and_its_secret_is_not_listed(
    tab: StagingTab, host: FakeHost, tmp_path: Path, settle: Callable[[], None]
) -> None:
    with serving() as server:
        url = server.serve(make_zip(tmp_path / "a.zip").read_bytes(), "/my%20photos.zip")
        tab.source.text.value = f"{url}?token=secret"
        assert tab.directory == str(host.workspace / "my photos")
        settle()
        assert "<dd>4</dd>" in tab.plan_view.value
        tab.stage_button.click()
        settle()
        assert "Unpacked 4 files" in tab.jobs.message.value
        assert tree_of(host.workspace / "my photos") == TREE
        assert "secret" not in tab.recent.table.value
        assert f"{url}?…" in tab.source.text.options
        tab.source.text.value = f"{url}?…"
        tab.stage_button.click()
        settle()
    assert "are in" in tab.jobs.message.value
    assert [asked.path.partition("?")[2] for asked in server.asked] == ["token=secret"] * len(server.asked)


def test_an_address_whose_secret_is_forgotten_is_asked_for_again(
    tab: StagingTab, host: FakeHost, settle: Callable[[], None]
) -> None:
    host.is_served = False
    History(host.state_dir).finish(
        History(host.state_dir).begin("https://host/a.zip?…", str(host.workspace / "out"), {}), "cancelled", ""
    )
    tab.recent.refresh()
    settle()
    assert [title for title, _ in tab.recent.unfinished.options] == [f"a.zip into {host.workspace / 'out'}"]
    tab.recent.resume_button.click()
    settle()
    assert "Paste the whole address again" in tab.jobs.message.value


def test_what_is_discarded_was_chosen(tab: StagingTab, host: FakeHost, tmp_path: Path) -> None:
    history = History(host.state_dir)
    for name in ("a", "b", "c"):
        (host.workspace / f"{name}.partial/files").mkdir(parents=True)
        (host.workspace / f"{name}.partial/lock").touch()
        key = history.begin(str(tmp_path / f"{name}.zip"), str(host.workspace / name), {})
        history.finish(key, "cancelled", "Cancelled.")
    recent = tab.recent
    recent.refresh()
    recent.unfinished.value = next(key for title, key in recent.unfinished.options if title.startswith("b.zip"))
    chosen = recent.unfinished.value
    recent.refresh()
    assert recent.unfinished.value == chosen
    recent.discard_button.click()
    recent.discard_button.click()
    assert "No unfinished staging is chosen." in tab.notice.value
    assert sorted(os.listdir(host.workspace)) == ["a.partial", "c.partial"]


def test_a_plan_that_comes_after_its_staging_is_dropped(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    held = HeldWork()
    panel = make_panel(host, runner=JobRunner(held))
    tab = _tab(panel)
    tab.source.text.value = str(make_zip(tmp_path / "a.zip"))
    tick(panel)
    tick(panel)
    tab.stage_button.click()
    held.waiting.reverse()  # the staging ends first
    staging = held.waiting.pop(0)
    staging()
    tick(panel)
    held.release()
    assert "Unpacked 4 files" in tab.jobs.message.value
    assert tab.plan_view.value == tab.plan_message.value == ""


def test_a_view_works_again_once_threads_can_be_started(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None], clock: FakeClock
) -> None:
    is_full = False

    def spawn(work: Callable[[], None], _: str) -> None:
        if is_full:
            raise RuntimeError("can't start new thread")
        work()

    panel = make_panel(host, runner=JobRunner(spawn))
    tab = _tab(panel)
    is_full = True
    tab.source.text.value = str(make_zip(tmp_path / "a.zip"))
    tick(panel)
    tick(panel)
    assert "starts no more threads" in tab.plan_message.value
    is_full = False
    clock.now += 60
    tab.target.text.value = str(tmp_path / "b")
    tick(panel)
    tick(panel)
    assert "<dd>4</dd>" in tab.plan_view.value


def test_browsing_from_what_is_not_there_begins_with_the_nearest_that_is(
    tab: StagingTab, host: FakeHost, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    for path, shown in (
        (str(tmp_path / "new/deep"), tmp_path),
        ("https://example.org/a.zip", host.workspace),
    ):
        tab.target.path = path
        tab.target.browse_button.click()
        chooser = tab.target.chooser
        assert chooser is not None
        assert chooser._folder == str(shown)
        assert "does not exist" in chooser._note.value
    tab.target.path = str(tmp_path)
    tab.target.browse_button.click()
    assert chooser is not None
    assert "there/" in [title for title, _ in chooser._dircontent.options]
    assert "does not exist" not in chooser._note.value


def test_work_here_goes_where_the_last_staging_ended(
    tab: StagingTab, host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    history, source = History(host.state_dir), make_zip(tmp_path / "a.zip")
    entry = history.begin(str(source), str(tmp_path / "other"), {})
    history.finish(entry, "cancelled", "Cancelled.")
    tab.recent.refresh()
    tab.recent.resume_button.click()
    tab.update()
    tab.work_button.click()
    assert Path.cwd() == tmp_path / "other"
    tab.target.path = str(tmp_path)
    tab.work_button.click()
    assert Path.cwd() == tmp_path


def test_what_is_gone_on_with_is_not_begun_anew(host: FakeHost, tmp_path: Path) -> None:
    history = History(host.state_dir)
    stage_and_record(Progress(), history, str(make_zip(tmp_path / "a.zip")), str(tmp_path / "out"), resume=False)
    assert history.entries()[0].options == {}


def test_the_archive_of_the_folder_itself_has_its_name(
    tab: StagingTab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, archive in (
        ("data/", "data.zip"),
        (".", f"{tmp_path}.zip"),
        ("..", f"{tmp_path.parent}.zip"),
        ("", ""),
    ):
        tab.packing.folder.path = folder
        assert tab.packing.target == archive
