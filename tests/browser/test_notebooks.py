"""The panel in JupyterLab 4, Notebook 7, and the classic Notebook with Colab's versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.archives import TREE, tree_of

from .archives import EVIL, HACKED, evil_zip, slow_tar
from .browser_tools import Shots
from .notebooks import BUSY_CELL, HostPage
from .panel_view import PanelView

SHOW = "import colabpanel\ncolabpanel.show()"


@pytest.fixture(scope="session")
def slow_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slow_tar(tmp_path_factory.mktemp("slow"))


def _panel(host: HostPage, *more: str, dark: bool = False) -> tuple[PanelView, Path]:
    folder = host.open_cells(SHOW, *more, dark=dark)
    host.run_cell(0)
    return PanelView(host.page).wait(), folder


def test_an_archive_is_staged_by_clicking(host: HostPage, shots: Shots) -> None:
    panel, folder = _panel(host)
    shots.save(panel.root, f"{host.name}-first")
    source = evil_zip(folder)
    panel.stage(source, folder / "data")
    panel.says("1 member was skipped")
    assert tree_of(folder / "data") == {**TREE, f"{EVIL}.txt": b"evil"}
    expect(panel.root.locator("table")).to_contain_text(f"{EVIL}.zip")
    assert not host.page.evaluate(HACKED)
    shots.save(panel.root, f"{host.name}-staged")


def test_the_bar_moves_while_a_cell_runs(host: HostPage, shots: Shots, slow_archive: Path) -> None:
    panel, folder = _panel(host, BUSY_CELL)
    panel.stage(slow_archive, folder / "data")
    expect(panel.progress).to_be_visible()
    host.run_cell(1)
    seen = set()
    for _ in range(3):
        value = panel.progress.get_attribute("value")
        seen.add(value)
        host.page.wait_for_function(
            "old => { const bar = document.querySelector('.colabpanel progress[value]');"
            " return bar && bar.getAttribute('value') !== old; }",
            arg=value,
        )
        assert host.is_running(1)
    assert len(seen) == 3
    shots.save(panel.root, f"{host.name}-running")
    panel.says("Unpacked 45 files")
    assert len(tree_of(folder / "data")) == 45


def test_clicks_are_answered_while_a_cell_runs(host: HostPage, slow_archive: Path) -> None:
    panel, folder = _panel(host, BUSY_CELL)
    panel.stage(slow_archive, folder / "first")
    expect(panel.progress).to_be_visible()
    host.run_cell(1)
    panel.button("Cancel").click()
    panel.says("Cancelled.")
    panel.stage(slow_archive, folder / "second")
    expect(panel.progress).to_be_visible()
    panel.open_tab("Drive")
    expect(panel.button("Use this folder")).to_be_visible()
    assert host.is_running(1)


def test_a_bad_archive_is_refused_in_words(host: HostPage, console_errors: list[str]) -> None:
    panel, folder = _panel(host)
    (folder / "photo.zip").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    panel.stage(folder / "photo.zip", folder / "data")
    panel.says("photo.zip is a PNG image, which cannot be staged.")
    expect(panel.root.locator(".cp-message .cp-hint").first).to_contain_text("zip, tar")
    assert not (folder / "data").exists()
    assert [error for error in console_errors if "colabpanel" in error] == []


def test_showing_it_again_leaves_one_panel(host: HostPage) -> None:
    panel, _ = _panel(host)
    host.run_cell(0)
    host.wait_done(0)
    panel.wait()
    panel.open_tab("Data staging")
    expect(panel.button("Stage data")).to_be_visible()


def test_in_the_dark_browsing_by_clicks(host: HostPage, shots: Shots) -> None:
    panel, folder = _panel(host, dark=True)
    source = evil_zip(folder)
    panel.open_tab("Data staging")
    panel.button("Browse").first.click()
    chooser = panel.root.locator(".cp-chooser")
    chooser.get_by_label("Entries").select_option(source.name)
    chooser.get_by_role("button", name="Choose this file").click()
    expect(panel.root.get_by_label("From", exact=True)).to_have_value(str(source))
    expect(panel.root.locator(".cp-facts")).to_contain_text("zip")
    shots.save(panel.root, f"{host.name}-dark")
    assert not host.page.evaluate(HACKED)
