from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel import words
from colabpanel.jobs import Job, JobSnapshot, JobState
from colabpanel.widgets.attention import Attention
from colabpanel.widgets.basics import button, close_tree, copy_button, escape, label_only_for_readers, offer
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.gauges import Gauge, GaugeStrip, Trail
from colabpanel.widgets.job_view import JobView, describe
from colabpanel.widgets.messages import CodeView, Message, MessageView
from colabpanel.widgets.notifier import Notifier, permission_button
from colabpanel.widgets.path_picker import PathPicker
from colabpanel.widgets.refresher import Refresher
from tests.fakes import FakeClock

EVIL = "<img src=x onerror=alert(1)>\"'"


@given(st.text())
def test_escaped_text_can_be_sent_and_has_no_markup(text: str) -> None:
    shown = escape(text)
    shown.encode("utf-8")
    assert not set(shown) & set("<>\"'")
    assert all(letter >= " " or letter in "\n\t" for letter in shown)


def test_bytes_that_are_no_text_are_shown_as_marks() -> None:
    assert escape(os.fsdecode(b"caf\xe9")) == "caf?"
    assert escape("a\x1b[2J") == "a\ufffd[2J"


def test_foreign_text_stays_text_in_every_view() -> None:
    message, table, code, gauges = MessageView(), DataTable(EVIL, [Column(EVIL)], empty=EVIL), CodeView(), GaugeStrip()
    message.show(Message("error", EVIL, EVIL, EVIL, EVIL))
    code.show([EVIL])
    gauges.show([Gauge(EVIL, EVIL, 0.5)])
    views = [message.value, table.value, code.value, gauges.value]
    table.show([[Cell(EVIL, full=EVIL)], [EVIL]])
    job: Job[None] = Job("x")
    job.start(1, EVIL)
    view = JobView(button("Go", tooltip="Go"))
    view.follow(job, lambda _: Message("ok", ""))
    views += [table.value, view.bar.value, view.figures.value, copy_button(EVIL, EVIL)]
    for html in views:
        assert "<img" not in html
        assert "&lt;img" in html


def test_a_message_tells_its_kind_and_clears() -> None:
    view = MessageView()
    view.show(Message("error", "It failed.", "Do this.", "trace"))
    assert 'role="alert"' in view.value
    assert "Copy report" in view.value
    view.show(Message("ok", "Done."))
    assert 'role="status"' in view.value
    assert "<details>" not in view.value
    view.clear()
    assert view.value == ""


def test_an_empty_table_says_how_to_fill_it_and_a_long_one_what_is_left_out() -> None:
    table = DataTable("Files", [Column("Name"), Column("Size", is_number=True)], empty="Press Stage data.")
    assert "Press Stage data." in table.value
    table.show([[f"{number}", "1"] for number in range(13)])
    assert table.value.count("<tr>") == 11
    assert "1 to 10 of 13" in table.value
    assert 'class="cp-number"' in table.value


def _send(table: DataTable, said: str) -> None:
    table.children[1].value = f"{said} {table.children[1].value}."  # as the page does: no message is the one before


def _first_cells(table: DataTable) -> list[str]:
    rows = table.value.split("<tbody>")[1].split("</tbody>")[0].split("<tr>")[1:]
    return [re.sub("<[^>]*>", "", row.split("</td>")[0]) for row in rows]


def test_a_long_table_is_turned_page_by_page_and_keeps_its_page() -> None:
    table = DataTable("Files", [Column("Name")], empty="")
    rows = [[f"{number:02}"] for number in range(23)]
    table.show(rows)
    assert "Previous" not in table.value
    _send(table, "turn 20")
    assert (_first_cells(table), "21 to 23 of 23" in table.value) == (["20", "21", "22"], True)
    assert "Next" not in table.value
    table.show([*rows, ["23"]])
    assert _first_cells(table) == ["20", "21", "22", "23"]
    for nonsense in ("turn 99", "turn -1", "turn x", "turn", "sort 0", "else 1", "turn ²"):
        _send(table, nonsense)
        assert _first_cells(table) == ["20", "21", "22", "23"]
    table.show(rows[:4])
    assert _first_cells(table) == ["00", "01", "02", "03"]


def test_a_table_is_sorted_by_what_its_cells_mean() -> None:
    columns = [Column("Name"), Column("Size", is_number=True)]
    table = DataTable("Files", columns, empty="", is_sortable=True)
    sizes = {"b": 900, "A": 2_000, "d": None, "c": 1_000_000}
    rows = [[name, "" if size is None else Cell(words.size(size), number=size)] for name, size in sizes.items()]
    table.show(rows)
    for clicked, names in (("1", "cAbd"), ("1", "bAcd"), ("1", "bAdc"), ("0", "Abcd"), ("0", "dcbA"), ("1", "cAbd")):
        _send(table, f"sort {clicked}")
        assert "".join(_first_cells(table)) == names
    assert 'aria-sort="descending"' in table.value
    table.show([*rows, ["e", Cell("1 MB", number=1_500_000)]])
    assert "".join(_first_cells(table)) == "ecAbd"
    _send(table, "sort 2")
    assert "".join(_first_cells(table)) == "ecAbd"
    table.show([])
    table.show([["x", Cell("much", number=float("nan"))], ["y", Cell("1 B", number=1)]])
    assert "".join(_first_cells(table)) == "xy"


def test_gauges_warn_by_colour_and_draw_the_past() -> None:
    strip = GaugeStrip()
    trail = Trail([(90, 0.1), (80, 0.2), (20, 0.5), (10, 0.6), (0, 0.95)], gap=20, cells=[(400, 350), (60, 0)])
    for share in (0.5, 0.85, 0.95):
        strip.show([Gauge("RAM", "x", share, note="swap 0", trail=trail), Gauge("Session", "8 s")])
    assert "cp-red" in strip.value
    assert "cp-amber" not in strip.value
    lines = [piece.split('"')[0].split() for piece in strip.value.split('points="')[1:]]
    assert [len(line) for line in lines] == [2, 3]
    assert lines[1][-1].startswith("120.0,")
    assert strip.value.count("<rect") == 1
    assert strip.value.count('role="meter"') == 1
    assert "swap 0" in strip.value
    assert "cp-old" not in strip.value


def test_a_figure_that_is_not_of_now_is_greyed() -> None:
    strip = GaugeStrip()
    strip.show([Gauge("GPU 0", "x", 0.5, trail=Trail([(5, 0.5)]), as_of=12.0)])
    assert "cp-old" in strip.value
    assert len(strip.value.split('points="')[1].split('"')[0].split()) == 2


def test_the_browser_is_told_each_time_anew_and_only_what_is_wished() -> None:
    notifier = Notifier()
    assert notifier.value == ""
    notifier.tell(EVIL, EVIL, sound=True, notification=False)
    first = notifier.value
    assert EVIL not in first
    assert "data-sound" in first
    assert "data-notify" not in first
    notifier.tell(EVIL, EVIL, sound=False, notification=True)
    assert first.split('data-id="')[1].split('"')[0] not in notifier.value
    assert "data-notify" in notifier.value
    assert "requestPermission" in permission_button("Allow")


def _snapshot(**changes: Any) -> JobSnapshot:
    values: dict[str, Any] = {
        "state": JobState.RUNNING,
        "description": "Unpacking",
        "done": 0,
        "total": None,
        "unit": "bytes",
        "rate": None,
        "elapsed": 3.0,
        "cancelling": False,
    }
    return JobSnapshot(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Unpacking · 3 s"),
        ({"done": 2048}, "Unpacking · 2.0 KB · 3 s"),
        (
            {"done": 1288490189, "total": 2040109466, "rate": 88080384.0},
            "Unpacking · 63% · 1.2 of 1.9 GB · 84.0 MB/s · 9 s left",
        ),
        ({"unit": "files", "done": 5}, "Unpacking · 5 files · 3 s"),
        ({"unit": "files", "done": 5, "total": 10}, "Unpacking · 50% · 5 of 10 files"),
        ({"unit": "files"}, "Unpacking · 3 s"),
        ({"cancelling": True}, "Cancelling, keeping what is done"),
    ],
)
def test_a_job_in_words(changes: dict[str, Any], words: str) -> None:
    assert describe(_snapshot(**changes)) == words


def test_the_job_view_follows_a_job_to_its_end() -> None:
    primary = button("Stage data", tooltip="Go", kind="primary")
    view = JobView(primary)
    view.update()
    job: Job[int] = Job("stage")
    view.follow(job, lambda ended: Message("ok", f"Got {ended.result()}."))
    assert (primary.disabled, view.cancel_button.layout.display, view.busy) == (True, None, True)
    assert "value=" not in view.bar.value
    job.start(10, "Staging")
    job.advance(5)
    view.update()
    assert 'value="0.5000"' in view.bar.value
    job.run(lambda: 7)
    assert view.busy
    view.update()
    assert (primary.disabled, view.cancel_button.layout.display, view.busy) == (False, "none", False)
    assert "Got 7." in view.message.value


def test_cancel_asks_once_and_shows_it() -> None:
    view = JobView(button("Go", tooltip="Go"))
    view.cancel_button.click()
    job: Job[int] = Job("stage")
    view.follow(job, lambda _: Message("info", "Cancelled."))
    view.cancel_button.click()
    view.update()
    assert view.cancel_button.disabled
    assert "Cancelling" in view.figures.value


def test_the_refresher_calls_what_is_due_and_lets_rest_what_fails(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    refresher = Refresher(clock=clock)
    calls: list[str] = []

    def broken() -> None:
        calls.append("broken")
        raise ValueError("gone")

    stop = refresher.every(1.0, lambda: calls.append("slow"))
    refresher.every(0.25, lambda: calls.append("fast"))
    refresher.every(0.25, broken)
    with caplog.at_level(logging.ERROR):
        refresher.tick()
    clock.now += 0.25
    refresher.tick()
    assert calls == ["slow", "fast", "broken", "fast"]
    assert caplog.text.count("could not be refreshed") == 1
    clock.now += 1
    stop()
    refresher.tick()
    assert calls[4:] == ["fast"]
    clock.now += 10
    with caplog.at_level(logging.ERROR):
        refresher.tick()
    assert calls[5:] == ["fast", "broken"], "it may work again"
    assert caplog.text.count("could not be refreshed") == 1, "told once"


def test_the_refresher_has_one_thread_that_ends() -> None:
    import threading

    ticked = threading.Event()
    refresher = Refresher(interval=0.001)
    refresher.every(0, ticked.set)
    refresher.start()
    refresher.start()
    assert ticked.wait(60)
    refresher.close()
    assert "colabpanel-refresher" not in {thread.name for thread in threading.enumerate()}


def test_gauges_tick_only_for_somebody(clock: FakeClock) -> None:
    attention = Attention(clock=clock)
    clock.now += 599
    assert attention.present
    clock.now += 2
    assert not attention.present
    attention.clicked()
    assert attention.present
    attention.beat({})
    clock.now += 16
    assert not attention.present
    attention.cell_started()
    clock.now += 10_000
    assert attention.present
    attention.cell_ended()
    attention.cell_ended()
    assert attention.present
    clock.now += 16
    assert not attention.present


@dataclass
class _Entry:
    name: str
    is_folder: bool = False


@dataclass
class _Listing:
    path: Path
    parent: Path | None = None
    entries: list[_Entry] = field(default_factory=list)
    total: int = 0
    complete: bool = True


class _Browser:
    """Answers a picker's questions when told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answers: list[Any] = []

    def __call__(self, folder: str, containing: str, answer: Any) -> None:
        self.asked.append((folder, containing))
        self.answers.append(answer)


def _opened(*, folders_only: bool = False, root: Path | None = None) -> tuple[PathPicker, _Browser]:
    browser = _Browser()
    picker = PathPicker("From", browser, folders_only=folders_only, root=root)
    picker.start_folder = "/start"
    picker.browse_button.click()
    listing = _Listing(Path("/start"), Path("/"), [_Entry("sub", is_folder=True), _Entry("a.zip"), _Entry("b.zip")], 3)
    browser.answers[-1](listing, "")
    return picker, browser


def test_a_path_is_typed_or_pasted_with_quotes_and_spaces() -> None:
    picker = PathPicker("From", _Browser())
    picker.text.value = '  "/content/my data.zip" '
    assert picker.path == "/content/my data.zip"
    picker.path = "/other"
    assert picker.text.value == "/other"
    picker.suggest(["/a", "/b", "/a"])
    assert list(picker.text.options) == ["/a", "/b"]


def test_a_name_that_is_no_text_is_kept_as_it_is() -> None:
    picker = PathPicker("From", _Browser())
    name = os.fsdecode(b"/caf\xe9.zip")
    picker.path = name
    assert picker.path == name
    assert picker.text.value == "/caf?.zip"


def test_browsing_to_a_file() -> None:
    picker, browser = _opened()
    chooser = picker.chooser
    assert chooser is not None
    assert browser.asked == [("/start", "")]
    titles = [title for title, _ in chooser._dircontent.options]
    assert titles == ["../", "sub/", "a.zip", "b.zip"]
    assert chooser._select.disabled
    chooser._dircontent.value = 1
    assert not chooser._select.disabled
    chooser._select.click()
    assert picker.path == "/start/a.zip"
    assert chooser.layout.display == "none"
    picker.browse_button.click()
    assert browser.asked[-1] == ("/start/a.zip", "")


def test_walking_through_folders() -> None:
    picker, browser = _opened()
    chooser = picker.chooser
    assert chooser is not None
    chooser._dircontent.value = 0
    assert browser.asked[-1] == ("/start/sub", "")
    chooser._dircontent.value = -1
    assert browser.asked[-1] == ("/", "")
    chooser._filename.value = "zip"
    assert browser.asked[-1] == ("/", "zip"), "of the folder that is about to be shown"
    chooser._pathlist.value = "/"
    assert browser.asked[-1] == ("/", "")
    chooser._cancel.click()
    assert chooser.layout.display == "none"


def test_a_folder_that_is_not_listed_yet_is_not_chosen() -> None:
    picker, browser = _opened(folders_only=True)
    chooser = picker.chooser
    assert chooser is not None
    chooser._filename.value = "su"
    chooser._dircontent.value = 0
    assert (browser.asked[-1], chooser._filename.value) == (("/start/sub", ""), "")
    assert chooser._select.disabled
    chooser._select.click()
    assert (picker.path, chooser.layout.display) == ("", None)
    chooser.fail("It does not answer.")
    assert not chooser._select.disabled
    chooser._select.click()
    assert picker.path == "/start"


def test_a_choice_stays_or_goes_and_never_jumps() -> None:
    one, many = ipywidgets.Dropdown(), ipywidgets.SelectMultiple()
    abc = [("A", "a"), ("B", "b"), ("C", "c")]
    for choice in (one, many):
        offer(choice, abc)
    assert (one.value, many.value) == ("a", ())
    one.value, many.value = "b", ("a", "b")
    for choice in (one, many):
        offer(choice, [("new", "n"), *abc])
    assert (one.value, many.value) == ("b", ("a", "b"))
    for choice in (one, many):
        offer(choice, [("A", "a"), ("C", "c")])
    assert (one.value, many.value) == (None, ("a",))
    offer(one, [])
    offer(one, abc)
    assert one.value == "a"


def test_browsing_to_a_folder_below_a_root() -> None:
    picker, _ = _opened(folders_only=True, root=Path("/start"))
    chooser = picker.chooser
    assert chooser is not None
    assert [path for _, path in chooser._pathlist.options] == ["/start"]
    chooser._select.click()
    assert picker.path == "/start"


def test_the_note_says_what_a_listing_leaves_out() -> None:
    picker, browser = _opened()
    chooser = picker.chooser
    assert chooser is not None
    assert "3 entries" in chooser._note.value
    chooser._filename.value = "x"
    browser.answers[-1](_Listing(Path("/start")), "")
    assert "Nothing here has that" in chooser._note.value
    chooser._filename.value = ""
    browser.answers[-1](_Listing(Path("/start")), "")
    assert "is empty" in chooser._note.value
    browser.answers[-1](_Listing(Path("/start"), None, [_Entry("a")], 100_000, complete=False), "")
    assert "Showing 1 of 100,000 or more" in chooser._note.value
    browser.answers[-1](None, "It hangs: <b>.")
    assert "It hangs: &lt;b&gt;." in chooser._note.value


def test_an_answer_that_was_overtaken_is_dropped() -> None:
    picker, browser = _opened()
    chooser = picker.chooser
    assert chooser is not None
    chooser._dircontent.value = 0
    chooser._dircontent.value = -1
    browser.answers[-2](_Listing(Path("/late")), "")
    assert chooser._pathlist.value == "/start"


def test_closing_a_tree_closes_layouts_and_styles_too() -> None:
    before = set(_registry())
    box = ipywidgets.VBox([ipywidgets.Button(), ipywidgets.Tab([ipywidgets.VBox([ipywidgets.HTML("x")])])])
    label_only_for_readers(box.children[0], "Name")
    close_tree(box)
    assert set(_registry()) == before


def _registry() -> dict[str, Any]:
    from ipywidgets.widgets import widget

    found: dict[str, Any] = getattr(widget, "_instances", None) or ipywidgets.Widget.__dict__["widgets"]
    return found
