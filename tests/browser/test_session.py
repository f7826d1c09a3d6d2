"""The Session tab in three notebooks and in the dashboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .axe import grave_violations
from .browser_tools import Shots
from .notebooks import OPEN_MS, HostPage
from .panel_view import PanelView
from .test_dashboard import _open, _serve


def _looked(panel: PanelView) -> None:
    panel.open_tab("Session")
    expect(panel.root.get_by_text("Machine or container")).to_be_visible()
    expect(panel.root.locator("table", has_text="of memory are used")).not_to_have_count(0)
    panel.button("Look again").click()
    expect(panel.root.get_by_role("button", name="Copy report")).to_be_visible()


def test_the_environment_in_a_notebook(host: HostPage) -> None:
    host.open_cells("import colabpanel\ncolabpanel.show()")
    host.run_cell(0)
    _looked(PanelView(host.page).wait())


COLAB = "import os\nos.environ['COLAB_RELEASE_TAG'] = 'x'\nimport colabpanel\ncolabpanel.show(['session'])"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("host", ["classic"], indirect=True)
def test_what_colab_offers_with_its_versions(host: HostPage, shots: Shots, dark: bool) -> None:
    """In the classic Notebook, with the host of Colab, which has no runtime to release here."""
    page = host.page
    host.open_cells(COLAB, dark=dark)
    host.run_cell(0)
    panel = PanelView(page).wait()
    _looked(panel)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 4000})
        assert grave_violations(page, ".colabpanel") == []
        shots.save(panel.root, f"classic-{'dark' if dark else 'light'}-{width}-session")
    panel.button("Finish").click()
    panel.says("Nothing was released.")
    expect(panel.root.get_by_text("not known to be safe", exact=True)).to_be_visible()
    assert grave_violations(page, ".colabpanel") == []
    shots.save(panel.root, f"classic-{'dark' if dark else 'light'}-1280-finish")


def test_the_countdown_can_be_vetoed(jupyterlab: HostPage) -> None:
    jupyterlab.open_cells(COLAB)
    jupyterlab.run_cell(0)
    panel = PanelView(jupyterlab.page).wait()
    _looked(panel)
    panel.root.get_by_label("Even if not known to be safe").check()
    panel.button("Finish").click()
    expect(panel.root.get_by_text("Releasing the runtime, unless you cancel")).to_be_visible()
    panel.button("Cancel").click()
    panel.says("Cancelled.")


def test_a_heartbeat_is_started_in_the_dashboard(tmp_path: Path, page: Page, shots: Shots) -> None:
    (tmp_path / "root").mkdir()
    with _serve(tmp_path, tmp_path / "root") as server:
        page.set_viewport_size({"width": 1366, "height": 1600})
        panel = _open(page, server)
        _looked(panel)
        panel.fill("Minutes", "90")
        panel.button("Keep alive").click()
        expect(panel.root.get_by_text("This page keeps the kernel alive for another")).to_be_visible()
        assert grave_violations(page, ".colabpanel") == []
        shots.save(panel.root, "dashboard-light-1366-keeping-alive")
        page.reload(timeout=OPEN_MS)  # the kernel of the page before is another one
        panel = PanelView(page).wait()
        panel.open_tab("Session")
        expect(panel.root.get_by_text("This page keeps the kernel alive")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_environment_in_the_dashboard(tmp_path: Path, page: Page, shots: Shots, theme: str) -> None:
    (tmp_path / "root").mkdir()
    with _serve(tmp_path, tmp_path / "root", "--theme", theme) as server:
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 2600})
            panel = _open(page, server)
            _looked(panel)
            assert grave_violations(page, ".colabpanel") == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            shots.save(panel.root, f"dashboard-{theme}-{width}-session")
