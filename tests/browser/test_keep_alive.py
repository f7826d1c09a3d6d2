"""The heartbeat against servers that end idle kernels, and what is pasted into the console of Colab's page."""

from __future__ import annotations

import re
import time
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from colabpanel.services.session.keeping_alive import console_snippets
from tests.ports import free_port

from .axe import grave_violations
from .notebooks import HostPage, JupyterLabPage, write_notebook
from .panel_view import APPEARS_MS, PanelView
from .servers import Server, jupyterlab, main_python, start_command

IDLE = 8
"""Seconds after which the servers end an idle kernel, whether a page is connected to it or not."""

GAUGES_PAUSE = 15
"""Seconds after which the panel's gauges stop in a page that nobody sees."""

DEADLINE = IDLE + GAUGES_PAUSE + 13
"""Seconds of the heartbeat: well after a kernel without one has ended."""

CULLING = (
    f"--MappingKernelManager.cull_idle_timeout={IDLE}",
    "--MappingKernelManager.cull_interval=1",
    "--MappingKernelManager.cull_connected=True",
)
KEEP_ALIVE = "from colabpanel.api import keep_alive\nbeating = keep_alive({minutes}, interval=1)"
ENDS_SECONDS = 60.0

_HIDE = """() => {
    Object.defineProperty(document, 'hidden', {get: () => true});
    Object.defineProperty(document, 'visibilityState', {get: () => 'hidden'});
    document.dispatchEvent(new Event('visibilitychange'));
}"""
_KERNEL = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id"


def _kernels(server: Server) -> set[str]:
    return {kernel["id"] for kernel in server.request("api/kernels")}


@pytest.mark.slow
def test_a_kernel_lives_until_the_deadline_and_one_without_a_heartbeat_does_not(
    tmp_path: Path, page: Page, browser: Browser
) -> None:
    """Both show the panel in pages that nobody sees, so its gauges, which are activity too, have paused."""
    other = browser.new_context().new_page()
    with jupyterlab(tmp_path, *CULLING) as server:
        kept, control = JupyterLabPage(page, server), JupyterLabPage(other, server)
        kept.open_cells("import colabpanel\ncolabpanel.show()", KEEP_ALIVE.format(minutes=DEADLINE / 60))
        kept.run_cell(0)
        PanelView(page).wait()
        control.open_cells("import colabpanel\ncolabpanel.show()")
        control.run_cell(0)
        PanelView(other).wait()
        begun = time.monotonic()
        kept.run_cell(1)
        expect(page.get_by_text("This page keeps the kernel alive")).to_be_visible()
        alive, ending = page.evaluate(_KERNEL), other.evaluate(_KERNEL)
        assert {alive, ending} <= _kernels(server)
        for one in (page, other):
            one.evaluate(_HIDE)
        _wait_for_end(server, ending)
        assert alive in _kernels(server)
        _wait_for_end(server, alive)
        assert time.monotonic() - begun > DEADLINE
        assert page.get_by_text("This page no longer keeps the kernel alive.").count()
    other.context.close()


def _wait_for_end(server: Server, kernel: str) -> None:
    server.process.wait_until(lambda: True if kernel not in _kernels(server) else None, ENDS_SECONDS)


@pytest.mark.slow
def test_a_kernel_of_voila_lives_until_the_deadline(tmp_path: Path, page: Page, browser: Browser) -> None:
    """As above, for pages without gauges."""
    seconds = 3 * IDLE
    (tmp_path / "root").mkdir()
    write_notebook(tmp_path / "root" / "kept.ipynb", KEEP_ALIVE.format(minutes=seconds / 60))
    write_notebook(tmp_path / "root" / "control.ipynb", "from ipywidgets import Label\nLabel('control')")
    argv = [str(main_python()), "-m", "voila", "--no-browser", f"--port={free_port()}", *CULLING]
    other = browser.new_context().new_page()
    with start_command(argv, r"http://localhost:\d+", tmp_path, root=tmp_path / "root") as server:
        begun = time.monotonic()
        page.goto(f"{server.url}/voila/render/kept.ipynb")
        expect(page.get_by_text("This page keeps the kernel alive")).to_be_visible(timeout=APPEARS_MS)
        (kept,) = psutil.Process(server.process.popen.pid).children()
        other.goto(f"{server.url}/voila/render/control.ipynb")
        expect(other.get_by_text("control")).to_be_visible(timeout=APPEARS_MS)
        kernels = psutil.Process(server.process.popen.pid).children()
        (control,) = [kernel for kernel in kernels if kernel != kept]
        page.evaluate(_HIDE)
        assert psutil.wait_procs([control], timeout=ENDS_SECONDS)[1] == []
        assert kept.is_running()
        assert psutil.wait_procs([kept], timeout=ENDS_SECONDS)[1] == []
        assert time.monotonic() - begun > seconds
    other.context.close()


def test_the_heartbeat_is_seen_and_stopped_in_each_notebook(host: HostPage) -> None:
    page = host.page
    host.open_cells(KEEP_ALIVE.format(minutes=90), "print(beating.status())", "print(beating.status().state, 'now')")
    host.run_cell(0)
    says = page.get_by_text(re.compile("This page keeps the kernel alive for another 1 h (29 min|30 min)"))
    expect(says).to_be_visible(timeout=APPEARS_MS)
    expect(page.get_by_text("Waiting for the first heartbeat")).to_have_count(0)
    host.run_cell(1)
    expect(host.output(1)).to_contain_text("state='on'")
    assert grave_violations(page, ".colabpanel") == []
    page.get_by_role("button", name="Stop", exact=True).filter(visible=True).last.click()
    expect(page.get_by_text("This page no longer keeps the kernel alive.")).to_be_visible()
    host.run_cell(2)
    expect(host.output(2)).to_contain_text("off now")


_COLAB = """
<div id="top-toolbar"><colab-connect-button></colab-connect-button></div><colab-toolbar-button></colab-toolbar-button>
<script>
  window.clicks = [0, 0];
  const now = document.querySelector('colab-connect-button').attachShadow({mode: 'open'});
  now.innerHTML = '<button id="connect"></button>';
  now.querySelector('#connect').addEventListener('click', () => window.clicks[0]++);
  document.querySelector('colab-toolbar-button').addEventListener('click', () => window.clicks[1]++);
</script>"""


@pytest.mark.parametrize("which", [0, 1])
def test_what_is_pasted_clicks_once_a_minute_until_its_deadline_or_its_stop(page: Page, which: int) -> None:
    """On a page with the elements that Colab's page was reported to have."""
    page.clock.install()
    page.set_content(_COLAB)
    code = console_snippets(3.5)[which].code
    page.evaluate(code)
    page.clock.run_for(10 * 60_000)
    assert page.evaluate("window.clicks")[which] == 3
    page.evaluate(code)
    page.clock.run_for(90_000)
    page.evaluate("stopKeepAlive()")
    page.clock.run_for(10 * 60_000)
    assert page.evaluate("window.clicks") == [4 - 4 * which, 4 * which]
