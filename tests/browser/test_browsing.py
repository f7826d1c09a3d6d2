"""The browser of files, seen by clicking: JupyterLab 4, Notebook 7, the classic Notebook."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.archives import tree_of, write_tree

from .axe import grave_violations
from .browser_tools import Shots
from .notebooks import BUSY_CELL, HostPage
from .panel_view import PanelView

EVIL = "<img src=x onerror=window.hacked=1>"
CELLS = (
    "import colabpanel\ncolabpanel.use_drive_folder('drive')\ncolabpanel.show()",
    BUSY_CELL,
)


def _panel(host: HostPage, *, dark: bool = False) -> tuple[PanelView, Path]:
    folder = host.open_cells(*CELLS, dark=dark)
    tree = {"a.txt": b"a", "models/best.h5": b"12345", f"{EVIL}.txt": b"", "set.zip": b"no zip"}
    write_tree(folder / "drive", tree)
    for number in range(120):
        write_tree(folder / "drive/many", {f"{number:03}.jpg": b"x" * number})
    for name in ("a.txt", "models", "many", "set.zip", f"{EVIL}.txt"):
        os.utime(folder / "drive" / name, (1_700_000_000,) * 2)
    host.run_cell(0)
    panel = PanelView(host.page).wait()
    panel.open_tab("Drive")
    panel.button("Look through files").click()
    expect(_list(panel, "Drive").locator("tbody tr")).to_have_count(5)
    return panel, folder


def _list(panel: PanelView, title: str) -> Locator:
    return panel.root.get_by_role("region", name=f"Files, {title}")


def _tick(panel: PanelView, name: str) -> None:
    panel.root.get_by_role("checkbox", name=f"Choose {name}", exact=True).check()


def test_files_are_looked_through_copied_and_deleted(host: HostPage, shots: Shots) -> None:
    panel, folder = _panel(host)
    drive = _list(panel, "Drive")
    drive.get_by_role("button", name="Open many").press("Enter")  # the keyboard reaches it
    expect(drive.locator("tbody tr")).to_have_count(50)
    expect(panel.root.get_by_text("1 to 50 of 120")).to_be_visible()
    drive.get_by_role("button", name="Sort by Size").click()
    expect(drive.locator("tbody tr").first).to_contain_text("119.jpg")
    expect(drive.locator("th[aria-sort=descending]")).to_have_count(1)
    panel.root.get_by_label("Drive: filter").fill("00*")
    expect(drive.locator("tbody tr")).to_have_count(10)
    drive.get_by_role("checkbox", name="Choose all on this page").check()
    expect(panel.root.get_by_text("10 entries chosen in")).to_be_visible()
    panel.button("Copy").click()
    panel.says("Copied 10 entries, 10 files, 45 bytes")
    assert tree_of(folder)["009.jpg"] == b"x" * 9
    panel.root.get_by_role("list", name="Folders above").first.get_by_role("button", name="Go to drive").click()
    expect(drive.locator("tbody tr")).to_have_count(5)
    _tick(panel, "models")
    _tick(panel, "a.txt")
    shots.save(panel.root, f"{host.name}-files")
    panel.button("Delete").click()
    panel.says("Delete models, a.txt with 2 files, 6 bytes?")
    panel.button("Delete 2 for good").click()
    panel.says("Deleted 2 entries, 2 files, 6 bytes")
    expect(drive.locator("tbody tr")).to_have_count(3)
    assert not (folder / "drive/models").exists()
    assert not host.page.evaluate("() => window.hacked === 1")


def test_a_file_is_sent_to_staging_while_a_cell_runs(host: HostPage) -> None:
    panel, folder = _panel(host)
    host.run_cell(1)
    _tick(panel, "set.zip")
    expect(panel.root.get_by_text("1 entry chosen in")).to_be_visible()
    panel.button("Send").click()
    expect(panel.root.get_by_label("From", exact=True)).to_have_value(str(folder / "drive/set.zip"))
    assert host.is_running(1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_card_fits_and_can_be_used_by_everybody(notebook7: HostPage, shots: Shots, dark: bool, width: int) -> None:
    notebook7.page.set_viewport_size({"width": width, "height": 1400})
    panel, _ = _panel(notebook7, dark=dark)
    _tick(panel, "set.zip")
    assert grave_violations(notebook7.page, ".colabpanel") == []
    boxes = [_list(panel, title).bounding_box() for title in ("Drive", "This machine")]
    drive, machine = boxes
    assert drive is not None
    assert machine is not None
    if width == 390:
        assert machine["y"] > drive["y"] + drive["height"], "one above the other"
    else:
        assert machine["x"] > drive["x"] + drive["width"], "side by side"
    assert panel.root.evaluate("root => root.scrollWidth <= root.clientWidth + 1")
    shots.save(panel.root, f"notebook7-{'dark' if dark else 'light'}-{width}-files")
