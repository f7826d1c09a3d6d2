from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from colabpanel.errors import HostError
from colabpanel.panel import Panel
from colabpanel.tabs.drive import DriveTab
from tests.fakes import FakeHost


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
    tab.readonly.value = True
    assert "mount_drive(readonly=True)" in tab.code.value
    tab.mount_button.click()
    tick(panel)
    assert panel.state.drive_root == str(tmp_path / "drive" / "MyDrive")
    assert "Mounted: " in tab.status.value
    assert "Drive is mounted" in tab.jobs.message.value
    tab.unmount_button.click()
    tick(panel)
    assert panel.state.drive_root == ""
    assert host.unmounted == 1
    assert "everything was written out" in tab.jobs.message.value


def test_a_refusal_is_told_with_its_hint(
    make_panel: Callable[..., Panel], tmp_path: Path, tick: Callable[[Panel], None]
) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    host.refusal = HostError("Drive did not mount: <b>.", hint="Press Mount again.")
    panel = make_panel(host)
    tab = _tab(panel)
    tab.mount_button.click()
    tick(panel)
    assert "Drive did not mount: &lt;b&gt;." in tab.jobs.message.value
    assert "Press Mount again." in tab.jobs.message.value


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
    assert [entry.name for entry in tab.browser.left.page.entries] == ["a.txt"]
