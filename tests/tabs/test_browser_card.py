"""The browser of files, used as a user does."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import ipywidgets
import pytest

from colabpanel.errors import HostError, StorageError
from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.progress import Progress
from colabpanel.services.browsing import listing_here
from colabpanel.services.browsing.models import Done, FolderPage, FolderSize, Operation, Overwrite, Query
from colabpanel.services.browsing.places import LocalPlace, Place
from colabpanel.tabs import TabEntry, _registry
from colabpanel.tabs._base import Tab
from colabpanel.tabs._browser_card import BrowserCard
from colabpanel.tabs._browser_pane import BrowserPane
from tests.archives import tree_of, write_tree
from tests.fakes import FakeHost, HeldWork

EVIL = "<img src=x onerror=alert(1)>"
TREE = {"a.txt": b"a", "d/b.bin": b"12345", "d/e/c": b"c", "set.zip": b"no zip", f"{EVIL}.txt": b""}


class BrowserTab(Tab):
    """A tab with nothing but the card."""

    def build(self) -> list[ipywidgets.Widget]:
        self.browser = BrowserCard(self)
        return [self.browser.widget]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = TabEntry("browser", "Browser", f"{__name__}:BrowserTab")
    monkeypatch.setattr(TabEntry, "load", lambda entry: BrowserTab if entry is ours else _load(entry))
    monkeypatch.setattr(_registry, "TABS", (ours, *_registry.TABS))


_load = TabEntry.load


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_tree(tmp_path / "drive/MyDrive", TREE)
    (tmp_path / "work").mkdir(exist_ok=True)
    return tmp_path


@pytest.fixture
def panel(make_panel: Callable[..., Panel], host: FakeHost, files: Path) -> Panel:
    return _panel(make_panel(host), files)


def _panel(panel: Panel, files: Path) -> Panel:
    panel.select("browser")
    panel.state.drive_root = str(files / "drive/MyDrive")
    return panel


@pytest.fixture
def card(panel: Panel) -> BrowserCard:
    return _card(panel)


def _card(panel: Panel) -> BrowserCard:
    tab = panel.tabs["browser"]
    assert isinstance(tab, BrowserTab)
    return tab.browser


def _tab_of(card: BrowserCard) -> Tab:
    return card._tab


def _send(pane: BrowserPane, act: str, words: str) -> None:
    """Do what the page does when something is clicked on."""
    signal = pane.table.signal
    signal.value = f"{act} {pane.table._turn} {words} {len(signal.value)}"


def _names(pane: BrowserPane) -> list[str]:
    return [entry.name for entry in pane.page.entries] if pane.page else []


def _pick(pane: BrowserPane, *names: str) -> None:
    for name in names:
        _send(pane, "pick", f"{_names(pane).index(name)} true")


def _press(card: BrowserCard, button: ipywidgets.Button) -> str:
    button.click()
    _tab_of(card).update()
    return str(card.actions.jobs.message.value)


def _read_question(card: BrowserCard) -> None:
    """Let the time pass that a question takes to be read."""
    assert card.actions.delete_button.disabled
    card.actions.delete_button.click()  # the second half of a double-click answers nothing
    for _ in range(3):
        card.actions._question._update()
    assert not card.actions.delete_button.disabled


def test_both_lists_show_their_folders(card: BrowserCard, files: Path) -> None:
    assert _names(card.left) == ["d", f"{EVIL}.txt", "a.txt", "set.zip"]
    assert _names(card.right) == []
    html = card.left.table.html.value
    assert EVIL not in html
    assert "&lt;img" in html
    assert 'aria-label="Open d"' in html
    assert "4 entries" in card.left.where.value
    assert "Nothing to show." in card.right.table.html.value
    assert [title for title, _ in card.left.spot.options][1:3] == ["My Drive", "Shared drives"]
    assert card.left.path.placeholder == str(files / "drive/MyDrive")


def test_folders_are_entered_and_left(card: BrowserCard, files: Path) -> None:
    pane = card.left
    _send(pane, "enter", "0")
    assert _names(pane) == ["e", "b.bin"]
    pane.up_button.click()
    assert "d" in _names(pane)
    pane.path.value = f" '{files}/drive/MyDrive/d/e' "
    pane.open_button.click()
    assert _names(pane) == ["c"]
    assert pane.page is not None
    titles = [crumb.title for crumb in pane.page.crumbs]
    _send(pane, "go", str(titles.index("MyDrive")))
    assert "d" in _names(pane)
    pane.spot.value = 1
    assert "does not exist" in pane.message.value
    assert "d" in _names(pane), "the last folder stays"
    pane.spot.value = 0
    assert pane.message.value == ""


def test_sorting_filtering_and_pages(card: BrowserCard, files: Path) -> None:
    pane = card.right
    write_tree(files / "work", {f"{number:03}.jpg": b"x" * number for number in range(120)})
    pane.refresh_button.click()
    assert (pane.back_button.disabled, pane.next_button.disabled) == (True, False)
    assert "1 to 50 of 120" in pane.where.value
    pane.next_button.click()
    pane.next_button.click()
    assert "101 to 120 of 120" in pane.where.value
    assert (pane.back_button.disabled, pane.next_button.disabled) == (False, True)
    _send(pane, "sort", "size")
    assert _names(pane)[:2] == ["119.jpg", "118.jpg"]
    assert 'aria-sort="descending"' in pane.table.html.value
    _send(pane, "sort", "size")
    assert _names(pane)[0] == "000.jpg"
    pane.filter.value = "1?9*"
    pane.update()
    assert len(_names(pane)) == 50, "the user may be typing"
    pane.update()
    assert _names(pane) == ["109.jpg", "119.jpg"]
    assert "2 of 120 entries" in pane.where.value
    pane.filter.value = ""
    pane.update()
    pane.update()
    pane.page_size.value = 200
    assert len(_names(pane)) == 120


def test_what_the_page_sends_is_not_believed(card: BrowserCard) -> None:
    pane = card.left
    before = pane.table._turn
    for act, words in (("pick", "99 true"), ("pick", "-1 true"), ("pick", "x"), ("enter", "1"), ("go", "77")):
        _send(pane, act, words)
    _send(pane, "sort", "colour")
    pane.table.signal.value = f"pick {before - 1} 0 true late"
    pane.table.signal.value = "pick x"
    pane.table.signal.value = EVIL
    assert not pane.picked
    assert pane.table._turn == before


def test_choosing_is_for_one_list_and_outlives_pages(card: BrowserCard, files: Path) -> None:
    write_tree(files / "work", {f"{number:03}.jpg": b"x" for number in range(60)})
    card.right.refresh()
    _pick(card.left, "a.txt")
    assert "1 entry chosen in" in card.actions.status.value
    _pick(card.right, "000.jpg")
    assert not card.left.picked
    assert " checked" not in card.left.table.html.value
    card.right.next_button.click()
    _send(card.right, "all", "true")
    assert len(card.right.picked) == 11
    _send(card.right, "pick", "0 false")
    card.right.back_button.click()
    assert card.right.table.html.value.count(" checked") == 1
    assert "10 entries chosen" in card.actions.status.value
    assert "10 bytes" in card.actions.status.value


def test_copying_asks_and_keeps_both(card: BrowserCard, files: Path) -> None:
    assert _press(card, card.actions.copy_button) == ""
    assert "Nothing is chosen." in _tab_of(card).notice.value
    _pick(card.left, "a.txt", "d")
    assert "Copied 2 entries, 3 files, 7 bytes" in _press(card, card.actions.copy_button)
    assert tree_of(files / "work") == {"a.txt": b"a", "d/b.bin": b"12345", "d/e/c": b"c"}
    assert "copy_entries([&#x27;" in card.actions.code.value
    assert _names(card.right) == ["d", "a.txt"]
    assert not card.left.picked
    _pick(card.left, "a.txt")
    message = _press(card, card.actions.copy_button)
    assert "1 name is taken there: a.txt." in message
    assert card.left.picked, "so that the button can be pressed again"
    card.actions.overwrite.value = "rename"
    assert "Copied 1 entry" in _press(card, card.actions.copy_button)
    assert "a (2).txt" in _names(card.right)


def test_moving_to_the_left(card: BrowserCard, files: Path) -> None:
    write_tree(files / "work", {"new.txt": b"n"})
    card.right.refresh()
    _pick(card.right, "new.txt")
    assert "Moved 1 entry" in _press(card, card.actions.move_button)
    assert "new.txt" in _names(card.left)
    assert _names(card.right) == []


def test_deleting_takes_two_clicks(card: BrowserCard, files: Path) -> None:
    _pick(card.left, "d", "a.txt")
    message = _press(card, card.actions.delete_button)
    assert "Delete d, a.txt with 3 files, 7 bytes?" in message
    assert "This disk has no Trash: they are gone for good." in message
    assert card.actions.delete_button.description == "Delete 2 for good"
    _read_question(card)
    assert (files / "drive/MyDrive/d").exists()
    _pick(card.left, "set.zip")
    assert card.actions.delete_button.description == "Delete"
    _press(card, card.actions.delete_button)
    assert (files / "drive/MyDrive/d").exists(), "something else is chosen now, so it asks again"
    _read_question(card)
    assert "Deleted 3 entries, 4 files" in _press(card, card.actions.delete_button)
    assert tree_of(files / "drive/MyDrive") == {f"{EVIL}.txt": b""}


def test_deleting_on_drive_goes_to_the_trash(card: BrowserCard, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pane = card.left
    assert card.actions.truncate.layout.display == "none"
    assert pane.page is not None
    assert pane.place is not None
    pane._show(pane.place, replace(pane.page, has_trash=True))
    _pick(pane, "a.txt")
    assert card.actions.truncate.layout.display is None
    assert "count against your storage" in _press(card, card.actions.delete_button)
    assert card.actions.delete_button.description == "Delete now"
    _read_question(card)
    card.actions.truncate.value = True
    assert card.actions.delete_button.description == "Delete", "another question"
    assert "take no room in the Trash" in _press(card, card.actions.delete_button)
    _read_question(card)
    assert "Deleted 1 entry" in _press(card, card.actions.delete_button)


def test_naming_making_packing_measuring(card: BrowserCard, files: Path) -> None:
    actions = card.actions
    drive = files / "drive/MyDrive"
    _pick(card.left, "a.txt")
    actions.name.value = "b.txt"
    assert "a.txt is now called b.txt." in _press(card, actions.rename_button)
    _pick(card.left, "d", "b.txt")
    actions.rename_button.click()
    assert "More than one entry is chosen." in _tab_of(card).notice.value
    assert "2 entries hold 3 files, 7 bytes." in _press(card, actions.size_button)
    actions.name.value = ""
    assert "Packed 3 files" in _press(card, actions.zip_button)
    assert (drive / "d.zip").exists()
    actions.name.value = "new"
    assert "Made new." in _press(card, actions.folder_button)
    assert (files / "work/new").is_dir(), "nothing is chosen, so it is the list of this machine"
    assert "is there already" in _press(card, actions.folder_button)


def test_entries_are_sent_to_other_tabs(panel: Panel, card: BrowserCard, files: Path) -> None:
    actions, drive = card.actions, files / "drive/MyDrive"
    _pick(card.left, "set.zip")
    actions.send_button.click()
    staging: Any = panel.tabs["staging"]
    assert staging.source.path == str(drive / "set.zip")
    assert panel._entries[panel.tab_bar.selected_index].name == "staging"
    panel.select("browser")
    actions.to_tab.value = "downloads"
    actions.send_button.click()
    downloads: Any = panel.tabs["downloads"]
    assert downloads.download.source.path == str(drive / "set.zip")
    panel.select("browser")
    _pick(card.left, "d")
    actions.send_button.click()
    assert "More than one entry" in _tab_of(card).notice.value
    _send(card.left, "pick", f"{_names(card.left).index('set.zip')} false")
    actions.to_tab.value = "images"
    actions.send_button.click()
    images: Any = panel.tabs["images"]
    assert images.folder.path.path == str(drive / "d")
    write_tree(drive, {"x.PNG": b""})
    panel.state.hand_over("images", str(drive / "x.PNG"))
    assert images.one.path.path == str(drive / "x.PNG")


def test_a_panel_without_those_tabs(make_panel: Callable[..., Panel], host: FakeHost, files: Path) -> None:
    card = _card(_panel(make_panel(host, tabs=["browser"]), files))
    _pick(card.left, "a.txt")
    card.actions.send_button.click()
    assert "This panel shows no tab to send it to." in _tab_of(card).notice.value


def test_without_drive_the_left_list_says_so(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    panel = make_panel(host)
    panel.select("browser")
    card = _card(panel)
    assert "Mount Drive" in card.left.table.html.value
    for press in (card.left.up_button, card.left.refresh_button, card.left.open_button, card.left.next_button):
        press.click()
    card.left.path.value = "/tmp"
    card.left.open_button.click()
    assert card.left.page is None
    (host.workspace / "x").touch()
    card.right.refresh()
    _pick(card.right, "x")
    card.actions.copy_button.click()
    assert "Drive shows no folder." in _tab_of(card).notice.value


def test_drive_that_goes_away(card: BrowserCard, panel: Panel) -> None:
    _pick(card.left, "a.txt")
    panel.state.drive_root = ""
    assert card.left.page is None
    assert not card.left.picked
    assert "Mount Drive" in card.left.table.html.value


def test_an_answer_that_was_overtaken_is_dropped(make_panel: Callable[..., Panel], host: FakeHost, files: Path) -> None:
    held = HeldWork()
    panel = _panel(make_panel(host, runner=JobRunner(held)), files)
    card = _card(panel)
    held.release()
    _send(card.left, "enter", "0")
    card.left.spot.value = 0
    held.release()
    assert "a.txt" in _names(card.left)


def test_reading_again_does_not_call_back_who_is_on_the_way(
    make_panel: Callable[..., Panel], host: FakeHost, files: Path
) -> None:
    held = HeldWork()
    panel = _panel(make_panel(host, runner=JobRunner(held)), files)
    card = _card(panel)
    held.release()
    _send(card.left, "enter", "0")
    card.left.refresh()  # as at the end of a copy
    held.release()
    assert _names(card.left) == ["e", "b.bin"]
    _send(card.left, "enter", "0")
    _send(card.left, "sort", "size")
    held.release()
    assert _names(card.left) == ["c"]
    assert 'aria-sort="descending"' in card.left.table.html.value


def test_a_place_that_does_not_answer_leaves_the_list_where_it_was(card: BrowserCard, files: Path) -> None:
    gone: Any = Remote(files / "gone")
    card.add_place(gone)
    pane, shown = card.right, card.right.place
    pane.spot.value = 1
    assert "gone does not exist" in pane.message.value
    assert pane.place is shown
    pane.refresh_button.click()
    assert pane.message.value == ""


def test_what_is_shown_already_is_not_drawn_again(card: BrowserCard, files: Path) -> None:
    pane = card.left
    drawn = pane.table._turn
    pane.refresh_button.click()
    assert pane.table._turn == drawn, "a click that is being made would be lost"
    _pick(pane, "a.txt")
    pane.forget_picked()
    assert pane.table._turn == drawn + 1, "the page had ticked the box"
    (files / "drive/MyDrive/new").touch()
    pane.refresh_button.click()
    assert pane.table._turn == drawn + 2


def test_a_disk_that_was_cut_says_so(card: BrowserCard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert card.left.page is not None
    assert card.left.place is not None
    card.left._show(
        card.left.place, replace(card.left.page, trouble="No more than 4 entries could be read.", complete=False)
    )
    assert "No more than 4 entries could be read." in card.left.message.value
    assert "4 or more entries" in card.left.where.value


def test_the_dashboard_offers_no_deleting(make_panel: Callable[..., Panel], host: FakeHost, files: Path) -> None:
    host.is_served, host.root = True, files / "drive"
    panel = _panel(make_panel(host), files)
    card = _card(panel)
    assert [title for title, _ in card.left.spot.options][1:] == ["My Drive"]
    assert card.left.page is not None
    assert [crumb.title for crumb in card.left.page.crumbs] == ["drive", "MyDrive"]
    assert "outside the folder" in card.right.message.value
    assert "Replace" not in [title for title, _ in card.actions.overwrite.options]
    _pick(card.left, "a.txt")
    assert {card.actions.delete_button.layout.display, card.actions.move_button.layout.display} == {"none"}
    assert "Delete a.txt" in _press(card, card.actions.delete_button)
    _read_question(card)
    message = _press(card, card.actions.delete_button)
    assert "The dashboard deletes, moves and replaces nothing." in message
    assert tree_of(files / "drive/MyDrive") == TREE


@dataclass
class Remote:
    """A place elsewhere, which is a folder here."""

    folder: Path
    title: str = "box:"
    start: str = ""
    is_local: bool = False
    operations: frozenset[Operation] = frozenset({"copy", "to_disk", "from_disk", "measure"})
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def page(
        self, address: str, query: Query, *, earlier: FolderPage | None = None, progress: Progress | None = None
    ) -> FolderPage:
        return LocalPlace(str(self.folder)).page(address, query, earlier=earlier, progress=progress)

    def to_disk(
        self, entries: Sequence[str], folder: Path, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        self.calls.append(("to_disk", list(entries), folder, overwrite))
        return Done("ok", entries=len(entries))

    def from_disk(
        self, paths: Sequence[Path], folder: str, *, overwrite: Overwrite = "ask", progress: Progress | None = None
    ) -> Done:
        self.calls.append(("from_disk", list(paths), folder, overwrite))
        return Done("ok", entries=len(paths))

    def measure(self, entry: str, *, progress: Progress | None = None) -> FolderSize:
        return FolderSize(1, 1, complete=False)

    def copy(self, *_: Any, **__: Any) -> Done:
        raise HostError("not here")

    move = rename = delete = make_folder = zip = copy


def test_a_remote_is_browsed_in_the_same_card(card: BrowserCard, files: Path) -> None:
    write_tree(files / "remote", {"far.zip": b"far"})
    remote: Any = Remote(files / "remote")
    card.add_place(remote)
    assert [title for title, _ in card.right.spot.options][1:] == ["This machine", "box:"]
    card.right.spot.value = 1
    assert _names(card.right) == ["far.zip"]
    _pick(card.left, "a.txt")
    assert "Copied 1 entry" in _press(card, card.actions.copy_button)
    _pick(card.right, "far.zip")
    assert "Copied 1 entry" in _press(card, card.actions.copy_button)
    drive = files / "drive/MyDrive"
    assert remote.calls == [
        ("from_disk", [drive / "a.txt"], str(files / "remote"), "ask"),
        ("to_disk", [str(files / "remote/far.zip")], drive, "ask"),
    ]
    _pick(card.right, "far.zip")
    card.actions.move_button.click()
    assert "Nothing is moved from one place to another." in _tab_of(card).notice.value
    assert card.actions.delete_button.layout.display == "none"
    card.actions.to_tab.value = "downloads"
    card.actions.send_button.click()
    assert "is not on this machine" in _tab_of(card).notice.value
    card.left.visit(cast("Place", Remote(files / "remote")), str(files / "remote"))
    _pick(card.left, "far.zip")
    assert "does not copy to box:" in _press(card, card.actions.copy_button)


def test_what_failed_midway_is_seen(card: BrowserCard, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Done:
        (files / "drive/MyDrive/a.txt").unlink()
        raise StorageError("The disk failed.")

    monkeypatch.setattr(LocalPlace, "copy", fail)
    _pick(card.left, "a.txt", "d")
    assert "The disk failed." in _press(card, card.actions.copy_button)
    assert "a.txt" not in _names(card.left)
    assert not card.left.picked


def test_names_that_are_no_text_travel(card: BrowserCard, files: Path) -> None:
    (files / "work" / os.fsdecode(b"caf\xe9")).touch()
    (files / "work/link").symlink_to("/nowhere/<b>")
    card.right.refresh()
    assert "caf?" in card.right.table.html.value
    assert "/nowhere/&lt;b&gt;" in card.right.table.html.value
    _pick(card.right, os.fsdecode(b"caf\xe9"))
    assert "Delete caf?" in _press(card, card.actions.delete_button)
    _read_question(card)
    assert "Deleted 1 entry" in _press(card, card.actions.delete_button)
    assert listing_here.on_drive(files) is False


def test_a_question_is_about_what_it_says(make_panel: Callable[..., Panel], host: FakeHost, files: Path) -> None:
    held = HeldWork()
    card = _card(_panel(make_panel(host, runner=JobRunner(held)), files))
    held.release()
    assert card.left.page is not None
    assert card.left.place is not None
    card.left._show(card.left.place, replace(card.left.page, has_trash=True))
    _pick(card.left, "a.txt")
    card.actions.delete_button.click()
    card.actions.truncate.value = True  # while it is counted
    held.release()
    _tab_of(card).update()
    assert "Drive's Trash" in card.actions.jobs.message.value.replace("&#x27;", "'")
    card.actions.delete_button.click()
    held.release()
    _tab_of(card).update()
    assert "take no room in the Trash" in card.actions.jobs.message.value, "it asks anew"
    assert (files / "drive/MyDrive/a.txt").exists()


def test_a_year_that_does_not_exist_hides_no_folder(card: BrowserCard, files: Path) -> None:
    pane = card.left
    assert pane.page is not None
    assert pane.place is not None
    entries = tuple(replace(entry, modified=2.0**60) for entry in pane.page.entries[:2])
    pane._show(pane.place, replace(pane.page, entries=entries))
    assert pane.table.html.value.count("in no year") == 2


def test_what_was_ticked_meanwhile_stays(make_panel: Callable[..., Panel], host: FakeHost, files: Path) -> None:
    held = HeldWork()
    card = _card(_panel(make_panel(host, runner=JobRunner(held)), files))
    held.release()
    _pick(card.left, "a.txt")
    card.actions.copy_button.click()
    _pick(card.left, "set.zip")
    held.release()
    _tab_of(card).update()
    held.release()
    assert [entry.name for entry in card.left.picked.values()] == ["set.zip"]


def test_nothing_is_copied_to_a_folder_that_is_being_left(
    make_panel: Callable[..., Panel], host: FakeHost, files: Path
) -> None:
    held = HeldWork()
    card = _card(_panel(make_panel(host, runner=JobRunner(held)), files))
    held.release()
    (files / "work/sub").mkdir()
    card.right.refresh()
    held.release()
    _pick(card.left, "a.txt")
    _send(card.right, "enter", "0")
    card.actions.copy_button.click()
    assert "is about to show another folder." in _tab_of(card).notice.value
    held.release()
    card.actions.copy_button.click()
    held.release()
    assert tree_of(files / "work/sub") == {"a.txt": b"a"}
