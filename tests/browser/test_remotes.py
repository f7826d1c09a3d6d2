"""Files that lie elsewhere, seen by clicking: in JupyterLab, in the classic Notebook, and in the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.archives import TREE, make_zip, tree_of

from .archives import EVIL, HACKED
from .axe import grave_violations
from .browser_tools import Shots
from .notebooks import HostPage
from .panel_view import PanelView
from .servers import Server
from .test_dashboard import _open, _serve

SHOW = (
    "import os, colabpanel\nos.environ['RCLONE_CONFIG'] = os.path.abspath('rclone.conf')\ncolabpanel.show()",
    "import time\ntime.sleep(20)",
)


def _configure(folder: Path) -> Path:
    """Make a configuration of rclone in which ``box:`` is a folder; returns that folder."""
    box = folder / "far"
    box.mkdir()
    make_zip(box / "set.zip")
    make_zip(box / f"{EVIL}.zip")
    (folder / "rclone.conf").write_text(f"[box]\ntype = alias\nremote = {box}\n[mem]\ntype = memory\n")
    return box


def _remotes(panel: PanelView) -> None:
    panel.open_tab("Drive")
    panel.button("Remotes").click()
    expect(panel.root.get_by_label("Remote", exact=True).locator("option")).not_to_have_count(0)


@pytest.mark.parametrize("host", ["jupyterlab", "classic"], indirect=True)
def test_an_archive_goes_from_a_remote_to_this_machine_without_a_copy(host: HostPage, shots: Shots) -> None:
    folder = host.open_cells(*SHOW)
    box = _configure(folder)
    host.run_cell(0)
    panel = PanelView(host.page).wait()
    _remotes(panel)
    panel.button("Check remote").click()
    panel.says("box: answers: its top holds 2 entries.")
    panel.button("Look through").click()
    files = panel.root.get_by_role("region", name="Files, This machine")
    expect(files.locator("tbody tr")).to_have_count(2)
    shots.save(panel.root, f"{host.name}-remotes")
    host.run_cell(1)
    panel.root.get_by_role("checkbox", name="Choose set.zip", exact=True).check()
    panel.button("Send").click()
    expect(panel.root.get_by_label("From", exact=True).filter(visible=True)).to_have_value("box:set.zip")
    panel.fill("To", folder / "data")
    panel.button("Stage data").click()
    panel.says("Unpacked")
    assert tree_of(folder / "data") == TREE
    panel.open_tab("Drive")
    panel.fill("File", box / "set.zip")
    panel.fill("To", "box:new/")
    panel.button("Upload").click()
    panel.says("Put")
    assert (box / "new/set.zip").read_bytes() == (box / "set.zip").read_bytes()
    assert not host.page.evaluate(HACKED)


@pytest.fixture(scope="module", params=["light", "dark"])
def dashboard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    base = tmp_path_factory.mktemp("serve-remotes")
    (base / "root").mkdir()
    _configure(base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RCLONE_CONFIG", str(base / "rclone.conf"))
        with _serve(base, base / "root", "--theme", request.param, "--remote", "box") as server:
            yield server, request.param


@pytest.mark.parametrize("width", [390, 1280])
def test_a_visitor_reads_from_the_remote_that_was_named(
    dashboard: tuple[Server, str], page: Page, shots: Shots, width: int
) -> None:
    server, theme = dashboard
    page.set_viewport_size({"width": width, "height": 1400})
    panel = _open(page, server)
    _remotes(panel)
    expect(panel.root.get_by_label("Remote", exact=True).locator("option")).to_have_text(["box: (alias, to read)"])
    expect(panel.button("Upload")).to_have_count(0)
    panel.button("Room").click()
    panel.says("free")
    panel.button("Look through").click()
    expect(panel.root.get_by_role("region", name="Files, This machine").locator("tbody tr")).to_have_count(2)
    assert grave_violations(page, ".colabpanel") == []
    assert panel.root.evaluate("root => root.scrollWidth <= root.clientWidth + 1")
    shots.save(page, f"dashboard-{theme}-{width}-remotes")
    panel.stage("mem:set.zip", f"data-{width}")
    panel.says("The dashboard may not use a remote called mem.")
    panel.stage("box:set.zip", f"data-{width}")
    panel.says("Unpacked")
    assert tree_of(server.root / f"data-{width}") == TREE
    assert not page.evaluate(HACKED)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_adding_a_remote_is_explained_step_by_step(notebook7: HostPage, shots: Shots, dark: bool, width: int) -> None:
    notebook7.page.set_viewport_size({"width": width, "height": 1400})
    folder = notebook7.open_cells(*SHOW, dark=dark)
    _configure(folder)
    notebook7.run_cell(0)
    panel = PanelView(notebook7.page).wait()
    _remotes(panel)
    panel.button("Add a remote").click()
    panel.fill("Name", "mybox")
    token = panel.root.get_by_label("Token", exact=True)
    token.fill('{"access_token": "t", "expiry": "2099-01-01T00:00:00Z"}')
    token.press("Tab")
    expect(token).to_have_value("")
    expect(panel.root.get_by_text('rclone authorize "dropbox"')).to_be_visible()
    assert grave_violations(notebook7.page, ".colabpanel") == []
    shots.save(panel.root, f"notebook7-{'dark' if dark else 'light'}-{width}-remotes-setup")
    panel.button("Add").click()
    panel.says("mybox: is added.")
    assert "[mybox]\ntype = dropbox" in (folder / "rclone.conf").read_text()
