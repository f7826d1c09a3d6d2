"""The Memory tab, used as a user does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from colabpanel.hosts.colab import ColabHost
from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.services.limits.amounts import Amount
from colabpanel.services.memory import watch as watch_module
from colabpanel.services.memory.accelerators import Allocator, Gpu, GpuProcess
from colabpanel.services.memory.gauges import Usage
from colabpanel.services.memory.guarding.models import GuardEvent
from colabpanel.services.memory.processes import KernelMemory
from colabpanel.services.snapshots.service import dump
from colabpanel.tabs.memory import MemoryTab
from tests.fakes import FakeClock, FakeHost, FakeShell

EVIL = "<img src=x onerror=alert(1)>"
GB = 1 << 30
FULL = Usage(
    ram=Amount(9 * GB, 12 * GB),
    disk=Amount(50 * GB, 100 * GB),
    uptime=100.0,
    limit="container",
    swap=Amount(GB, 2 * GB),
    kernel=KernelMemory(own=5 * GB, children=None, processes=3, exact=False, age=0.0),
    drive_cache=Amount(10 * GB, 20 * GB),
    gpus=(
        Gpu(
            0, EVIL, used=3 * GB, total=15 * GB, utilisation=0.4, temperature=61, processes=(GpuProcess(7, EVIL, None),)
        ),
        Gpu(1, "Tesla T4"),
    ),
    allocators=(Allocator("torch", "cuda:0", GB, 2 * GB, 2 * GB), Allocator("jax", "", trouble=EVIL)),
)


def _tab(panel: Panel) -> MemoryTab:
    panel.select("memory")
    tab = panel.tabs["memory"]
    assert isinstance(tab, MemoryTab)
    return tab


@pytest.fixture
def panel(make_panel: Callable[..., Panel], host: FakeHost) -> Panel:
    host.variables = {"big": np.ones(1_000_000), "small": [1, 2], EVIL: [3]}
    host.variables["keeper"] = [host.variables["big"]]
    return make_panel(host)


@pytest.fixture
def tab(panel: Panel) -> MemoryTab:
    return _tab(panel)


def test_every_figure_is_told_and_what_is_not_known_is_not_zero(
    panel: Panel, tab: MemoryTab, tick: Callable[[Panel], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "usage", lambda _: FULL)
    tick(panel)
    tab.usage.update()
    shown = tab.usage.table.value
    for words in ("Memory of the container", "9.0 GB", "Swap", "shared pages", "40% busy", "61 °C", "PyTorch cuda:0"):
        assert words in shown
    assert shown.count("unknown") == 3
    assert "reserved 2.0 GB" in shown
    assert EVIL not in shown + panel.gauges.value
    assert tab.usage.chart.value.count("<svg") == 3
    assert "GPU 1" in panel.gauges.value
    assert "this kernel 5.0 GB, swap 1.0 GB" in panel.gauges.value


def test_a_gpu_that_cannot_be_asked_is_unknown(
    panel: Panel, tab: MemoryTab, tick: Callable[[Panel], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Usage(ram=None, disk=None, uptime=1.0, gpu_trouble="The NVIDIA driver does not answer, for 4 s now.")
    monkeypatch.setattr(watch_module, "usage", lambda _: found)
    tick(panel)
    tab.usage.update()
    assert "does not answer" in tab.usage.table.value
    assert "does not answer" in panel.gauges.value
    assert "0%" not in panel.gauges.value


def test_variables_are_looked_at_and_released(tab: MemoryTab, host: FakeHost) -> None:
    card = tab.variables
    assert "7.6 MB" in card.table.value
    assert EVIL not in card.table.value
    card.who_button.click()
    assert "Choose one variable" in tab.notice.value
    card.chosen.value = ("big",)
    card.who_button.click()
    assert "keeper" in card.held_by.value
    assert "colabpanel.release([&#x27;big&#x27;])" in card.code.value
    card.release_button.click()
    tab.update()
    assert "big" not in host.variables
    assert "still in use" in card.jobs.message.value
    assert "keeper" in card.jobs.message.value
    card.chosen.value = ("keeper",)
    for switch in card.switches.values():
        switch.value = True
    card.release_button.click()
    tab.update()
    assert set(host.variables) == {"small", EVIL}
    assert "history=True, tracebacks=True" in card.code.value


def test_what_nobody_else_refers_to_is_said(tab: MemoryTab) -> None:
    tab.variables.chosen.value = ("small",)
    tab.variables.who_button.click()
    assert "Only the variable itself" in tab.variables.held_by.value


def test_the_guard_is_set_turned_on_and_off(panel: Panel, tab: MemoryTab, tmp_path: Path) -> None:
    card = tab.guard
    card.warn_at.value = "many"
    card.on_button.click()
    assert "takes a percentage" in tab.notice.value
    card.warn_at.value, card.ahead.value = "90%", "x"
    card.on_button.click()
    assert "Ahead takes a number" in tab.notice.value
    card.ahead.value, card.save.value = "20", True
    card.on_button.click()
    assert "No folder for the variables" in tab.notice.value
    card.folder.path, card.names.value = str(tmp_path / "saved"), "big, small"
    card.interrupt.value, card.interrupt_at.value = True, "95"
    assert "interrupt=0.95" in card.code.value
    card.on_button.click()
    assert tab.notice.value == ""
    assert "The guard is on" in card.state.value
    guard = panel.watch.guard
    assert guard is not None
    card.off_button.click()
    assert "The guard is off." in card.state.value
    assert not guard.status().running


def test_what_the_guard_tells_stands_above_the_tabs(panel: Panel, tab: MemoryTab) -> None:
    panel.watch._tell(GuardEvent("warning", EVIL, "Free something.", 0.0, 1, 2))
    assert "Free something." in panel.banner.value
    assert EVIL not in panel.banner.value + panel.alerting.notifier.value
    assert "data-sound" in panel.alerting.notifier.value


def test_cells_are_listed_in_the_order_that_is_chosen(panel: Panel, tab: MemoryTab, host: FakeHost) -> None:
    assert "No cell has run" in tab.cells.table.value
    for _ in range(2):
        for started, _ended in list(host.watchers):
            started()
        for _started, ended in list(host.watchers):
            ended()
    tab.cells.update()
    assert tab.cells.table.value.count("<tr>") == 3
    tab.cells.order.value = "seconds"
    assert tab.cells.table.value.count("<tr>") == 3


def test_alerts_are_switched_and_tried(panel: Panel, tab: MemoryTab, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr("colabpanel.alerting.send_webhook", lambda url, text, host: sent.append(url))
    card = tab.alerts
    card.try_button.click()
    assert "Nothing is switched on." in tab.notice.value
    card.webhook.value = "https://hooks.example/secret"
    assert card.webhook.value == ""
    assert "hooks.example" in card.webhook.placeholder
    card.try_button.click()
    assert sent == ["https://hooks.example/secret"]
    for bad in ("https://[abc", "hooks.example/secret"):
        card.webhook.value = bad
        assert "This is no address of a webhook." in tab.notice.value
        assert panel.state.alert_webhook == "https://hooks.example/secret"
    card.webhook.value = "-"
    assert panel.state.alert_webhook == ""
    card.sound.value = True
    card.after.value = "soon"
    assert "Seconds takes a number" in tab.notice.value
    card.after.value = "5"
    assert panel.state.alert_after == 5
    assert panel.state.alert_sound
    panel.state.alert_problem = EVIL
    assert "did not reach" in tab.notice.value
    assert EVIL not in tab.notice.value


def test_what_would_take_less_is_found_and_shrunk(tab: MemoryTab, host: FakeHost) -> None:
    host.variables = {"counts": np.arange(1_000_000) % 100, "weights": np.random.default_rng(0).random(500_000)}
    card = tab.more
    assert "are left: room for" in card.facts.value
    card.shrink_button.click()
    assert "No saving is chosen." in tab.notice.value
    card.look_button.click()
    assert "counts" in card.table.value
    integers = next(key for _, key in card.chosen.options if key.startswith("counts"))
    card.chosen.value = integers
    assert "counts.astype" in card.code.value
    card.shrink_button.click()
    tab.update()
    assert "counts takes" in card.jobs.message.value
    assert host.variables["counts"].dtype == np.int8
    unsafe = next(key for _, key in card.chosen.options if key == "weights float32")
    card.chosen.value = unsafe
    assert card.shrink_button.disabled
    host.variables.clear()
    card.look_button.click()
    assert "Nothing was found" in card.jobs.message.value


def test_on_colab_the_routine_is_there_as_what_it_is(
    make_panel: Callable[..., Panel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ColabHost, "workspace", tmp_path)
    host = ColabHost(FakeShell())
    card = _tab(make_panel(host)).more
    assert "Change runtime type" in card.facts.value
    card.fill.restart_button.click()
    tab = card.fill._tab
    tab.update()
    assert "no snapshot was given" in card.fill.restart_jobs.message.value
    dump(tmp_path / "before.snapshot.zip", {"x": 1})
    card.fill.snapshot.path = str(tmp_path / "before.snapshot.zip")
    card.fill.confirm.value = "yes"
    card.fill.restart_button.click()
    tab.update()
    assert "was not confirmed" in card.fill.restart_jobs.message.value
    assert "Since 2020" in card.fill.restart_jobs.message.value


def test_memory_is_filled_as_the_form_says(tab: MemoryTab, monkeypatch: pytest.MonkeyPatch) -> None:
    card = tab.more.fill
    card.until.value = "much"
    card.fill_button.click()
    assert "takes a percentage" in tab.notice.value
    card.until.value = "99"
    card.fill_button.click()
    tab.update()
    assert "cannot be filled up to 0.99" in card.jobs.message.value


def test_a_job_that_took_long_is_told(panel: Panel, host: FakeHost, clock: FakeClock) -> None:
    panel.state.alert_sound, panel.state.alert_after = True, 0.0
    tab = _tab(panel)
    tab.variables.release_button.click()
    tab.update()
    assert "freed" in panel.alerting.notifier.value.lower()


def test_the_dashboard_has_no_notebook(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    host.is_served = True
    tab = _tab(make_panel(host, runner=JobRunner()))
    assert not hasattr(tab, "variables")
    assert tab.alerts.webhook.comm is None
