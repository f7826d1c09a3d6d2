from __future__ import annotations

import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

import colabpanel
from colabpanel import api
from colabpanel.panel import Panel
from colabpanel.services.memory import Usage
from colabpanel.services.memory.black_box import BlackBox, Crash
from colabpanel.tabs import TABS, TabEntry
from tests.fakes import FakeClock, FakeHost
from tests.widgets.test_widgets import _registry


def test_the_panel_opens_with_few_models_and_builds_tabs_when_looked_at(
    make_panel: Callable[..., Panel], host: FakeHost
) -> None:
    before = len(_registry())
    panel = make_panel(host)
    assert len(_registry()) - before <= 110
    assert set(panel.tabs) == {"drive"}
    panel.select("staging")
    assert set(panel.tabs) == {"drive", "staging"}
    built = panel.tabs["staging"]
    panel.select("drive")
    panel.select("staging")
    assert panel.tabs["staging"] is built


def test_the_panel_knows_its_own_widgets_also_those_made_later(
    make_panel: Callable[..., Panel], host: FakeHost
) -> None:
    panel = make_panel(host)
    stranger = ipywidgets.Button()
    assert panel.owns(panel.tab_bar.model_id)
    assert not panel.owns(stranger.model_id)
    assert not panel.live
    panel.select("staging")
    tab: Any = panel.tabs["staging"]
    assert panel.owns(tab.stage_button.model_id)


@pytest.mark.parametrize("served", [False, True])
def test_closing_leaves_no_thread_and_no_model(host: FakeHost, served: bool) -> None:
    host.is_served = served
    before, threads = set(_registry()), set(threading.enumerate())
    panel = Panel(host=host)
    panel.select("staging")
    panel.close()
    panel.close()
    for thread in set(threading.enumerate()) - threads:
        thread.join(60)
    assert set(_registry()) == before
    assert set(threading.enumerate()) <= threads
    assert not host.watchers
    assert "closed" in repr(panel)


def test_the_gauges_show_ram_disk_and_session(
    make_panel: Callable[..., Panel], host: FakeHost, tick: Callable[[Panel], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make_panel(host)
    assert all(title in panel.gauges.value for title in ("RAM", "Disk", "Session"))
    monkeypatch.setattr("colabpanel.services.memory.watch.usage", lambda _: Usage(ram=None, disk=None, uptime=4320))
    tick(panel)
    assert panel.gauges.value.count("unknown") == 2
    assert "1 h 12 min" in panel.gauges.value
    assert "0%" not in panel.gauges.value


def test_the_end_of_the_last_kernel_is_told_once(
    make_panel: Callable[..., Panel], host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes = [Crash(time.time() - 300, 11 << 30, 12 << 30, busy=True, machine_restarted=False)]
    monkeypatch.setattr(BlackBox, "last_crash", lambda _: crashes[0] if crashes else None)
    monkeypatch.setattr(BlackBox, "acknowledge", lambda _: crashes.clear())
    banner = make_panel(host).banner.value
    assert "ended unexpectedly 5 min ago, while a cell ran; memory was at 92%" in banner
    assert "The guard in the Memory tab" in banner
    assert make_panel(host).banner.value == ""


def test_gauges_pause_when_nobody_looks(
    make_panel: Callable[..., Panel], host: FakeHost, tick: Callable[[Panel], None], clock: FakeClock
) -> None:
    panel = make_panel(host)
    panel.attention._clock = clock
    panel.attention.clicked()
    clock.now += 700
    before = panel.gauges.value
    panel.gauges.value = "stale"
    tick(panel)
    assert panel.gauges.value == "stale"
    for started, _ in host.watchers:
        started()
    tick(panel)
    assert panel.gauges.value != "stale"
    assert "RAM" in before


@pytest.fixture
def broken_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(context: object) -> None:
        raise RuntimeError("broken <b>tab</b>")

    module = types.ModuleType("broken_tabs")
    module.Broken = fail  # type: ignore[attr-defined]  # made for this test
    monkeypatch.setitem(sys.modules, "broken_tabs", module)
    entries = (TabEntry("a", "A", "no_such_module:Tab"), TabEntry("b", "B", "broken_tabs:Broken"), *TABS)
    monkeypatch.setattr("colabpanel.tabs._registry.TABS", entries)


@pytest.mark.usefixtures("broken_tabs")
def test_a_tab_that_fails_is_a_page_that_says_so_and_the_rest_works(
    make_panel: Callable[..., Panel], host: FakeHost
) -> None:
    panel = make_panel(host)
    for index, words in ((0, "no_such_module"), (1, "broken &lt;b&gt;tab")):
        panel.tab_bar.selected_index = index
        (page,) = panel.tab_bar.children[index].children
        assert "cannot be shown" in page.value
        assert words in page.value
        assert "Traceback" in page.value
    panel.select("staging")
    assert "staging" in panel.tabs


def test_foreign_tab_titles_and_no_tab_selected_are_fine(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    panel = make_panel(host, tabs=["staging"])
    assert set(panel.tabs) == {"staging"}
    panel.tab_bar.selected_index = None
    panel.tab_bar.selected_index = 0


def test_show_displays_once_and_closes_the_panel_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    monkeypatch.setattr("IPython.get_ipython", object)
    monkeypatch.setattr(api, "detect", lambda: FakeHost(tmp_path))
    before = set(_registry())
    first = colabpanel.show()
    second = colabpanel.show(["staging"], root=tmp_path)
    assert [type(widget) for widget in shown] == [ipywidgets.VBox] * 2
    assert "closed" in repr(first)
    assert second.host.root == tmp_path
    second._ipython_display_()
    assert len(shown) == 2
    second.close()
    assert set(_registry()) == before


def test_an_interrupt_leaves_no_half_closed_panel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: FakeHost
) -> None:
    before, threads = set(_registry()), set(threading.enumerate())
    monkeypatch.setattr("IPython.display.display", lambda _: None)
    monkeypatch.setattr("IPython.get_ipython", object)
    monkeypatch.setattr(api, "detect", lambda: FakeHost(tmp_path))
    first = colabpanel.show()
    stop = first.refresher.close

    def interrupted() -> None:
        stop()
        raise KeyboardInterrupt

    monkeypatch.setattr(first.refresher, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        colabpanel.show()
    for thread in set(threading.enumerate()) - threads:
        thread.join(60)
    assert set(_registry()) == before, "neither the old panel nor the new one is there"
    assert set(threading.enumerate()) <= threads


def test_show_without_a_notebook_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(api, "detect", lambda: FakeHost(tmp_path))
    for missing in (False, True):
        if missing:
            monkeypatch.setitem(sys.modules, "IPython.display", None)
        with pytest.raises(colabpanel.ColabPanelError, match="no notebook") as caught:
            colabpanel.show()
        assert "colabpanel serve" in caught.value.hint


def test_the_page_has_a_heartbeat_where_custom_widgets_load(
    make_panel: Callable[..., Panel], host: FakeHost, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host.custom_widgets = True
    panel = make_panel(host)
    beat = panel.widget.children[-1]
    beat.beats += 1
    assert panel.attention._patience == 15
    monkeypatch.setitem(sys.modules, "anywidget", None)
    without = make_panel(host)
    assert len(without.widget.children) == len(panel.widget.children) - 1
    assert "heartbeat is not available" in caplog.text
