"""The panel inside a real kernel, on whichever versions run these tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.archives import make_zip
from tests.waiting import wait_until

Run = Callable[..., str]


def test_a_click_in_a_kernel_stages_and_updates_come_while_the_cell_runs(run: Run, tmp_path: Path) -> None:
    source = make_zip(tmp_path / "a.zip", {f"{number}": bytes(2000) for number in range(200)})
    printed = run(
        f"""
import time, colabpanel
panel = colabpanel.show(["staging"])
tab = panel.tabs["staging"]
tab.source.text.value = {str(source)!r}
tab.target.text.value = {str(tmp_path / "out")!r}
tab.stage_button.click()
deadline = time.monotonic() + 60
while "Unpacked 200 files" not in tab.jobs.message.value and time.monotonic() < deadline:
    time.sleep(0.05)
print(tab.jobs.message.value)
"""
    )
    assert "Unpacked 200 files" in printed
    assert len(list((tmp_path / "out").iterdir())) == 200


def test_show_twice_leaves_one_panel_and_close_none(run: Run) -> None:
    printed = run(
        """
import threading, colabpanel
from ipywidgets.widgets import widget
import ipyfilechooser, ipywidgets, warnings  # ipyfilechooser keeps one Layout from its import on
warnings.simplefilter("ignore")
registry = getattr(widget, "_instances", None)
registry = ipywidgets.Widget.widgets if registry is None else registry
before = len(registry)
first = colabpanel.show()
once = len(registry)
panel = colabpanel.show()
print(len(registry) == once, once - before <= 110)
panel.close()
for thread in threading.enumerate():
    if thread.name.startswith("colabpanel"):
        thread.join(60)
print(len(registry) - before, [t.name for t in threading.enumerate() if t.name.startswith("colabpanel")])
"""
    )
    assert printed.split("\n")[:2] == ["True True", "0 []"]


def test_the_main_thread_is_reached_from_a_job_once_no_cell_runs(run: Run, tmp_path: Path) -> None:
    run(
        """
import pathlib, threading
from colabpanel.hosts import detect
host, found, asked = detect(), [], threading.Event()
def ask():
    future = host.on_main_thread(threading.current_thread)
    asked.set()
    found.append(future.result(60) is threading.main_thread())
    pathlib.Path("answered").touch()
threading.Thread(target=ask).start()
asked.wait(60)
assert not found
"""
    )
    wait_until((tmp_path / "answered").exists)
    assert run("print(host.name, found)").strip() == "Jupyter [True]"


def test_an_interrupted_cell_leaves_a_running_staging_alone(run: Run, tmp_path: Path) -> None:
    source = make_zip(tmp_path / "a.zip", {f"{number}": bytes(3000) for number in range(20_000)})
    printed = run(
        f"""
import os, signal, time, colabpanel
from pathlib import Path
from colabpanel.jobs import JobRunner
job = JobRunner().submit("stage", lambda progress: colabpanel.stage({str(source)!r}, "out", progress=progress))
while not Path("out.partial/files/50").exists() and not Path("out").exists():
    time.sleep(0.001)
try:
    os.killpg(os.getpgrp(), signal.SIGINT)
    time.sleep(30)
except KeyboardInterrupt:
    print("interrupted", job.result(60).files)
"""
    )
    assert printed.strip() == "interrupted 20000"


def test_the_demo_runs_from_top_to_bottom(tmp_path: Path) -> None:
    notebook = nbformat.read(Path(__file__).parents[2] / "demo.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    texts = ["".join(output.get("text", "")) for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("ok 121 files in data" in text for text in texts)
    assert any("121 files were there already; 15 files in the sample" in text for text in texts)
    assert any("photo.zip is a PNG image" in text for text in texts)


def test_variables_of_the_notebook_survive_a_new_kernel(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.snapshot.zip"
    made = run(
        f"""
class Point:
    def __init__(self, x):
        self.x = x

def double(n):
    return 2 * n

point, rows, _secret, gen = Point(3), [[1], 2], 5, (n for n in "a")
import colabpanel
snapshot = colabpanel.dump({str(path)!r})
print(snapshot.status, sorted(snapshot.saved))
"""
    )
    assert "partial ['Point', 'double', 'point', 'rows']" in made
    assert "4 [[1], 2]" in run(
        f"""
for name in ("Point", "double", "point", "rows"):
    del globals()[name]
colabpanel.load({str(path)!r}, into=globals())
print(double(2), rows, end="")
assert point.x == 3 and isinstance(point, Point)
"""
    )
