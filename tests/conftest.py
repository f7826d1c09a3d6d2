"""Fixtures every test may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from colabpanel.hosts import Host
from colabpanel.hosts.colab import ColabHost
from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.services import isolated
from colabpanel.widgets.refresher import Refresher
from tests.fakes import FakeClock, FakeHost, run_inline
from tests.nvml import NvmlStandIn, compile_stand_in

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")
os.environ.setdefault(
    "KERAS_BACKEND", "torch"
)  # TensorFlow, which Keras takes otherwise, is not installed for most tests


@pytest.fixture(autouse=True, scope="session")
def _measure_children() -> Iterator[None]:
    """Let the child processes of services measure their coverage when we do; they see no site-packages."""
    coverage = sys.modules.get("coverage")
    if coverage is None or coverage.Coverage.current() is None:
        yield
        return
    above = str(Path(str(coverage.__file__)).parents[1])
    os.environ["COVERAGE_PROCESS_START"] = str(Path(__file__).parents[1] / "pyproject.toml")
    boot = isolated._BOOT
    start = f"import sys; sys.path.append({above!r}); import coverage; coverage.process_startup(); sys.path.pop(); "
    isolated._BOOT = start + boot
    yield
    isolated._BOOT = boot


@pytest.fixture(autouse=True)
def _own_state_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the folders of whoever runs them."""
    monkeypatch.setenv("COLABPANEL_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("COLABPANEL_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))


@pytest.fixture(autouse=True)
def _usual_mountpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test know where another one mounted Drive."""
    monkeypatch.setattr(ColabHost, "drive_mountpoint", ColabHost.drive_mountpoint)


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


@pytest.fixture(scope="session")
def _nvml_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_stand_in(tmp_path_factory.mktemp("nvml")).parent


@pytest.fixture
def nvml(_nvml_folder: Path, tmp_path: Path) -> Iterator[NvmlStandIn]:
    """Return a driver with two GPUs that a test may break."""
    stand_in = NvmlStandIn(_nvml_folder, tmp_path / "nvml-answers")
    yield stand_in
    stand_in.close()
