"""The cards for remotes, used as a user does."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import ipywidgets
import pytest

from colabpanel.errors import StorageError
from colabpanel.panel import Panel
from colabpanel.services.browsing.remote_place import RemotePlace
from colabpanel.services.remotes.drive_api import store as drive_store
from colabpanel.services.remotes.drive_api.store import DriveStore
from colabpanel.services.remotes.permission import VARIABLE
from colabpanel.services.remotes.rclone.daemon import stop_rclone
from colabpanel.tabs import TabEntry, _registry, _remotes_card
from colabpanel.tabs._base import Tab
from colabpanel.tabs._browser_card import BrowserCard
from colabpanel.tabs._remotes_card import RemotesCard
from colabpanel.widgets import basics
from tests.archives import tree_of, write_tree
from tests.fake_drive_api import CERTIFICATE, TOKEN, FakeDriveApi, drive_api
from tests.fakes import FakeHost
from tests.rclone_box import rclone_box

PRINTED = f'--->\n{{"access_token": "{TOKEN}", "expiry": "2099-01-01T00:00:00Z"}}\n<---'
EVIL = "<img src=x onerror=alert(1)>"


class RemotesTab(Tab):
    """A tab with nothing but the cards."""

    def build(self) -> list[ipywidgets.Widget]:
        self.browsed: list[RemotePlace] = []
        self.remotes = RemotesCard(self, browse=self.browsed.append)
        return [self.remotes.widget]


_load = TabEntry.load


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = TabEntry("remotes", "Remotes", f"{__name__}:RemotesTab")
    monkeypatch.setattr(TabEntry, "load", lambda entry: RemotesTab if entry is ours else _load(entry))
    monkeypatch.setattr(_registry, "TABS", (ours, *_registry.TABS))


@pytest.fixture(autouse=True)
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with rclone_box(tmp_path, monkeypatch, more="[mem]\ntype = memory\n") as folder:
        yield folder


@pytest.fixture
def api(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDriveApi]:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    host.google_token = lambda: TOKEN
    with drive_api() as server:
        monkeypatch.setattr(drive_store, "DriveStore", partial(DriveStore, base=server.url))
        yield server


def _tab(panel: Panel) -> RemotesTab:
    panel.select("remotes")
    tab = panel.tabs["remotes"]
    assert isinstance(tab, RemotesTab)
    return tab


@pytest.fixture
def tab(make_panel: Callable[..., Panel], host: FakeHost) -> RemotesTab:
    return _tab(make_panel(host))


def _press(tab: RemotesTab, button: ipywidgets.Button, view: object = None) -> str:
    button.click()
    tab.update()
    shown = view or tab.remotes.jobs
    return f"{shown.message.value}{tab.notice.value}"  # type: ignore[attr-defined]


def test_remotes_are_chosen_checked_and_asked_for_room(tab: RemotesTab, box: Path) -> None:
    card = tab.remotes
    assert [title for title, _ in card.remote.options] == ["box: (alias)", "mem: (memory)"]
    write_tree(box, {"a": b"", "b": b""})
    assert "box: answers: its top holds 2 entries." in _press(tab, card.check_button)
    assert "free" in _press(tab, card.room_button)
    card.remote.value = "mem"
    card.refresh_button.click()
    assert card.remote.value == "mem"
    assert "does not tell how much room" in _press(tab, card.room_button)
    card.browse_button.click()
    assert tab.browsed == [RemotePlace("mem", tab.context.host)]


def test_a_remote_is_looked_through_beside_this_machine(tab: RemotesTab, box: Path) -> None:
    host = tab.context.host
    write_tree(box, {"sets/far.zip": b"far", f"{EVIL}.txt": b""})
    write_tree(host.workspace, {"near.txt": b"near"})
    browser = BrowserCard(tab)
    tab.context.state.drive_root = str(host.workspace)
    tab.remotes.browse_button.click()
    browser.show_place(tab.browsed[0])
    page = browser.right.page
    assert page is not None
    assert [entry.name for entry in page.entries] == ["sets", f"{EVIL}.txt"]
    assert EVIL not in browser.right.table.html.value
    browser.right.open("box:sets")
    browser.right.picked = {"box:sets/far.zip": browser.right.page.entries[0]} if browser.right.page else {}
    browser.actions.copy_button.click()
    tab.update()
    assert "Copied 1 entry" in browser.actions.jobs.message.value
    assert tree_of(host.workspace) == {"near.txt": b"near", "far.zip": b"far"}
    browser.left.picked = {entry.address: entry for entry in browser.left.page.entries} if browser.left.page else {}
    browser.actions.overwrite.value = "replace"
    browser.actions.copy_button.click()
    tab.update()
    assert "Copied 2 entries" in browser.actions.jobs.message.value
    assert tree_of(box / "sets") == {"near.txt": b"near", "far.zip": b"far"}


def test_a_file_is_uploaded(tab: RemotesTab, box: Path, tmp_path: Path) -> None:
    card = tab.remotes
    assert "No file is chosen." in _press(tab, card.put_button, card.putting)
    (tmp_path / "set.zip").write_bytes(b"12345")
    card.file.text.value = str(tmp_path / "set.zip")
    assert "Put 5 bytes at box:set.zip" in _press(tab, card.put_button, card.putting)
    card.goal.value = f"box:{EVIL}/"
    said = _press(tab, card.put_button, card.putting)
    assert "verified by its checksum" in said
    assert EVIL not in said
    card.goal.value = "box:set.zip"
    assert "is there already" in _press(tab, card.put_button, card.putting)
    (tmp_path / "set.zip").write_bytes(b"new")
    card.overwrite.value = True
    assert "overwrite=True" in card.code.value
    assert "Put 3 bytes" in _press(tab, card.put_button, card.putting)
    assert tree_of(box)["set.zip"] == b"new"


def test_a_remote_is_added_with_a_token_that_leaves_the_field(tab: RemotesTab, tmp_path: Path) -> None:
    tab.remotes.add_button.click()
    setup = tab.remotes.setup
    assert setup is not None
    assert "rclone authorize &quot;dropbox&quot;" in setup.steps.value
    assert "No token was given." in _press(tab, setup.add_button, setup.jobs)
    setup.name.value, tab.remotes.remote.value = "mine", "box"
    setup.token.value = PRINTED
    assert setup.token.value == ""
    assert "Received" in setup.token.placeholder
    assert "mine: is added." in _press(tab, setup.add_button, setup.jobs)
    assert "Received" not in setup.token.placeholder
    assert tab.remotes.remote.value == "mine"
    assert TOKEN in (tmp_path / "rclone.conf").read_text()
    held = repr([widget.get_state() for widget in basics._tree(tab.widget, set())])
    assert TOKEN not in held
    assert "mine: is forgotten." in _press(tab, setup.forget_button, setup.jobs)
    assert TOKEN not in (tmp_path / "rclone.conf").read_text()
    setup.name.value = ""
    assert "No name was given." in _press(tab, setup.forget_button, setup.jobs)


def test_kinds_without_a_token_are_explained(tab: RemotesTab) -> None:
    tab.remotes.add()
    tab.remotes.add()
    setup = tab.remotes.setup
    assert setup is not None
    setup.kind.value, setup.name.value = "s3", EVIL
    assert "rclone config create" in setup.steps.value
    assert EVIL not in setup.steps.value
    assert setup.token.layout.display == "none"
    setup.kind.value = "drive"
    assert setup.token.layout.display is None


def test_no_rclone_and_no_remotes(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rclone.conf").write_text("")
    tab = _tab(make_panel(host))
    assert "There is no remote yet." in tab.remotes.state.value
    assert tab.remotes.uploading.layout.display == "none"
    assert "No remote is chosen." in _press(tab, tab.remotes.check_button)
    stop_rclone()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    tab.remotes.refresh_button.click()
    assert "there is none" in tab.remotes.state.value
    assert "colabpanel[remote]" in tab.remotes.state.value


def test_in_a_dashboard(
    make_panel: Callable[..., Panel], tmp_path: Path, box: Path, monkeypatch: pytest.MonkeyPatch, api: FakeDriveApi
) -> None:
    host = FakeHost(tmp_path)
    host.is_served, host.root = True, tmp_path
    tab = _tab(make_panel(host))
    card = tab.remotes
    assert "may use no remote" in card.state.value
    assert card.drive is None
    assert [title for title, _ in card.remote.options] == []
    monkeypatch.setenv(VARIABLE, "box")
    card.refresh_button.click()
    assert [title for title, _ in card.remote.options] == ["box: (alias, to read)"]
    assert card.uploading.layout.display == "none"
    assert "answers" in _press(tab, card.check_button)
    (tmp_path / "x").write_bytes(b"x")
    card.file.text.value, card.goal.value, card.overwrite.value = "x", "box:y", True
    assert "may only read from box" in _press(tab, card.put_button, card.putting)
    card.add()
    assert card.setup is not None
    card.setup.name.value, card.setup.token.value = "mine", PRINTED
    assert "does not set up remotes" in _press(tab, card.setup.add_button, card.setup.jobs)
    monkeypatch.setenv(VARIABLE, "box:rw")
    write_tree(box, {"y": b"there"})
    assert "is there already" in _press(tab, card.put_button, card.putting)
    assert tree_of(box) == {"y": b"there"}


def test_drive_by_its_api(make_panel: Callable[..., Panel], host: FakeHost, api: FakeDriveApi) -> None:
    file = api.add("photos/a.zip", b"12")
    api.add("old", b"123", trashed=True)
    tab = _tab(make_panel(host))
    card, drive = tab.remotes, tab.remotes.drive
    assert drive is not None
    assert [title for title, _ in card.remote.options] == ["Drive, by its API", "box: (alias)", "mem: (memory)"]
    assert "3 bytes in the trash" in _press(tab, card.room_button)
    card.browse_button.click()
    assert tab.browsed[0].title == "Drive, by its API"
    assert "No link was given." in _press(tab, drive.look_button, drive.jobs)
    drive.text.value = f"https://drive.google.com/open?id={file.id}"
    assert "drive:photos/a.zip" in _press(tab, drive.look_button, drive.jobs)
    drive.text.value = "drive:photos/a.zip"
    assert f"/file/d/{file.id}/view" in _press(tab, drive.look_button, drive.jobs)
    drive.confirm.value = "yes"
    assert "was not emptied" in _press(tab, drive.empty_button, drive.jobs)
    assert drive.confirm.value == ""
    drive.confirm.value = "empty the trash"
    assert "Trash of Drive is empty" in _press(tab, drive.empty_button, drive.jobs)
    assert all(not one.trashed for one in api.files.values())


def test_a_failure_moves_no_choice(tab: RemotesTab, monkeypatch: pytest.MonkeyPatch) -> None:
    card = tab.remotes
    card.remote.value = "mem"

    def fail(**_: object) -> None:
        raise StorageError("It does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(_remotes_card, "remotes", fail)
        card.refresh_button.click()
    assert "It does not answer." in card.state.value
    assert card.remote.value == "mem"
    card.refresh_button.click()
    assert (card.remote.value, card.state.value) == ("mem", "")


def test_a_token_outlives_a_name_that_is_refused(tab: RemotesTab) -> None:
    tab.remotes.add_button.click()
    setup = tab.remotes.setup
    assert setup is not None
    setup.kind.value = "dropbox"
    setup.token.value = '{"access_token": "secret"}'
    setup.name.value = "no name/"
    setup.add_button.click()
    tab.update()
    assert "A remote cannot be called that." in setup.jobs.message.value
    assert setup.token.placeholder == "Received; press Add"
    setup.name.value = "mine"
    setup.add_button.click()
    tab.update()
    assert "mine: is added." in setup.jobs.message.value
    assert setup.token.placeholder != "Received; press Add"
