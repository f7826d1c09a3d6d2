"""Images seen by clicking: JupyterLab 4, Notebook 7, the classic Notebook, and the dashboard."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.archives import make_zip, tree_of
from tests.image_files import SVG, data_set, file_of, moving, photo, with_exif, write

from .archives import EVIL
from .axe import grave_violations
from .browser_tools import Shots
from .notebooks import BUSY_CELL, HostPage
from .panel_view import PanelView
from .servers import Server
from .test_dashboard import _open, _serve

HACKED = "() => window.hacked === 1 || document.querySelector('.colabpanel img[onerror]') !== null"
MAKE = """
import numpy
rng = numpy.random.default_rng(0)
batch = rng.normal(size=(40, 3, 32, 32)).astype("float32")
masks = numpy.zeros((40, 32, 32), bool)
masks[:, 8:20, 8:20] = True
"""
CELLS = (
    "import colabpanel\ncolabpanel.show()",
    MAKE,
    "import colabpanel\ncolabpanel.preview('red.png')",
    BUSY_CELL,
)


def _files(folder: Path) -> Path:
    data_set(folder / "set", classes=3, each=8)
    red = file_of(photo(64, 48), "PNG")
    return write(
        folder,
        {
            "red.png": red,
            "turned.jpg": with_exif(photo(), 6),
            "moving.gif": moving("GIF", 12),
            "drawing.svg": SVG,
            f"set/class1/{EVIL}.png": red,
            "set/class2/cut.jpg": file_of(photo(), "JPEG")[:900],
            "set/class2/again.png": red,
        },
    )


def _panel(host: HostPage, *, dark: bool = False) -> tuple[PanelView, Path]:
    folder = host.open_cells(*CELLS, dark=dark)
    _files(folder)
    host.run_cell(1)
    host.wait_done(1)
    host.run_cell(0)
    panel = PanelView(host.page).wait()
    panel.open_tab("Image preview")
    return panel, folder


def _point(stage: Locator, x: float, y: float) -> None:
    """Move the mouse to a place of the picture, in shares of it."""
    stage.scroll_into_view_if_needed()
    box = stage.locator("img").bounding_box()
    assert box is not None
    stage.page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)


def _width(stage: Locator) -> float:
    box = stage.locator("img").bounding_box()
    assert box is not None
    return box["width"]


def _show(panel: PanelView, path: str | Path) -> Locator:
    panel.fill("Image", path)
    panel.button("Show").click()
    panel.says(f"{Path(path).name} is shown below.")
    return panel.root.locator(".cp-stage:visible").first


def test_an_image_is_zoomed_panned_and_read(host: HostPage, shots: Shots) -> None:
    panel, folder = _panel(host)
    stage = _show(panel, folder / "red.png")
    viewer = panel.root.locator(".cp-viewer:visible").first
    expect(viewer).to_contain_text("64 x 48")
    before = _width(stage)
    for _ in range(4):
        panel.button("Zoom in").click()
    assert _width(stage) > before * 3
    stage.focus()
    stage.press("-")
    expect(viewer.locator(".cp-zoom")).to_have_text(f"{round(400 * 1.5**3)}%")
    viewer.get_by_role("button", name="1:1").click()
    expect(viewer.locator(".cp-zoom")).to_have_text("100%")
    pixels = photo(64, 48).load()
    assert pixels is not None
    _point(stage, 10.5 / 64, 20.5 / 48)
    red, green, blue = pixels[10, 20]  # type: ignore[misc]
    expect(viewer.locator(".cp-pixel")).to_have_text(f"x 10, y 20: red {red}, green {green}, blue {blue}")
    host.page.mouse.down()
    host.page.mouse.up()
    expect(panel.root.locator(".cp-exact")).to_have_text(f"In the file, x 10, y 20 holds {red}, {green}, {blue}.")
    shots.save(panel.root, f"{host.name}-image")
    for _ in range(12):
        panel.button("Zoom in").click()
    _point(stage, 0.5, 0.5)
    host.page.mouse.down()
    left = stage.evaluate("stage => stage.scrollLeft")
    box = stage.bounding_box()
    assert box is not None
    host.page.mouse.move(box["x"] + 5, box["y"] + 5)
    host.page.mouse.up()
    assert stage.evaluate("stage => stage.scrollLeft") != left


def test_what_moves_and_what_holds_scripts(host: HostPage) -> None:
    panel, folder = _panel(host)
    stage = _show(panel, folder / "moving.gif")
    play = panel.button("Play")
    play.click()
    expect(panel.button("Stop")).to_be_visible()
    assert str(stage.locator("img").get_attribute("src")).startswith("data:image/webp")
    panel.button("Stop").click()
    assert str(stage.locator("img").get_attribute("src")).startswith("data:image/png")
    title = host.page.title()
    _show(panel, folder / "drawing.svg")
    expect(panel.root.locator(".cp-viewer:visible").first).to_contain_text("scripts, which do not run here")
    assert host.page.title() == title
    _show(panel, folder / "turned.jpg")
    expect(panel.root.locator(".cp-viewer:visible").first).to_contain_text("<b>ACME</b>")


def test_a_folder_is_looked_through_and_decided_upon(host: HostPage, shots: Shots) -> None:
    panel, folder = _panel(host)
    panel.fill("Images in", folder / "set")
    panel.button("Show images").click()
    tiles = panel.root.locator(".cp-tile:visible")
    expect(tiles).to_have_count(27)
    assert not host.page.evaluate(HACKED)
    panel.root.get_by_role("button", name="Keep class0/1.jpg").click()
    reject = panel.root.get_by_role("button", name="Reject class0/2.jpg")
    reject.click()
    expect(reject).to_have_attribute("aria-pressed", "true")
    expect(panel.root.get_by_text("1 to keep, 1 to reject.")).to_be_visible()
    panel.button("Find broken and duplicates").click()
    panel.says("1 cannot be decoded and 1 is there again under another name")
    panel.button("Reject what was found").click()
    expect(panel.root.get_by_text("1 to keep, 3 to reject.")).to_be_visible()
    panel.fill("Save list to", folder / "list.csv")
    panel.button("Save list").click()
    panel.says("Saved 4 choices")
    with (folder / "list.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[:3] == [["image", "choice"], ["class0/1.jpg", "keep"], ["class0/2.jpg", "reject"]]
    shots.save(panel.root, f"{host.name}-images")
    panel.root.get_by_role("button", name="Show class2/3.jpg").click()
    panel.says("3.jpg is shown below.")
    expect(panel.root.locator(".cp-viewer:visible").first).to_contain_text("80 x 60")


def test_variables_are_shown_while_a_cell_runs(host: HostPage, shots: Shots) -> None:
    panel, _ = _panel(host)
    expect(panel.root.get_by_label("Variable", exact=True)).to_contain_text("batch: ndarray 40 x 3 x 32 x 32")
    panel.root.get_by_label("Variable", exact=True).select_option(label="batch: ndarray 40 x 3 x 32 x 32")
    panel.root.get_by_label("Mask", exact=True).select_option(label="masks: ndarray 40 x 32 x 32")
    host.run_cell(3)
    panel.button("Show variable").click()
    panel.says("batch is shown below.")
    assert host.is_running(3)
    expect(panel.root.locator(".cp-viewer:visible", has_text="40 images, by rows.")).to_have_count(1)
    shots.save(panel.root, f"{host.name}-variables")


def test_a_preview_needs_no_panel(host: HostPage, shots: Shots) -> None:
    folder = host.open_cells(CELLS[2])
    _files(folder)
    host.run_cell(0)
    stage = host.output(0).locator(".cp-stage")
    expect(stage.locator("img")).to_be_visible()
    before = _width(stage)
    host.output(0).get_by_role("button", name="Zoom in").click()
    assert _width(stage) > before
    _point(stage, 0.5, 0.5)
    expect(host.output(0).locator(".cp-pixel")).to_contain_text("red")
    shots.save(host.output(0), f"{host.name}-preview")


def test_the_cards_in_the_dark(jupyterlab: HostPage, shots: Shots) -> None:
    panel, folder = _panel(jupyterlab, dark=True)
    _show(panel, folder / "turned.jpg")
    panel.fill("Images in", folder / "set")
    panel.button("Show images").click()
    expect(panel.root.locator(".cp-tile:visible")).to_have_count(27)
    panel.root.get_by_role("button", name="Keep class0/1.jpg").click()
    panel.root.get_by_role("button", name="Reject class0/2.jpg").click()
    assert grave_violations(jupyterlab.page, ".colabpanel") == []
    shots.save(panel.root, "jupyterlab-dark-images")


@pytest.fixture(scope="module", params=["light", "dark"])
def dashboard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    base = tmp_path_factory.mktemp("serve-images")
    _files(base / "root")
    make_zip(base / "root" / "set.zip", tree_of(base / "root" / "set"))
    with _serve(base, base / "root", "--theme", request.param) as server:
        yield server, request.param


@pytest.mark.parametrize("width", [390, 1280])
def test_the_dashboard_shows_files_and_no_variables(
    dashboard: tuple[Server, str], page: Page, shots: Shots, width: int, tmp_path: Path
) -> None:
    server, theme = dashboard
    page.set_viewport_size({"width": width, "height": 1400})
    panel = _open(page, server)
    panel.open_tab("Image preview")
    expect(panel.button("Show variable")).to_have_count(0)
    write(tmp_path, {"secret.png": file_of(photo(), "PNG")})
    panel.fill("Image", tmp_path / "secret.png")
    panel.button("Show").click()
    panel.says("lies outside the folder that this panel may touch")
    _show(panel, "turned.jpg")
    panel.fill("Images in", "set.zip")
    panel.button("Show images").click()
    expect(panel.root.locator(".cp-tile:visible")).to_have_count(27)
    panel.root.get_by_role("button", name="Keep class0/1.jpg").click()
    panel.root.get_by_role("button", name="Reject class0/2.jpg").click()
    expect(panel.root.get_by_text("1 to keep, 1 to reject.")).to_be_visible()
    assert grave_violations(page, ".colabpanel") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not page.evaluate(HACKED)
    shots.save(panel.root, f"dashboard-{theme}-{width}-images")
