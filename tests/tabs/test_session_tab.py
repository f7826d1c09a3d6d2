"""The Session tab, used as a user does."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from colabpanel import api
from colabpanel.errors import HostError, InputError, StorageError
from colabpanel.hosts import TimeLimit
from colabpanel.jobs import JobRunner
from colabpanel.panel import Panel
from colabpanel.services import mounts, saves
from colabpanel.services.checkpoints.service import active_checkpoints
from colabpanel.services.memory import Amount, Usage
from colabpanel.services.saves import note_save
from colabpanel.services.session import environment as module
from colabpanel.tabs import session
from colabpanel.tabs.session import SessionTab
from colabpanel.widgets.keep_alive import KeepAliveView
from tests.fakes import FakeClock, FakeHost, HeldWork, run_inline

EVIL = "<img src=x onerror=alert(1)>"


def _tab(panel: Panel) -> SessionTab:
    panel.select("session")
    tab = panel.tabs["session"]
    assert isinstance(tab, SessionTab)
    return tab


def test_the_machine_is_looked_at_when_the_tab_opens(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    tab = _tab(make_panel(host))
    assert host.name in tab.facts.value
    assert "of memory are used" in tab.findings.value
    assert "Copy report" in tab.report.value
    assert "ipywidgets" in tab.report.value


def test_what_is_wrong_comes_first_and_is_escaped(
    make_panel: Callable[..., Panel], host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(**_: object) -> None:
        raise StorageError(EVIL, hint=EVIL)

    tab = _tab(make_panel(host))
    monkeypatch.setattr(module, "find_drive", find)
    monkeypatch.setattr(module, "usage", lambda _, patience: Usage(Amount(1, 100), Amount(1, 100), 0.0))
    tab.look_button.click()
    assert "1 thing to look at" in tab.facts.value
    assert tab.findings.value.index("does not answer") < tab.findings.value.index("of memory are used")
    assert EVIL not in tab.findings.value + tab.facts.value + tab.report.value


def test_a_look_that_fails_is_told(
    make_panel: Callable[..., Panel], host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = _tab(make_panel(host))

    def fail(**_: object) -> None:
        raise StorageError("No.", hint="Wait.")

    monkeypatch.setattr(session, "environment", fail)
    tab.look_button.click()
    assert "No." in tab.notice.value


@pytest.fixture(autouse=True)
def _nothing_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saves, "_newest", {})
    for left_open in active_checkpoints():
        left_open.close()


def test_the_clock_tells_what_is_known_and_ticks_for_those_who_look(
    make_panel: Callable[..., Panel], host: FakeHost, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.time_limits = (TimeLimit(EVIL, 5400.0, 365 * 86400.0, EVIL), TimeLimit("Paid", None, math.inf, "Nobody."))
    panel = make_panel(host)
    tab = _tab(panel)
    assert "none in this session" in tab.clock.facts.value
    assert "just now" in tab.clock.facts.value
    assert "1.5 h" in tab.clock.limits.value
    assert "not known" in tab.clock.limits.value
    assert "no limit" in tab.clock.limits.value
    assert "Paid: Nobody." in tab.clock.sources.value
    assert "colabpanel.session_clock()" in tab.clock.code.value
    note_save(tmp_path / f"{EVIL}.zip")
    monkeypatch.setattr(type(panel.attention), "present", False)
    clock.now += 10
    panel.refresher.tick()
    assert "none in this session" in tab.clock.facts.value
    monkeypatch.setattr(type(panel.attention), "present", True)
    clock.now += 10
    panel.refresher.tick()
    assert "alert(1)&gt;.zip" in tab.clock.facts.value
    assert EVIL not in tab.clock.facts.value + tab.clock.limits.value + tab.clock.sources.value


def test_a_limit_that_is_near_is_marked(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    host.time_limits = (TimeLimit("Free", None, 1.0, "Somebody."),)
    tab = _tab(make_panel(host))
    assert "cp-tone-warning" in tab.clock.limits.value
    assert "less than a minute" in tab.clock.limits.value


def test_clicks_in_the_tab_are_activity(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    panel = make_panel(host)
    before = panel.activity.last
    _tab(panel).look_button.click()
    assert panel.activity.last > before


def test_a_heartbeat_is_started_shown_and_stopped(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    card = _tab(make_panel(host)).keep_alive
    card.minutes.value = "90"
    assert "colabpanel.keep_alive(90)" in card.code.value
    assert card.view.heart.interval == 60
    card.start_button.click()
    heart = card.view.heart
    assert heart.seconds_left == pytest.approx(5400, abs=60)
    assert "Waiting for the first heartbeat" in card.view.unheard.value
    heart.beats += 1
    assert card.keep_alive.status().beats == 1
    assert card.view.unheard.value == ""
    heart.seconds_left = 0.0  # what the Stop button of the page does
    assert card.keep_alive.status().state == "off"


def test_what_is_no_length_is_told(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    tab = _tab(make_panel(host))
    tab.keep_alive.minutes.value = "soon"
    tab.keep_alive.start_button.click()
    assert "1,440 at most" in tab.notice.value
    assert tab.keep_alive.keep_alive.status().state == "off"
    assert "keep_alive(120)" in tab.keep_alive.code.value


def test_a_beat_after_the_end_is_answered_with_a_stop() -> None:
    left = [5.0, 0.0, 0.0]
    stopped: list[str] = []
    sent: list[Any] = []

    def note(key: str) -> None:
        sent.append(key)

    view = KeepAliveView(lambda: left.pop(0), lambda: stopped.append("stopped"), interval=1)
    view.show(10)
    view.heart.beats += 1
    assert (view.heart.seconds_left, stopped) == (5, [])
    view.heart.send_state = note
    view.heart.beats += 1
    assert (view.heart.seconds_left, stopped) == (0, ["stopped"])
    sent.clear()
    view.heart.beats += 1  # of a page that has not heard of it
    assert "seconds_left" in sent
    assert (view.heart.seconds_left, stopped) == (0, ["stopped"])


def test_on_colab_what_to_paste_is_shown_with_a_caution(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    host.keep_alive = "console"
    tab = _tab(make_panel(host))
    assert not hasattr(tab, "keep_alive")
    shown = tab.console.help.value
    assert "colab-connect-button" in shown
    assert "colab-toolbar-button" in shown
    assert "https://colab.research.google.com/signup" in shown
    assert "Date.now() + 7200000;" in shown
    tab.console.minutes.value = "1"
    assert "Date.now() + 60000;" in tab.console.help.value
    tab.console.minutes.value = "never"
    assert "1,440 at most" in tab.console.help.value


def test_the_dashboard_shows_no_code_and_offers_no_end(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    host.is_served, host.releases_runtime = True, True
    tab = _tab(make_panel(host))
    assert not hasattr(tab, "finish")
    assert tab.clock.code.comm is None
    assert tab.keep_alive.code.comm is None


@pytest.mark.parametrize("way", ["heartbeat", ""])
def test_where_nothing_can_be_released_no_card_offers_it(
    make_panel: Callable[..., Panel], host: FakeHost, way: Any
) -> None:
    host.keep_alive = way
    tab = _tab(make_panel(host))
    assert not hasattr(tab, "finish")
    assert hasattr(tab, "keep_alive") == bool(way)


@pytest.fixture
def colab(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    host.releases_runtime = True
    monkeypatch.setattr("colabpanel.tabs._finish_card._COUNTDOWN", 0.0)
    return host


def test_finishing_shows_what_was_looked_at_and_stops_at_a_risk(
    make_panel: Callable[..., Panel], colab: FakeHost, tick: Callable[[Panel], None]
) -> None:
    panel = make_panel(colab)
    card = _tab(panel).finish
    card.button.click()
    tick(panel)
    assert "Nothing was released" in card.job.message.value
    assert "not known to be safe" in card.checks.value
    assert colab.released == 0
    card.anyway.value = True
    assert "colabpanel.finish(countdown=0, anyway=True)" in card.code.value
    card.button.click()
    tick(panel)
    assert "The runtime is released." in card.job.message.value
    assert colab.released == 1


def test_what_is_safe_is_released_without_leave(
    make_panel: Callable[..., Panel],
    colab: FakeHost,
    tick: Callable[[Panel], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mounts, "mount_of", lambda _: ("/content/drive", "fuse.drive"))
    note_save(tmp_path / f"{EVIL}.zip")
    panel = make_panel(colab)
    card = _tab(panel).finish
    card.button.click()
    tick(panel)
    assert colab.released == 1
    assert EVIL not in card.checks.value


def test_a_save_before_the_last_cell_is_a_risk(
    make_panel: Callable[..., Panel], colab: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "mount_of", lambda _: ("/content/drive", "fuse.drive"))
    note_save(tmp_path / "one.zip", 1000.0)
    card = _tab(make_panel(colab)).finish
    for started, _ in colab.watchers:
        started()
    card.button.click()
    assert "The last cell began" in card.checks.value
    assert colab.released == 0


class _HeldFinish(JobRunner):
    """Runs finishing on a thread, and holds all other work."""

    def __init__(self) -> None:
        self.held, self.threads = HeldWork(), list[threading.Thread]()
        super().__init__(self._spawn_one)

    def _spawn_one(self, work: Callable[[], None], name: str) -> None:
        if name == "colabpanel-SessionTab":
            self.threads.append(threading.Thread(target=work))
            self.threads[-1].start()
        elif name == "colabpanel-transfer":
            self.held(work, name)
        else:
            run_inline(work, name)


@pytest.fixture
def runner() -> Iterator[_HeldFinish]:
    made = _HeldFinish()
    yield made
    for thread in made.threads:
        thread.join(30)


def test_other_jobs_of_the_panel_are_waited_for(
    make_panel: Callable[..., Panel], colab: FakeHost, runner: _HeldFinish, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = threading.Event()
    panel = make_panel(colab, runner=runner)
    card = _tab(panel).finish
    card.anyway.value = True
    job = runner.submit("transfer", lambda _: looked_at.set())
    card.button.click()
    assert card.job.job is not None
    while "Waiting until no cell and no job runs" not in card.job.job.snapshot().description:
        card.job.job.advance(0)
    assert colab.released == 0
    runner.held.release()
    assert job.done()
    card.job.job.result(30)
    assert colab.released == 1


def test_keep_alive_in_a_cell_displays_a_heartbeat(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(api, "detect", lambda: host)
    monkeypatch.setattr(api, "_display", lambda: shown.append)
    beating = api.keep_alive(30, interval=5)
    assert beating is not None
    view = shown[0].children[1]
    assert (view.heart.interval, view.heart.seconds_left) == (5, pytest.approx(1800, abs=60))
    view.heart.beats += 1
    assert beating.status().beats == 1
    beating.stop()
    assert view.heart.seconds_left == 0
    host.keep_alive = "console"
    assert api.keep_alive(30) is None
    assert "colab-connect-button" in shown[1].children[1].value


def test_keep_alive_refuses_before_it_displays(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HostError, match="no notebook"):
        api.keep_alive(30)
    monkeypatch.setattr(api, "_display", pytest.fail)
    for call in ({"minutes": 0}, {"minutes": 1, "interval": 0}):
        with pytest.raises(InputError):
            api.keep_alive(**call)
