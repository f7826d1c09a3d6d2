"""Memory seen, released and guarded by clicking: three notebooks, and the dashboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .archives import HACKED
from .axe import grave_violations
from .browser_tools import Shots
from .notebooks import HostPage
from .panel_view import PanelView
from .test_dashboard import _open, _serve

MAKE = """
import numpy
big = numpy.ones(25_000_000)
keeper = [big]
evil = "<img src=x onerror=alert(1)>"
"""
LOOP = """
import time
print("begun")
for i in range(600):
    time.sleep(0.1)
"""
CELLS = (
    "import colabpanel\ncolabpanel.show()",
    MAKE,
    LOOP,
    "print('names', sorted({'big', 'keeper'} & set(globals())))",
)


def _panel(host: HostPage, *, dark: bool = False) -> PanelView:
    host.open_cells(*CELLS, dark=dark)
    host.run_cell(0)
    panel = PanelView(host.page).wait()
    host.run_cell(1)
    host.wait_done(1)
    panel.open_tab("Memory")
    return panel


def _shoot(host: HostPage, panel: PanelView, shots: Shots, name: str) -> None:
    """Take a picture of the whole panel, in a window that is high enough for it."""
    host.page.set_viewport_size({"width": 1280, "height": 3400})
    shots.save(panel.root, name)


def test_memory_is_seen_and_released(host: HostPage, shots: Shots) -> None:
    panel = _panel(host)
    expect(panel.root.locator("table", has_text="This kernel")).not_to_have_count(0)
    held = panel.root.locator("table", has_text="Shares memory with")
    expect(held).to_contain_text("191 MB")
    chosen = panel.root.get_by_label("Variables", exact=True).first
    options = chosen.locator("option")
    expect(options.filter(has_text="big")).to_have_count(1)
    chosen.select_option(label=options.filter(has_text="big").text_content())
    panel.button("Who refers to it").click()
    expect(panel.root.locator(".cp-note", has_text="keeper")).not_to_have_count(0)
    chosen.select_option(label=[text for text in options.all_text_contents() if text.startswith(("big", "keeper"))])
    _shoot(host, panel, shots, f"{host.name}-memory")
    panel.button("Release memory").click()
    message = panel.root.locator(".cp-message:visible", has_text="Freed")
    expect(message).to_contain_text(re.compile(r"Freed (1[89]|20)\d MB"))
    host.run_cell(3)
    expect(host.output(3)).to_contain_text("names []")
    expect(panel.root.locator("table", has_text="Growth")).to_contain_text("import numpy")
    assert not host.page.evaluate(HACKED)


@pytest.mark.parametrize("host", ["jupyterlab", "classic"], indirect=True)
def test_the_guard_warns_and_interrupts_the_running_cell(host: HostPage, shots: Shots) -> None:
    panel = _panel(host)
    panel.root.get_by_label("at percent").nth(0).fill("0.2")
    panel.root.get_by_label("Interrupt the cell").check()
    panel.root.get_by_label("at percent").nth(1).fill("0.3")
    panel.root.get_by_label("at percent").nth(1).press("Tab")
    host.run_cell(2)
    expect(host.output(2)).to_contain_text("begun")
    panel.button("Turn on").click()
    panel.says("The cell was interrupted.")
    host.wait_done(2)
    expect(host.output(2)).to_contain_text("KeyboardInterrupt")
    _shoot(host, panel, shots, f"{host.name}-guard")
    panel.button("Turn off").click()
    expect(panel.root.locator(".cp-note", has_text="The guard is off.")).not_to_have_count(0)


def test_old_figures_fade_and_say_how_old_they_are(jupyterlab: HostPage) -> None:
    jupyterlab.open_cells(CELLS[0], "import signal, os\nos.kill(os.getpid(), signal.SIGSTOP)")
    jupyterlab.run_cell(0)
    panel = PanelView(jupyterlab.page).wait()
    strip = panel.root.locator(".cp-strip")
    expect(strip).to_have_css("filter", "none")
    jupyterlab.run_cell(1)
    expect(strip).to_have_css("filter", "grayscale(1) opacity(0.6)")
    assert panel.root.locator(".cp-since").bounding_box()["height"] > 0  # type: ignore[index]  # it is there


def test_the_cards_in_the_dark(jupyterlab: HostPage, shots: Shots) -> None:
    panel = _panel(jupyterlab, dark=True)
    expect(panel.root.locator("table", has_text="Shares memory with")).to_contain_text("191 MB")
    assert grave_violations(jupyterlab.page, ".colabpanel") == []
    _shoot(jupyterlab, panel, shots, "jupyterlab-dark-memory")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_dashboard_shows_what_is_in_use(tmp_path: Path, page: Page, shots: Shots, theme: str) -> None:
    (tmp_path / "root").mkdir()
    with _serve(tmp_path, tmp_path / "root", "--theme", theme) as server:
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 1000})
            panel = _open(page, server)
            panel.open_tab("Memory")
            expect(panel.root.locator("table", has_text="This kernel")).not_to_have_count(0)
            expect(panel.button("Release memory")).to_have_count(0)
            expect(panel.button("Turn on")).to_have_count(0)
            panel.button("Try it").click()
            panel.says("Nothing is switched on.")
            panel.root.get_by_label("Play a sound").check()
            panel.button("Try it").click()
            expect(panel.root.locator(".cp-notifier img")).to_have_count(1)
            assert grave_violations(page, ".colabpanel") == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            shots.save(panel.root, f"dashboard-{theme}-{width}-memory")
