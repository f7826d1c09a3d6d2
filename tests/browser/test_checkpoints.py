"""Checkpoints watched, restored and exported by clicking: three notebooks, and the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from colabpanel.services.checkpoints.service import Checkpoints

from .archives import EVIL, HACKED
from .axe import grave_violations
from .browser_tools import Shots
from .notebooks import HostPage
from .panel_view import PanelView
from .servers import Server
from .test_dashboard import _open, _serve

TRAIN = """
import time, torch, colabpanel
model = torch.nn.Linear(4, 4)
checkpoints = colabpanel.Checkpoints("run", monitor="val_loss", keep_last=None, mirror="drive")
for step in range(1, 400):
    with torch.no_grad():
        model.weight.fill_(step)
    checkpoints.save_if_due(model, step=step)
    if step % 5 == 0 and step <= 20:
        checkpoints.save(model, step=step, epoch=step // 5, metrics={"val_loss": abs(step - 15) + 1.0})
    time.sleep(0.1)
    if len(checkpoints.table()) == 5:
        break
checkpoints.wait()
"""
CELLS = (
    "import colabpanel\ncolabpanel.show()",
    TRAIN,
    "print('found', model.weight.unique().tolist())",
)


def test_training_is_watched_asked_and_restored(host: HostPage, shots: Shots) -> None:
    host.open_cells(*CELLS)
    host.run_cell(0)
    panel = PanelView(host.page).wait()
    panel.open_tab("Checkpoints")
    host.run_cell(1)
    expect(panel.root.locator("table", has_text="step-00000020")).not_to_have_count(0, timeout=60_000)
    assert host.is_running(1)
    panel.button("Save now").click()
    panel.says("Training saves one at its next batch.")
    host.wait_done(1)
    expect(panel.root.locator(".cp-chart svg").first).to_be_visible()
    rows = panel.root.locator("table", has_text="Where it is safe").locator("tbody tr")
    expect(rows).to_have_count(5, timeout=30_000)
    expect(rows.filter(has_text="best")).to_contain_text("step-00000015")
    expect(rows.filter(has_text="here and on the mirror")).to_have_count(5, timeout=30_000)
    chosen = panel.root.get_by_label("Checkpoints", exact=True)
    chosen.select_option(label=chosen.locator("option", has_text="best").text_content())
    panel.button("Restore").click()
    panel.says("Restored model")
    shots.save(panel.root, f"{host.name}-checkpoints")
    host.run_cell(2)
    expect(host.output(2)).to_contain_text("found [15.0]")


@pytest.fixture(scope="module", params=["light", "dark"])
def dashboard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    base = tmp_path_factory.mktemp("serve-checkpoints")
    (base / "root").mkdir()
    with _serve(base, base / "root", "--theme", request.param) as server:
        yield server, request.param


def _fill(folder: Path) -> None:
    import torch

    checkpoints = Checkpoints(folder, monitor="val_loss", keep_last=None)
    for epoch in range(1, 13):
        metrics = {"val_loss": 1 / epoch + 0.01 * (epoch % 3), EVIL: 1.0}
        model = {"w": torch.zeros(64, epoch), "b": torch.zeros(64)}
        checkpoints.save(model, step=epoch * 1000, epoch=epoch, metrics=metrics, tags=[EVIL] if epoch == 1 else ())
    checkpoints.wait()
    checkpoints.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_dashboard_lists_compares_and_exports(
    dashboard: tuple[Server, str], page: Page, shots: Shots, width: int
) -> None:
    server, theme = dashboard
    folder = server.root / f"run-{width}"
    _fill(folder)
    page.set_viewport_size({"width": width, "height": 1000})
    panel = _open(page, server)
    panel.open_tab("Checkpoints")
    panel.fill("Saved in", folder.name)
    panel.button("List").click()
    expect(panel.root.locator(".cp-chart svg").first).to_be_visible()
    expect(panel.button("Restore")).to_have_count(0)
    chosen = panel.root.get_by_label("Checkpoints", exact=True)
    options = chosen.locator("option").all_text_contents()
    chosen.select_option(label=[options[0], options[3]])
    panel.button("Compare").click()
    expect(panel.root.locator("table", has_text="Same shape and type")).not_to_have_count(0)
    chosen.select_option(label=options[0])
    panel.fill("Export to", f"out-{width}.safetensors")
    panel.root.get_by_label("Half precision").check()
    panel.button("Export").click()
    panel.says("Exported 2 tensors")
    assert (server.root / f"out-{width}.safetensors").stat().st_size < 64 * 13 * 2 + 400
    assert grave_violations(page, ".colabpanel") == []
    assert not page.evaluate(HACKED)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": width, "height": 2600})
    shots.save(panel.root, f"dashboard-{theme}-{width}-checkpoints")
