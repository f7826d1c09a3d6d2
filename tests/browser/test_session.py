"""The Session tab in three notebooks and in the dashboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .axe import grave_violations
from .browser_tools import Shots
from .notebooks import HostPage
from .panel_view import PanelView
from .test_dashboard import _open, _serve


def _looked(panel: PanelView) -> None:
    panel.open_tab("Session")
    expect(panel.root.locator("table", has_text="of memory are used")).not_to_have_count(0)
    panel.button("Look again").click()
    expect(panel.root.get_by_role("button", name="Copy report")).to_be_visible()


def test_the_environment_in_a_notebook(host: HostPage) -> None:
    host.open_cells("import colabpanel\ncolabpanel.show()")
    host.run_cell(0)
    _looked(PanelView(host.page).wait())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_environment_in_the_dashboard(tmp_path: Path, page: Page, shots: Shots, theme: str) -> None:
    (tmp_path / "root").mkdir()
    with _serve(tmp_path, tmp_path / "root", "--theme", theme) as server:
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 1000})
            panel = _open(page, server)
            _looked(panel)
            assert grave_violations(page, ".colabpanel") == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            shots.save(panel.root, f"dashboard-{theme}-{width}-session")
