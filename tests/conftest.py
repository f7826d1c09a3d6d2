"""Fixtures every test may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from colabpanel.hosts import Host
from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.widgets.refresher import Refresher
from tests.fakes import FakeClock, FakeHost, run_inline


@pytest.fixture(autouse=True)
def _own_state_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the state folder of whoever runs them."""
    monkeypatch.setenv("COLABPANEL_STATE_DIR", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def make_panel(clock: FakeClock) -> Iterator[Callable[..., Panel]]:
    """Make panels whose jobs run at once, and whose refresher ticks by hand."""
    panels: list[Panel] = []

    def make(host: Host, *, runner: JobRunner | None = None, tabs: list[str] | None = None) -> Panel:
        refresher = Refresher(clock=clock, interval=3600)
        panel = Panel(tabs, host=host, runner=runner or JobRunner(run_inline), refresher=refresher)
        panels.append(panel)
        return panel

    yield make
    for panel in panels:
        panel.close()


@pytest.fixture
def tick(clock: FakeClock) -> Callable[[Panel], None]:
    """Let the refresher look once, a second later."""

    def once(panel: Panel) -> None:
        clock.now += 1
        panel.refresher.tick()

    return once
