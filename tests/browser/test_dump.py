"""Variables saved and loaded by clicking: JupyterLab 4, Notebook 7, the classic Notebook, and the dashboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from colabpanel.services.snapshots.service import dump

from .archives import EVIL, HACKED
from .axe import grave_violations
from .browser_tools import Shots
from .notebooks import HostPage
from .panel_view import PanelView
from .servers import Server
from .test_dashboard import _open, _serve

MAKE = """
import numpy
weights = numpy.arange(12.0)
config = {"rate": 0.1, "evil": "<img src=x onerror=alert(1)>"}
rows = (n for n in range(3))
"""
CELLS = (
    "import colabpanel\ncolabpanel.show()",
    MAKE,
    "weights[0] = 99\ndel config",
    "print('found', weights[0], config['rate'], old_weights[1])",
)


LATE = """
import pathlib, time
x = [1]
print("begun")
while not pathlib.Path("go").exists():
    time.sleep(0.1)
x.append(2)
"""


def _panel(host: HostPage, *, dark: bool = False) -> tuple[PanelView, Path]:
    folder = host.open_cells(*CELLS, dark=dark)
    host.run_cell(1)
    host.wait_done(1)
    host.run_cell(0)
    panel = PanelView(host.page).wait()
    panel.open_tab("Dump/Load")
    return panel, folder


def test_variables_are_saved_and_come_back(host: HostPage, shots: Shots) -> None:
    panel, folder = _panel(host)
    expect(panel.root.locator("table").first).to_contain_text("weights")
    panel.fill("Into", folder / "saved")
    panel.button("Choose all").click()
    panel.button("Save variables").click()
    panel.says("Saved 2 variables")
    expect(panel.root.get_by_label("File", exact=True)).to_have_value(str(next((folder / "saved").glob("*.zip"))))
    expect(panel.root.locator("table", has_text="would replace yours")).to_have_count(1)
    panel.says("Saved 2 variables")
    shots.save(panel.root, f"{host.name}-dump")
    host.run_cell(2)
    host.wait_done(2)
    panel.button("Load").click()
    panel.says("Loaded 2 variables: config, weights.")
    panel.fill("Prefix", "old_")
    panel.button("Load").click()
    panel.says("Loaded 2 variables: old_config, old_weights.")
    host.run_cell(3)
    expect(host.output(3)).to_contain_text("found 0.0 0.1 1.0")
    assert not host.page.evaluate(HACKED)


def test_a_long_table_is_turned_and_sorted_with_the_keyboard(host: HostPage, shots: Shots) -> None:
    host.open_cells(CELLS[0], "globals().update({f'v{n:02}': bytes(100 * (n * 7 % 25 + 1)) for n in range(24)})")
    host.run_cell(1)
    host.wait_done(1)
    host.run_cell(0)
    panel = PanelView(host.page).wait()
    panel.open_tab("Dump/Load")
    table = panel.root.locator(".cp-table", has_text="Since the last snapshot")
    turned, sized = table.get_by_label("Next rows"), table.get_by_label("Sort by Size")
    turned.focus()
    for shown in ("11 to 20 of 25", "21 to 25 of 25"):
        host.page.keyboard.press("Enter")
        expect(table).to_contain_text(shown)
    expect(table.get_by_role("region")).to_be_focused()  # there is no next one
    sized.focus()
    for order, first in (("descending", "v07"), ("ascending", "colabpanel")):
        host.page.keyboard.press("Enter")
        expect(table.locator(f"th[aria-sort='{order}']")).to_have_text(re.compile("^Size"))
        expect(table.locator("tbody tr").first).to_contain_text(first)
        expect(sized).to_be_focused()
    expect(table).to_contain_text("1 to 10 of 25")
    shots.save(panel.root, f"{host.name}-sorted")


def test_the_cards_in_the_dark(jupyterlab: HostPage, shots: Shots) -> None:
    panel, _ = _panel(jupyterlab, dark=True)
    panel.button("Choose all").click()
    expect(panel.root.locator("table").first).to_contain_text("weights")
    assert grave_violations(jupyterlab.page, ".colabpanel") == []
    shots.save(panel.root, "jupyterlab-dark-dump")


def test_saving_waits_for_the_running_cell(host: HostPage) -> None:
    folder = host.open_cells(CELLS[0], LATE, "print('length', len(y_x))")
    host.run_cell(0)
    panel = PanelView(host.page).wait()
    panel.open_tab("Dump/Load")
    host.run_cell(1)
    expect(host.output(1)).to_contain_text("begun")
    panel.button("Refresh").click()
    expect(panel.root.get_by_label("Variables", exact=True).first).to_contain_text("x \N{MIDDLE DOT} list")
    panel.fill("Into", folder / "saved")
    panel.button("Choose all").click()
    panel.button("Save variables").click()
    assert host.is_running(1)
    (folder / "go").touch()
    panel.says("Saved 1 variable")
    expect(panel.root.get_by_label("File", exact=True)).to_have_value(str(next((folder / "saved").glob("*.zip"))))
    expect(panel.root.locator("table", has_text="would replace yours")).to_have_count(1)
    panel.fill("Prefix", "y_")
    panel.button("Load").click()
    panel.says("Loaded 1 variable: y_x.")
    host.run_cell(2)
    expect(host.output(2)).to_contain_text("length 2")


@pytest.fixture(scope="module", params=["light", "dark"])
def dashboard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    base = tmp_path_factory.mktemp("serve-dump")
    (base / "root").mkdir()
    with _serve(base, base / "root", "--theme", request.param) as server:
        yield server, request.param


@pytest.mark.parametrize("width", [390, 1280])
def test_the_dashboard_lists_and_exports_and_runs_nothing(
    dashboard: tuple[Server, str], page: Page, shots: Shots, width: int
) -> None:
    server, theme = dashboard
    folder = server.root / f"snapshots-{width}"
    dump(folder / f"{EVIL}.snapshot.zip", {"numbers": {"a": [1, 2]}, "function": lambda: 1})
    page.set_viewport_size({"width": width, "height": 1000})
    panel = _open(page, server)
    panel.open_tab("Dump/Load")
    expect(panel.button("Export")).to_be_visible()
    expect(panel.button("Load")).to_have_count(0)
    panel.fill("Snapshots in", folder.name)
    panel.button("List").click()
    expect(panel.root.locator("table", has_text="holds code")).to_have_count(1)
    panel.fill("Export to", f"out-{width}")
    panel.button("Export").click()
    panel.says("Exported 1 file")
    assert (server.root / f"out-{width}" / "numbers.json").is_file()
    assert grave_violations(page, ".colabpanel") == []
    assert not page.evaluate(HACKED)
    shots.save(page, f"dashboard-{theme}-{width}-dump")
