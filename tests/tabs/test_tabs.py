from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import ipywidgets
import pytest

from colabpanel.errors import InputError, JobCancelledError
from colabpanel.panel import Panel
from colabpanel.services.isolated import ChildFailedError
from colabpanel.tabs import TABS, TabEntry, _registry, registered_tabs
from colabpanel.tabs._base import Tab, error_message
from tests.fakes import FakeHost


def test_every_registered_tab_can_be_loaded() -> None:
    for entry in TABS:
        assert issubclass(entry.load(), Tab)
    assert [entry.title for entry in registered_tabs()] == [entry.title for entry in TABS]


def test_tabs_are_chosen_by_name_in_the_order_given() -> None:
    assert [entry.name for entry in registered_tabs(["staging", "drive"])] == ["staging", "drive"]
    with pytest.raises(InputError, match="no tab called 'stagin'") as caught:
        registered_tabs(["stagin"])
    assert "downloads, drive, dump, images, memory, modules, session, staging" in caught.value.hint


def test_other_packages_may_add_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("Notes", "somewhere.notes:NotesTab", "colabpanel.tabs")
    monkeypatch.setattr(_registry, "entry_points", lambda group: [point] if group == point.group else [])
    assert [entry.name for entry in registered_tabs()] == [
        "drive",
        "staging",
        "checkpoints",
        "dump",
        "memory",
        "downloads",
        "images",
        "modules",
        "session",
        "Notes",
    ]
    assert registered_tabs(["Notes"]) == [TabEntry("Notes", "Notes", "somewhere.notes:NotesTab")]


@pytest.mark.parametrize(
    ("error", "kind", "sentence", "details"),
    [
        (InputError("Wrong.", hint="Right it."), "error", "Wrong.", ""),
        (JobCancelledError(), "info", "Cancelled.", ""),
        (ChildFailedError("trace of the child"), "error", "Unexpected error.", "trace of the child"),
        (KeyError("x"), "error", "Unexpected error.", "KeyError: 'x'"),
    ],
)
def test_errors_in_words(error: BaseException, kind: str, sentence: str, details: str) -> None:
    message = error_message(error)
    assert (message.kind, message.sentence) == (kind, sentence)
    assert details in message.details
    assert bool(message.details) == bool(details)


class _SampleTab(Tab):
    """A tab as somebody else would write it."""

    def build(self) -> list[ipywidgets.Widget]:
        self.go = ipywidgets.Button(description="Go")
        self.jobs = self.job_view(self.go)
        self.on_click(self.go, self.clicked)
        self.action: Callable[[], object] = lambda: None
        return [self.jobs]

    def clicked(self) -> None:
        self.action()

    def say_what_cannot_be_said(self, result: Any) -> Any:
        raise RuntimeError(f"cannot say {result}")


def _sample(make_panel: Callable[..., Panel], host: FakeHost) -> tuple[_SampleTab, Panel]:
    panel = make_panel(host)
    return _SampleTab(panel._context), panel


def test_an_error_in_a_handler_is_shown_and_cleared(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    tab, _ = _sample(make_panel, host)
    tab.action = lambda: 1 / 0
    tab.go.click()
    assert "Unexpected error." in tab.notice.value
    tab.action = lambda: None
    tab.go.click()
    assert tab.notice.value == ""


def test_a_result_that_cannot_be_told_is_an_error(
    make_panel: Callable[..., Panel], host: FakeHost, tick: Callable[[Panel], None]
) -> None:
    tab, panel = _sample(make_panel, host)
    tab.action = lambda: tab.start_job(tab.jobs, tab.say_what_cannot_be_said, lambda progress: 5)
    tab.go.click()
    tick(panel)
    assert "cannot say 5" in tab.jobs.message.value


def test_a_second_job_waits_for_the_first_to_be_told(make_panel: Callable[..., Panel], host: FakeHost) -> None:
    tab, _ = _sample(make_panel, host)
    tab.action = lambda: tab.start_job(tab.jobs, tab.say_what_cannot_be_said, lambda progress: 5)
    tab.go.click()
    tab.go.click()
    assert "still running" in tab.notice.value
