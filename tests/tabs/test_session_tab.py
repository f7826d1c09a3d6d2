"""The Session tab, used as a user does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from colabpanel.errors import StorageError
from colabpanel.panel import Panel
from colabpanel.services.session import environment as module
from colabpanel.tabs import session
from colabpanel.tabs.session import SessionTab
from tests.fakes import FakeHost

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
