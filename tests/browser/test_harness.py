"""Proof that the harness works in every host."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .axe import grave_violations
from .browser_tools import VIEWPORTS, set_viewport
from .processes import StartError
from .servers import colab_python, start_command

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from .browser_tools import Shots
    from .notebooks import HostPage

BUTTON = """
import pathlib, sys
import ipywidgets as w
from IPython.display import display
note = w.HTML("waiting")
button = w.Button(description="Press me")
def press(_button):
    pathlib.Path("pressed.txt").write_text(sys.executable)
    note.value = "<b>pressed</b>"
button.on_click(press)
display(w.VBox([button, note]))
"""

THREAD = """
import threading, time
import ipywidgets as w
from IPython.display import display
note = w.HTML("waiting")
display(note)
threading.Timer(0.5, lambda: setattr(note, "value", "<b>ticked</b>")).start()
time.sleep(5)
"""

PRINTER = """
import http.server
handler = http.server.SimpleHTTPRequestHandler
server = http.server.HTTPServer(("127.0.0.1", 0), handler)
print(f"open http://127.0.0.1:{server.server_port}/?token=abc")
server.serve_forever()
"""


def test_a_click_reaches_the_kernel(
    host: HostPage, console_errors: list[str], shots: Shots
) -> None:
    folder = host.open_cells(BUTTON)
    host.run_cell(0)
    output = host.output(0)
    output.get_by_role("button", name="Press me").click()
    expect(output.get_by_text("pressed", exact=True)).to_be_visible()
    shots.save(host.page, f"harness-{host.name}")
    python = colab_python() if host.name == "classic" else sys.executable
    assert (folder / "pressed.txt").read_text() == str(python)
    assert console_errors == []


def test_a_thread_updates_while_a_cell_runs(host: HostPage) -> None:
    host.open_cells(THREAD)
    host.run_cell(0)
    expect(host.output(0).get_by_text("ticked", exact=True)).to_be_visible()
    assert host.is_running(0)
    host.wait_done(0)
    assert not host.is_running(0)


def test_all_cells_run_in_the_dark_theme(host: HostPage, shots: Shots) -> None:
    host.open_cells("x = 1", BUTTON, dark=True)
    host.run_all()
    expect(host.output(1).get_by_role("button", name="Press me")).to_be_visible()
    host.wait_done(1)
    shots.save(host.page, f"harness-{host.name}-dark")
    assert grave_violations(host.page, ".widget-button") == []
    theme = "document.documentElement.getAttribute('theme') ?? document.body.dataset.jpThemeName"
    assert "dark" in host.page.evaluate(theme).lower()


def test_axe_looks_under_the_selector_only(page: Page) -> None:
    page.set_content("<main lang=en><button></button><i><img src=x></i></main>")
    assert [found.rule for found in grave_violations(page, "button")] == ["button-name"]
    assert [found.impact for found in grave_violations(page, "i")] == ["critical"]


def test_a_viewport_has_its_size(page: Page) -> None:
    set_viewport(page, "phone")
    assert page.viewport_size == VIEWPORTS["phone"]


def test_a_printed_address_starts_a_server(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PRINTER]
    pattern = r"(?P<url>http://[\d.:]+/)\?token=(?P<token>\w+)"
    with start_command(argv, pattern, tmp_path) as server:
        assert server.token == "abc"  # noqa: S105 - no secret
        assert server.address("x", a="b").endswith("/x?a=b&token=abc")
    assert server.process.popen.returncode is not None


def test_a_failed_start_shows_the_log(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "raise SystemExit('no luck')"]
    with pytest.raises(StartError, match="no luck"), start_command(argv, "http", tmp_path):
        pass
