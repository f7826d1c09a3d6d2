"""What is worth an alert, and by which means it comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from colabpanel import alerting
from colabpanel.alerting import Alerting
from colabpanel.errors import ColabPanelError
from colabpanel.jobs import JobRunner
from colabpanel.state import PanelState
from tests.fakes import FakeClock, FakeHost, run_inline

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(alerting, "send_webhook", lambda url, text, host: found.append((url, text)))
    return found


@pytest.fixture
def made(host: FakeHost, clock: FakeClock) -> tuple[Alerting, PanelState, JobRunner]:
    state, runner = PanelState(), JobRunner(run_inline)
    return Alerting(host, state, runner, lambda function: function(), clock=clock), state, runner


Made = tuple[Alerting, PanelState, JobRunner]


def test_nothing_is_told_until_something_is_switched_on(made: Made, sent: list[tuple[str, str]]) -> None:
    alerts, state, _ = made
    alerts.alert("Memory runs short.")
    assert alerts.notifier.value == ""
    state.alert_sound = True
    alerts.alert(EVIL)
    assert "data-sound" in alerts.notifier.value
    assert EVIL not in alerts.notifier.value
    assert sent == []


def test_a_cell_is_told_of_when_it_took_long(made: Made, clock: FakeClock, sent: list[tuple[str, str]]) -> None:
    alerts, state, _ = made
    state.alert_webhook = "https://hooks.example/secret"
    alerts.cell_ended()
    for seconds in (5, 125):
        alerts.cell_started()
        clock.now += seconds
        alerts.cell_ended()
    assert sent == [("https://hooks.example/secret", "A cell ended after 2 min 5 s.")]
    state.alert_after = 1
    alerts.ended("Unpacked 3 files.", 2)
    assert sent[-1][1] == "Unpacked 3 files."


def test_an_alert_that_does_not_arrive_is_told_in_the_panel(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    alerts, state, _ = made
    problems: list[Callable[[], None] | None] = [None]

    def send(url: str, text: str, host: FakeHost) -> None:
        if problems:
            raise ColabPanelError("hooks.example cannot be reached.", hint="Look at the address.")

    monkeypatch.setattr(alerting, "send_webhook", send)
    state.alert_webhook = "https://hooks.example/secret"
    alerts.alert("Something.")
    assert state.alert_problem == "hooks.example cannot be reached. Look at the address."
    problems.clear()
    alerts.alert("Something.")
    assert state.alert_problem == ""


def test_a_closed_panel_sends_nothing(made: Made, sent: list[tuple[str, str]]) -> None:
    alerts, state, runner = made
    state.alert_webhook = "https://hooks.example/secret"
    runner.close()
    alerts.alert("Something.")
    assert sent == []
