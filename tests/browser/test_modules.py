"""Modules and Drive by clicking: JupyterLab 4, Notebook 7, the classic Notebook; the dashboard has no modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .archives import EVIL, HACKED
from .axe import grave_violations
from .browser_tools import Shots
from .notebooks import HostPage
from .panel_view import PanelView
from .test_dashboard import _open, _serve

CELLS = ("import colabpanel\ncolabpanel.show()", "print('answer', cp_lab.answer())")


def _add(host: HostPage, *, dark: bool = False) -> tuple[PanelView, Path]:
    folder = host.open_cells(*CELLS, dark=dark)
    code = folder / f"code {EVIL}".replace("/", "")
    code.mkdir()
    (code / "cp_lab.py").write_text("def answer():\n    return 41\n")
    (folder / "requirements.txt").write_text("psutil\ncp-nowhere==1\n")
    host.run_cell(0)
    panel = PanelView(host.page).wait()
    panel.open_tab("Modules")
    panel.fill("Modules", code)
    panel.button("Add").click()
    panel.says("imported cp_lab")
    return panel, code


def test_a_module_is_added_reloaded_and_its_needs_looked_at(host: HostPage, shots: Shots) -> None:
    panel, code = _add(host)
    panel.root.get_by_label("Reload before each cell").check()
    (code / "cp_lab.py").write_text("def answer():\n    return 40 + 2\n")
    expect(panel.root.get_by_role("cell", name="changed", exact=True)).to_be_visible(timeout=30_000)
    host.run_cell(1)
    expect(host.page.get_by_text("answer 42", exact=True)).to_be_visible()
    expect(panel.root.get_by_role("cell", name="loaded", exact=True)).to_be_visible(timeout=30_000)
    panel.fill("Look at", code.parent / "requirements.txt")
    panel.button("Check").click()
    panel.says("1 of 2 requirements are not met.")
    shots.save(panel.root, f"{host.name}-modules")
    assert not host.page.evaluate(HACKED)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_tabs_fit_and_can_be_used_by_everybody(notebook7: HostPage, shots: Shots, dark: bool, width: int) -> None:
    notebook7.page.set_viewport_size({"width": width, "height": 1400})
    panel, _ = _add(notebook7, dark=dark)
    shots.save(panel.root, f"notebook7-{'dark' if dark else 'light'}-{width}-modules")
    assert grave_violations(notebook7.page, ".colabpanel") == []
    panel.open_tab("Drive")
    panel.button("Is it safe?").click()
    panel.button("Has it arrived?").click()
    panel.says("Nothing was saved in this session.")
    shots.save(panel.root, f"notebook7-{'dark' if dark else 'light'}-{width}-drive")
    assert grave_violations(notebook7.page, ".colabpanel") == []


def test_the_dashboard_has_no_modules_and_checks_its_folder(page: Page, tmp_path: Path, shots: Shots) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/a.txt").write_text("a")
    with _serve(tmp_path, tmp_path / "root") as server:
        panel = _open(page, server)
        expect(panel.root.get_by_role("tab", name="Session")).to_be_visible()
        expect(panel.root.get_by_role("tab", name="Modules")).to_have_count(0)
        panel.open_tab("Drive")
        panel.fill("Folder", ".")
        panel.button("Check").click()
        panel.says("answers in")
        panel.fill("Folder", "/etc")
        panel.button("Check").click()
        panel.says("lies outside the folder that this panel may touch")
        panel.button("Look through files").click()
        expect(panel.root.get_by_role("button", name="Open a.txt").or_(panel.root.get_by_text("a.txt"))).to_have_count(
            1
        )
        expect(panel.root.get_by_role("button", name="Delete", exact=True)).to_have_count(0)
        shots.save(panel.root, "dashboard-drive")
