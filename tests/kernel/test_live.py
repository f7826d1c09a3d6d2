"""Clicks while a cell runs, in a real kernel: what the page sends is sent here by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest

Run = Callable[..., str]

VERSION = tuple(int(part) for part in version("ipykernel").split(".")[:2])
pytestmark = pytest.mark.skipif((7, 0) <= VERSION < (7, 4), reason="with these versions JupyterLab does it, not we")

SHOW = """
import sys, threading, time, colabpanel, ipywidgets
panel = colabpanel.show(live=True)
foreign = ipywidgets.IntSlider()
order = []
foreign.observe(lambda change: order.append(("foreign", change["new"])), "value")
panel.tab_bar.observe(lambda change: order.append(("tab", change["new"])), "selected_index")
print(panel.tab_bar.model_id, foreign.model_id)
"""


def _set(client: Any, model: str, **state: object) -> str:
    """Change a widget as the page does; returns the id of the message."""
    content = {"comm_id": model, "data": {"method": "update", "state": state, "buffer_paths": []}}
    message = client.session.msg("comm_msg", content)
    client.shell_channel.send(message)
    identity: str = message["header"]["msg_id"]
    return identity


def _finish(client: Any, request: str) -> list[str]:
    """Wait until a cell has run; returns what it printed, line by line."""
    printed = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        message = client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return "".join(printed).split("\n")
    pytest.fail("the cell did not end")


WAIT_FOR_TAB = """
deadline = time.monotonic() + 30
while not any(kind == "tab" for kind, _ in order) and time.monotonic() < deadline:
    time.sleep(0.01)
print("in the cell:", order)
"""


@pytest.fixture
def models(run: Run) -> list[str]:
    return run(SHOW).split()


def _after_clicks(number: int) -> str:
    return f"""
deadline = time.monotonic() + 60
while len([kind for kind, _ in order if kind == "tab"]) < {number} and time.monotonic() < deadline:
    time.sleep(0.01)
"""


def test_our_clicks_are_answered_in_the_cell_and_others_after_it(run: Run, kernel: Any, models: list[str]) -> None:
    request = kernel.execute(WAIT_FOR_TAB)
    time.sleep(0.3)
    _set(kernel, models[1], value=7)
    _set(kernel, models[0], selected_index=1)
    after = kernel.execute("print('after:', order)")
    assert _finish(kernel, request)[0] == "in the cell: [('tab', 1)]"
    assert _finish(kernel, after)[0] == "after: [('tab', 1), ('foreign', 7)]"
    assert run("print(sorted(panel.tabs))").strip() == "['drive', 'staging']"


def test_a_cell_that_awaits_and_then_blocks_keeps_every_message(run: Run, kernel: Any, models: list[str]) -> None:
    request = kernel.execute("import asyncio\nawait asyncio.sleep(0.5)\ntime.sleep(0.3)\nawait asyncio.sleep(0)\n")
    time.sleep(0.2)
    for number in range(20):
        _set(kernel, models[1], value=number + 1)
        _set(kernel, models[0], selected_index=number % 2)
        time.sleep(0.03)
    _finish(kernel, request)
    found = run(_after_clicks(19) + "print(len([v for k, v in order if k == 'foreign']), panel.tab_bar.selected_index)")
    assert found.split() == ["20", "1"]


def test_a_storm_of_messages_over_many_short_cells_keeps_their_order(run: Run, kernel: Any, models: list[str]) -> None:
    requests = []
    for number in range(150):
        requests.append(kernel.execute(f"time.sleep({number % 4 * 0.03})"))
        _set(kernel, models[1], value=number % 100 + 1)
        _set(kernel, models[0], selected_index=number % 2)
    for request in requests:
        _finish(kernel, request)
    printed = run("print([v for k, v in order if k == 'foreign'] == [n % 100 + 1 for n in range(150)])")
    assert printed.strip() == "True"
    ours = run(_after_clicks(149) + "print([v for k, v in order if k == 'tab'] == [1, 0] * 74 + [1])")
    assert ours.strip() == "True"


def test_an_interrupt_reaches_the_cell_and_clicks_work_on(run: Run, kernel: Any, models: list[str]) -> None:
    run(
        """
import os, signal
try:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    time.sleep(30)
except KeyboardInterrupt:
    print("interrupted")
"""
    )
    request = kernel.execute(WAIT_FOR_TAB)
    time.sleep(0.2)
    _set(kernel, models[0], selected_index=1)
    assert _finish(kernel, request)[0] == "in the cell: [('tab', 1)]"


def test_the_hooks_around_cells_stay_out_of_it(run: Run, kernel: Any, models: list[str]) -> None:
    run("hooks = []\nget_ipython().events.register('post_execute', lambda: hooks.append(1))")
    request = kernel.execute("hooks.clear()" + WAIT_FOR_TAB + "print('hooks:', hooks)")
    time.sleep(0.3)
    _set(kernel, models[0], selected_index=1)
    assert "hooks: []" in _finish(kernel, request)


def test_a_closed_panel_leaves_the_kernel_as_it_was(run: Run, kernel: Any, models: list[str]) -> None:
    run("panel.close()")
    left = run(
        """
deadline = time.monotonic() + 20
while any(t.name.startswith(("colabpanel", "subshell")) for t in threading.enumerate()) and time.monotonic() < deadline:
    time.sleep(0.01)
print([t.name for t in threading.enumerate() if t.name.startswith(("colabpanel", "subshell"))],
      [name for name in vars(get_ipython().kernel) if "colabpanel" in name])
"""
    )
    assert left.strip() == "[] []"
    request = kernel.execute("time.sleep(0.5); print(order)")
    time.sleep(0.2)
    _set(kernel, models[1], value=3)
    assert _finish(kernel, request)[0] == "[]"
    assert run("print(order)").strip() == "[('foreign', 3)]"
