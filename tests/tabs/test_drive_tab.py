from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from colabpanel.errors import HostError
from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.services import saves
from colabpanel.services.drive import DriveFolder
from colabpanel.services.drive.health import DriveHealth
from colabpanel.tabs import _drive_mount_card
from colabpanel.tabs import drive as drive_tab
from colabpanel.tabs.drive import DriveTab
from tests.archives import write_tree
from tests.fakes import FakeHost, HeldWork
from tests.faulty_fs import faulty, why_not
from tests.rclone_box import rclone_box


def _tab(panel: Panel) -> DriveTab:
    tab = panel.tabs["drive"]
    assert isinstance(tab, DriveTab)
    return tab


def test_on_colab_drive_is_mounted_and_unmounted(
    make_panel: Callable[..., Panel], tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    panel = make_panel(host)
    tab = _tab(panel)
    assert "Not mounted." in tab.status.value
    tab.mounting.readonly.value = True
    assert "mount_drive(readonly=True)" in tab.mounting.code.value
    tab.mounting.mount_button.click()
    tick(panel)
    assert panel.state.drive_root == str(tmp_path / "drive" / "MyDrive")
    assert "Mounted: " in tab.status.value
    assert "Drive is mounted" in tab.mounting.jobs.message.value
    tab.mounting.unmount_button.click()
    tick(panel)
    assert panel.state.drive_root == ""
    assert host.unmounted == 1
    assert "everything was written out" in tab.mounting.jobs.message.value


def test_drive_is_mounted_elsewhere_and_anew_where_that_is_wanted(
    make_panel: Callable[..., Panel], tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    panel = make_panel(host)
    mounting = _tab(panel).mounting
    mounting.options_button.click()
    assert mounting.options is not None
    assert "mount_drive()" in mounting.code.value
    mounting.options.mountpoint.value = f" {tmp_path / 'other'} "
    mounting.options.timeout.value = 300
    mounting.options.force.value = True
    assert "force=True, timeout=300.0)" in mounting.code.value
    mounting.mount_button.click()
    tick(panel)
    assert host.mounted == [tmp_path / "other"]
    assert panel.state.drive_root == str(tmp_path / "other" / "MyDrive")
    mounting.check_button.click()
    tick(panel)
    assert str(tmp_path / "other") in mounting.jobs.message.value


def test_a_refusal_is_told_with_its_hint(
    make_panel: Callable[..., Panel], tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    host.refusal = HostError("Drive did not mount: <b>.", hint="Press Mount again.")
    panel = make_panel(host)
    tab = _tab(panel)
    tab.mounting.mount_button.click()
    tick(panel)
    assert "Drive did not mount: &lt;b&gt;." in tab.mounting.jobs.message.value
    assert "Press Mount again." in tab.mounting.jobs.message.value


def test_elsewhere_a_folder_serves_as_drive_and_is_remembered(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    folder = tmp_path / "my drive"
    folder.mkdir()
    panel = make_panel(host)
    tab = _tab(panel)
    tab.use_button.click()
    assert "No folder is chosen." in tab.notice.value
    tab.folder.text.value = str(folder)
    assert f"use_drive_folder(&#x27;{folder}&#x27;)" in tab.code.value
    tab.use_button.click()
    tick(panel)
    assert panel.state.drive_root == str(folder)
    again = make_panel(host)
    assert again.state.drive_root == str(folder)
    folder.rmdir()
    gone = make_panel(host)
    assert "does not exist" in _tab(gone).notice.value


def test_the_browser_of_files_is_made_when_it_is_asked_for(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    (tmp_path / "drive").mkdir()
    (tmp_path / "drive/a.txt").write_text("a")
    panel = make_panel(host)
    tab = _tab(panel)
    tab.folder.text.value = str(tmp_path / "drive")
    tab.use_button.click()
    tick(panel)
    tab.files_button.click()
    tick(panel)
    assert tab.browser is not None
    page = tab.browser.left.page
    assert page is not None
    assert [entry.name for entry in page.entries] == ["a.txt"]


def test_a_remote_is_looked_through_in_the_browser_of_files(
    make_panel: Callable[..., Panel],
    host: FakeHost,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tick: Callable[[Panel], None],
) -> None:
    with rclone_box(tmp_path, monkeypatch) as box:
        write_tree(box, {"sets/a.zip": b"a"})
        panel = make_panel(host)
        tab = _tab(panel)
        tab.remotes_button.click()
        tick(panel)
        assert tab.remotes is not None
        for _ in range(2):  # asked for again, it is offered once
            tab.remotes.browse_button.click()
            tick(panel)
    assert tab.browser is not None
    assert [title for title, _ in tab.browser.right.spot.options][1:] == ["This machine", "box:"]
    page = tab.browser.right.page
    assert page is not None
    assert [entry.name for entry in page.entries] == ["sets"]
    tab.safety_button.click()
    assert tab.offer.layout.display == "none"


def test_a_drive_that_went_away_is_noticed_and_repaired(
    make_panel: Callable[..., Panel],
    tmp_path: Path,
    tick: Callable[[Panel], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    panel = make_panel(host)
    tab = _tab(panel)
    tab.mounting.mount_button.click()
    tick(panel)
    health = DriveHealth("hangs", tmp_path / "drive", "fuse.drive", None, "It <b>hangs</b>.", "Press Repair.")
    monkeypatch.setattr(_drive_mount_card, "drive_health", lambda **_: health)
    tab.mounting._look()
    assert "Stale: It &lt;b&gt;hangs&lt;/b&gt;." in tab.status.value
    tab.mounting.check_button.click()
    tick(panel)
    assert "Press Repair." in tab.mounting.jobs.message.value
    well = DriveHealth("ok", tmp_path / "drive", "fuse.drive", 0.1, "It answers.")
    monkeypatch.setattr(_drive_mount_card, "drive_health", lambda **_: well)
    tab.mounting._look()
    assert f"Mounted: {tmp_path / 'drive/MyDrive'}" in tab.status.value
    shutil.rmtree(tmp_path / "drive")
    tab.mounting.repair_button.click()
    tick(panel)
    assert "Drive is back." in tab.mounting.jobs.message.value


def test_a_cell_that_mounts_or_unmounts_drive_is_noticed(
    make_panel: Callable[..., Panel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make_panel(FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive"))
    tab = _tab(panel)
    found = DriveHealth("ok", tmp_path / "drive", "fuse.drive", 0.1, "It answers.")
    monkeypatch.setattr(_drive_mount_card, "mounted_at", lambda _: "fuse.drive")
    monkeypatch.setattr(_drive_mount_card, "drive_health", lambda **_: found)
    monkeypatch.setattr(
        drive_tab, "find_drive", lambda **_: DriveFolder(tmp_path / "drive/MyDrive", tmp_path / "drive")
    )
    tab.mounting._look()
    assert panel.state.drive_root == str(tmp_path / "drive/MyDrive")
    assert "Mounted: " in tab.status.value
    found = DriveHealth("not mounted", tmp_path / "drive", "", None, "Drive is not mounted.")
    tab.mounting._look()
    assert panel.state.drive_root == ""
    assert "Not mounted." in tab.status.value


def test_a_hung_drive_costs_a_message_and_no_click(
    make_panel: Callable[..., Panel], tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    if reason := why_not():
        pytest.skip(reason)
    (tmp_path / "real/MyDrive").mkdir(parents=True)
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    with faulty(tmp_path / "real", tmp_path / "drive") as disk:
        panel = make_panel(host, runner=JobRunner())
        tab = _tab(panel)
        disk.freeze()
        tab.mounting.check_button.click()
        assert tab.mounting.jobs.busy  # the click is over, and the answer is not there
        while tab.mounting.jobs.busy:
            tick(panel)
            threading.Event().wait(0.05)
        tick(panel)
        assert "did not answer within 5 seconds" in tab.mounting.jobs.message.value
        assert "Stale: " in tab.status.value


def test_nothing_is_looked_at_while_nothing_is_mounted(make_panel: Callable[..., Panel], tmp_path: Path) -> None:
    tab = _tab(make_panel(FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")))
    tab.mounting._look()
    assert "Not mounted." in tab.status.value


def test_a_folder_is_checked(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    panel = make_panel(host)
    tab = _tab(panel)
    tab.check_button.click()
    assert "No folder is chosen." in tab.notice.value
    tab.folder.text.value = str(tmp_path)
    tab.check_button.click()
    tick(panel)
    assert "answers in" in tab.jobs.message.value


def test_files_are_looked_at_and_waited_for(
    make_panel: Callable[..., Panel],
    host: FakeHost,
    tmp_path: Path,
    tick: Callable[[Panel], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(saves, "_newest", {})
    panel = make_panel(host)
    tab = _tab(panel)
    tab.safety_button.click()
    card = tab.safety
    assert card is not None
    card.check_button.click()
    assert "Nothing was saved in this session." in tab.notice.value
    (tmp_path / "<b>").write_text("x")
    saves.note_save(tmp_path / "<b>")
    card.check_button.click()
    tick(panel)
    assert "1 file, 1 byte, on this machine only." in card.jobs.message.value
    assert "&lt;b&gt;: here" in card.jobs.message.value
    card.path.text.value = str(tmp_path / "<b>")
    assert "wait_until_safe" in card.code.value
    card.wait_button.click()
    tick(panel)
    assert "on this machine only." in card.jobs.message.value


def test_two_clicks_open_one_card(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rclone_box(tmp_path, monkeypatch):
        tab = _tab(make_panel(host))
        for press in (tab.files_button, tab.safety_button, tab.remotes_button):
            before = len(tab.widget.children)
            press.click()
            press.click()
            assert len(tab.widget.children) == before + 1


def test_what_the_user_says_goes_before_what_is_found(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    held = HeldWork()
    panel = make_panel(host, runner=JobRunner(held))
    tab = _tab(panel)
    (tmp_path / "mine").mkdir()
    tab.folder.text.value = str(tmp_path / "mine")
    tab.use_button.click()
    held.waiting.reverse()  # what was found at the beginning comes last
    held.release()
    tick(panel)
    assert tab.context.state.drive_root == str(tmp_path / "mine")
