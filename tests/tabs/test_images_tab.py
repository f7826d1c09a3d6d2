"""The Images tab, used as a user does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colabpanel.errors import InputError
from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.services.images import service
from colabpanel.tabs import TabEntry, _registry
from colabpanel.tabs._image_words import bytes_in, page_title, whole_in
from colabpanel.tabs.images import ImagesTab
from tests.archives import make_tar, make_zip, tree_of
from tests.fakes import FakeHost, HeldWork
from tests.image_files import data_set, file_of, moving, photo, with_exif, write

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = TabEntry("images", "Images", "colabpanel.tabs.images:ImagesTab")
    monkeypatch.setattr(_registry, "TABS", (entry,))


@pytest.fixture
def tab(make_panel: Callable[..., Panel], host: FakeHost) -> ImagesTab:
    host.variables = {"batch": np.zeros((4, 3, 8, 8)), "mask": np.zeros((4, 8, 8), bool), "photo": photo()}
    return _tab(make_panel(host))


def _tab(panel: Panel) -> ImagesTab:
    panel.select("images")
    tab = panel.tabs["images"]
    assert isinstance(tab, ImagesTab)
    return tab


def _list(tab: ImagesTab, path: Path) -> None:
    tab.folder.path.text.value = str(path)
    tab.folder.list_button.click()
    tab.update()
    tab.update()


def _send(signal: Any, words: str) -> None:
    """Do what the page does when something is clicked on."""
    signal.value = f"{words} {len(signal.value)}"


def test_an_image_is_shown_with_what_is_known_of_it(tab: ImagesTab, tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": with_exif(photo(), 6)})
    one = tab.one
    one.show_button.click()
    assert "No image is chosen." in tab.notice.value
    one.path.text.value = str(tmp_path / "a.jpg")
    assert f"colabpanel.preview(&#x27;{tmp_path / 'a.jpg'}&#x27;)" in one.code.value
    one.show_button.click()
    tab.update()
    html = one.view.html.value
    assert "a.jpg is shown below." in one.jobs.message.value
    assert "200 x 300" in html
    assert "&lt;b&gt;ACME&lt;/b&gt;" in html
    assert "<b>ACME" not in html
    assert "data:image/png;base64," in html
    assert "Histogram of red, green, blue" in html
    _send(one.view.signal, "pixel 5 6")
    assert "In the file, x 5, y 6 holds" in one.view.exact.value


def test_what_the_page_sends_is_not_believed(tab: ImagesTab, tmp_path: Path) -> None:
    write(tmp_path, {"a.png": file_of(photo(), "PNG")})
    tab.one.path.text.value = str(tmp_path / "a.png")
    tab.one.show_button.click()
    tab.update()
    for words in ("pixel", "pixel -1 2", "pixel x y", "other 1 2", f"{EVIL} 1 2", "", "pixel 1 2 3"):
        _send(tab.one.view.signal, words)
        assert tab.one.view.exact.value == ""
    _send(tab.one.view.signal, "pixel 99999 1")
    assert "has no pixel at 99999, 1" in tab.one.view.exact.value


def test_pages_are_chosen_by_number(tab: ImagesTab, tmp_path: Path) -> None:
    write(tmp_path, {"a.tif": moving("TIFF", 5), "a.gif": moving("GIF", 5)})
    one = tab.one
    one.path.text.value, one.page.value = str(tmp_path / "a.tif"), "4"
    assert "frame=3" in one.code.value
    one.show_button.click()
    tab.update()
    assert "4 of 5" in one.view.html.value
    one.page.value = "9"
    one.show_button.click()
    tab.update()
    assert "has 5 pages" in one.jobs.message.value
    one.page.value = "0"
    one.show_button.click()
    assert "Page takes a whole number from 1" in tab.notice.value
    one.path.text.value, one.page.value = str(tmp_path / "a.gif"), ""
    one.show_button.click()
    tab.update()
    assert 'data-act="play"' in one.view.html.value


def test_a_folder_is_looked_through(tab: ImagesTab, tmp_path: Path) -> None:
    card = tab.folder
    card.list_button.click()
    assert "No folder is chosen." in tab.notice.value
    write(data_set(tmp_path / "set"), {f"class1/{EVIL}.png": file_of(photo(), "PNG"), "class1/bad.png": b"x"})
    _list(tab, tmp_path / "set")
    assert "8 images in 2 folders" in card.jobs.message.value
    assert "1 to 8 of 8" in card.title.value
    assert "1 of which cannot be shown" in card.page_jobs.message.value
    assert card.grid.html.value.count("data:image/webp;base64,") == 7
    assert EVIL not in card.grid.html.value + card.jobs.message.value
    assert [name for name, _ in card.in_class.options] == ["All folders", "class0 (3)", "class1 (5)"]
    card.in_class.value = "class0"
    card.filter_button.click()
    tab.update()
    assert "1 to 3 of 3" in card.title.value
    card.name.value = "/1."
    card.filter_button.click()
    tab.update()
    assert "1 to 1 of 1" in card.title.value
    card.at_least.value = "1 GB"
    card.filter_button.click()
    tab.update()
    assert "No image fulfils all conditions." in card.title.value
    card.at_least.value = "big"
    card.filter_button.click()
    assert "At least takes a size." in tab.notice.value


def test_a_click_on_a_tile_opens_it(tab: ImagesTab, tmp_path: Path) -> None:
    _list(tab, data_set(tmp_path / "set"))
    _send(tab.folder.grid.signal, "open 4")
    tab.update()
    assert tab.one.path.path == str(tmp_path / "set" / "class1" / "1.jpg")
    assert "80 x 60" in tab.one.view.html.value
    before = tab.one.view.html.value
    for words in ("open 99", "open x", "open", f"{EVIL} 1", "choose 1 delete", "choose 99 keep"):
        _send(tab.folder.grid.signal, words)
    tab.update()
    assert tab.one.view.html.value == before
    assert tab.folder.choices == {}


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_are_looked_through_without_unpacking(tab: ImagesTab, tmp_path: Path, kind: str) -> None:
    files = tree_of(data_set(tmp_path / "set"))
    path = make_zip(tmp_path / "set.zip", files) if kind == "zip" else make_tar(tmp_path / "set.tar", files)
    _list(tab, path)
    assert tab.folder.grid.html.value.count("data:image/webp;base64,") == 6
    _send(tab.folder.grid.signal, "open 3")
    tab.update()
    assert "80 x 60" in tab.one.view.html.value
    _send(tab.one.view.signal, "pixel 1 1")
    assert "In the file" in tab.one.view.exact.value


def test_pages_are_turned(tab: ImagesTab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colabpanel.tabs._image_folder_card.PAGE", 4)
    card = tab.folder
    _list(tab, data_set(tmp_path / "set"))
    assert "1 to 4 of 6" in card.title.value
    assert card.back_button.disabled
    card.next_button.click()
    tab.update()
    assert "5 to 6 of 6" in card.title.value
    assert card.next_button.disabled
    assert card.grid.html.value.count("data:image/webp") == 2
    card.back_button.click()
    tab.update()
    assert "1 to 4 of 6" in card.title.value


def test_a_page_that_is_turned_over_is_not_waited_for(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colabpanel.tabs._image_folder_card.PAGE", 4)
    held = HeldWork()
    tab = _tab(make_panel(host, runner=JobRunner(held)))
    tab.folder.path.text.value = str(data_set(tmp_path / "set"))
    tab.folder.list_button.click()
    held.release()
    tab.update()
    first = tab.folder.page_jobs.job
    tab.folder.next_button.click()
    held.release()
    assert first is not None
    assert first.cancelled()
    tab.update()
    assert "5 to 6 of 6" in tab.folder.title.value
    assert tab.folder.grid.html.value.count("data:image/webp") == 2


def test_what_is_broken_or_there_twice_is_found_and_rejected(tab: ImagesTab, tmp_path: Path) -> None:
    folder = data_set(tmp_path / "set")
    fine = (folder / "class0" / "0.jpg").read_bytes()
    write(folder, {"class1/again.jpg": fine, "class1/cut.jpg": fine[:-300]})
    card = tab.folder
    _list(tab, folder)
    card.reject_button.click()
    assert "Nothing was checked yet." in tab.notice.value
    card.check_button.click()
    tab.update()
    assert "1 cannot be decoded and 1 is there again under another name" in card.check_jobs.message.value
    card.reject_button.click()
    tab.update()
    assert card.choices == {"class1/again.jpg": "reject", "class1/cut.jpg": "reject"}
    assert "0 to keep, 2 to reject." in card.decided.value
    card.choices = {"class0/0.jpg": "reject", "class1/again.jpg": "keep", "class1/cut.jpg": "keep"}
    card.reject_button.click()
    assert card.choices == {"class0/0.jpg": "reject", "class1/again.jpg": "keep", "class1/cut.jpg": "keep"}
    card.choices = {"class0/0.jpg": "reject"}
    card.reject_button.click()
    assert card.choices == {"class0/0.jpg": "reject", "class1/cut.jpg": "reject"}
    card.choices = {"class1/again.jpg": "reject", "class1/cut.jpg": "reject"}
    card.in_class.value = "class0"
    card.filter_button.click()
    card.check_button.click()
    tab.update()
    assert "none is broken, and none is there twice" in card.check_jobs.message.value


def test_what_was_decided_is_saved_and_loaded(tab: ImagesTab, tmp_path: Path, host: FakeHost) -> None:
    card = tab.folder
    _list(tab, data_set(tmp_path / "set"))
    card.save_button.click()
    assert "Nothing is kept or rejected yet." in tab.notice.value
    for words in ("choose 0 keep", "choose 1 reject", "choose 2 keep", "choose 2"):
        _send(card.grid.signal, words)
    assert card.choices == {"class0/0.jpg": "keep", "class0/1.jpg": "reject"}
    card.save_button.click()
    tab.update()
    assert "Saved 2 choices" in card.save_jobs.message.value
    saved = (host.workspace / "choices.csv").read_text()
    assert saved.splitlines() == ["image,choice", "class0/0.jpg,keep", "class0/1.jpg,reject"]
    _list(tab, tmp_path / "set")
    assert len(card.choices) == 2  # the same folder again
    _list(tab, data_set(tmp_path / "other"))
    assert card.choices == {}
    card.load_button.click()
    tab.update()
    assert "Took 2 choices" in card.save_jobs.message.value
    assert 'data-choice="reject"' in card.grid.html.value


def test_a_folder_without_images_says_so(tab: ImagesTab, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _list(tab, tmp_path / "empty")
    assert "There are no images in" in tab.folder.jobs.message.value
    _list(tab, tmp_path / "missing")
    assert "does not exist" in tab.folder.jobs.message.value


def test_variables_are_shown(tab: ImagesTab, host: FakeHost) -> None:
    card = tab.variables
    assert [name for _, name in card.variable.options] == ["batch", "mask", "photo"]
    card.variable.value, card.mask.value = "batch", "mask"
    card.index.value, card.layout.value, card.undo.value = "2", "NCHW", "unit"
    code = card.code.value
    assert "preview(batch, layout=&#x27;NCHW&#x27;, undo=&#x27;unit&#x27;, index=2, mask=mask)" in code
    card.show_button.click()
    tab.update()
    assert "batch is shown below." in card.jobs.message.value
    assert "Image 2 of 4 images" in card.view.html.value
    card.index.value = "many"
    card.show_button.click()
    assert "Number takes a whole number" in tab.notice.value
    card.index.value = ""
    card.graph_button.click()
    tab.update()
    assert "batch has no graph." in card.jobs.message.value
    del host.variables["batch"]
    card.refresh_button.click()
    assert card.variable.value == "mask"
    host.variables.clear()
    card.refresh_button.click()
    card.show_button.click()
    assert "There is no variable to show." in tab.notice.value


def test_served_there_are_no_variables_and_one_folder(make_panel: Callable[..., Panel], tmp_path: Path) -> None:
    host = FakeHost(tmp_path, root=tmp_path / "root")
    write(tmp_path, {"root/a.png": file_of(photo(), "PNG"), "secret/b.png": file_of(photo(), "PNG")})
    host.is_served, host.variables = True, {"secret": np.zeros((4, 4))}
    tab = _tab(make_panel(host))
    assert not hasattr(tab, "variables")
    assert tab.one.code_box.children == ()
    tab.one.path.text.value = "a.png"
    tab.one.show_button.click()
    tab.update()
    assert "300 x 200" in tab.one.view.html.value
    for path in ("../secret/b.png", str(tmp_path / "secret" / "b.png")):
        tab.one.path.text.value = path
        tab.one.show_button.click()
        tab.update()
        assert "lies outside the folder" in tab.one.jobs.message.value
    _list(tab, tmp_path / "secret")
    assert "lies outside the folder" in tab.folder.jobs.message.value
    _list(tab, Path("."))
    tab.folder.file.text.value = "../secret/list.csv"
    _send(tab.folder.grid.signal, "choose 0 keep")
    tab.folder.save_button.click()
    tab.update()
    assert "lies outside the folder" in tab.folder.save_jobs.message.value


@pytest.mark.parametrize(
    ("text", "size"), [("", None), ("12", 12), ("20 KB", 20480), ("1.5mb", 1572864), ("2 GB", 2 << 30)]
)
def test_sizes_are_read(text: str, size: int | None) -> None:
    assert bytes_in(text, "At least") == size


def test_numbers_that_are_none() -> None:
    for text in ("x", "1 tb", "1..2 kb", "-3", "."):
        with pytest.raises(InputError, match="At least takes a size"):
            bytes_in(text, "At least")
    for text in ("x", "0", "-1", "1.5"):
        with pytest.raises(InputError, match="takes a whole number from 1"):
            whole_in(text, "Page", least=1)
    assert page_title(1, 60, 100) == "61 to 100 of 100"
    assert service.PAGE == 60


def test_the_last_click_on_a_tile_counts(make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path) -> None:
    held = HeldWork()
    tab = _tab(make_panel(host, runner=JobRunner(held)))
    tab.folder.path.text.value = str(data_set(tmp_path / "set"))
    tab.folder.list_button.click()
    for _ in range(2):
        held.release()
        tab.update()
    _send(tab.folder.grid.signal, "open 4")
    _send(tab.folder.grid.signal, "open 5")
    held.release()
    tab.update()
    assert tab.one.path.path.endswith("2.jpg")
    assert "2.jpg is shown below" in tab.one.jobs.message.value


def test_what_was_decided_is_kept_for_each_folder(tab: ImagesTab, tmp_path: Path) -> None:
    _list(tab, data_set(tmp_path / "set"))
    _send(tab.folder.grid.signal, "choose 0 keep")
    tab.context.state.hand_over("images", str(data_set(tmp_path / "other")))
    tab.update()
    tab.update()
    assert tab.folder.choices == {}
    _list(tab, tmp_path / "set")
    assert tab.folder.choices == {"class0/0.jpg": "keep"}


def test_a_list_does_not_undo_what_was_decided_while_it_was_read(
    make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path
) -> None:
    held = HeldWork()
    tab = _tab(make_panel(host, runner=JobRunner(held)))
    (host.workspace / "choices.csv").write_text("image,choice\nclass0/0.jpg,keep\nclass0/1.jpg,keep\n")
    tab.folder.path.text.value = str(data_set(tmp_path / "set"))
    tab.folder.list_button.click()
    for _ in range(2):
        held.release()
        tab.update()
    tab.folder.load_button.click()
    _send(tab.folder.grid.signal, "choose 0 reject")
    held.release()
    tab.update()
    assert tab.folder.choices == {"class0/0.jpg": "reject", "class0/1.jpg": "keep"}


def test_a_tab_that_is_busy_says_so_itself(make_panel: Callable[..., Panel], host: FakeHost, tmp_path: Path) -> None:
    panel = make_panel(host, runner=JobRunner(HeldWork()))
    tab = _tab(panel)
    for name in ("a", "b"):
        tab.context.state.hand_over("images", str(tmp_path / name))
    assert "This is still running." in tab.notice.value
    assert panel._entries[panel.tab_bar.selected_index].name == "images"
