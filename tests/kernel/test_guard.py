"""The guard in real kernels that have little memory: it is there before the killer, and without it the kernel dies."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.memory_groups import memory_group, move_into
from tests.waiting import wait_until

Run = Callable[..., str]

_LIMIT = 800 << 20
_GUARD = """
import time
import numpy as np
from colabpanel.hosts import detect
from colabpanel.services.memory.guarding.guard import MemoryGuard
precious = np.arange(100_000)
guard = MemoryGuard(detect(), warn=0.7, interrupt=0.85, snapshot="saved", variables=["precious"])
guard.start()
"""
_LISTS = """
kept = []
while True:
    kept.append(bytearray(b"x") * (2 << 20))
    time.sleep(0.002)
"""
_ARRAYS = """
kept = []
while True:
    kept.append(np.ones(1_000_000))
    time.sleep(0.03)
"""
_CELLS = [pytest.param(_LISTS, id="lists", marks=pytest.mark.slow), pytest.param(_ARRAYS, id="arrays")]


@pytest.fixture
def group() -> Iterator[Path]:
    with memory_group(_LIMIT) as made:
        yield made


@pytest.fixture
def limited(group: Path, run: Run) -> int:
    """Put the kernel into the group, and return its number; what it held before does not count."""
    process = int(run("import os; print(os.getpid())"))
    move_into(group, process)
    return process


def _is_gone(process: int) -> bool:
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _look_at_what_is_left(run: Run, folder: Path) -> str:
    """Wait for the snapshot, load it, and return what the guard has told."""
    told = "import time; time.sleep(0.05); print([event.sentence for event in guard.status().events])"
    wait_until(lambda: list(folder.glob("saved/guard-*.snapshot.zip")), lambda: run(told))
    (path,) = folder.glob("saved/*")
    run(
        f"""
while guard.status().events[-1].kind != "snapshot":
    time.sleep(0.01)
guard.stop()
kept.clear()
import colabpanel
assert np.array_equal(colabpanel.load({str(path)!r})["precious"], np.arange(100_000))
"""
    )
    return run("print([(event.kind, round(event.used / event.total, 2)) for event in guard.status().events])")


@pytest.mark.parametrize("cell", _CELLS)
def test_a_cell_in_a_container_is_interrupted_before_the_killer_comes(
    limited: int, run: Run, error_of: Run, tmp_path: Path, cell: str
) -> None:
    run(_GUARD)
    assert error_of(cell) == "KeyboardInterrupt"
    told = _look_at_what_is_left(run, tmp_path)
    assert [kind for kind, _ in eval(told)] == ["warning", "interrupted", "snapshot"]
    assert not _is_gone(limited)


@pytest.mark.parametrize("cell", _CELLS)
def test_without_the_guard_the_same_cell_kills_the_kernel(limited: int, run: Run, kernel: Any, cell: str) -> None:
    run(_GUARD + "guard.stop()")
    kernel.execute(cell)
    wait_until(lambda: _is_gone(limited))


_FEW_ADDRESSES = """
import psutil, resource
resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + (1 << 30), resource.RLIM_INFINITY))
"""


@pytest.mark.parametrize("cell", _CELLS)
def test_a_cell_under_an_address_space_limit_is_interrupted_before_it_is_reached(
    run: Run, error_of: Run, tmp_path: Path, cell: str
) -> None:
    run(_FEW_ADDRESSES + _GUARD)
    assert error_of(cell) == "KeyboardInterrupt"
    told = _look_at_what_is_left(run, tmp_path)
    assert [kind for kind, _ in eval(told)] == ["warning", "interrupted", "snapshot"]


@pytest.mark.parametrize("cell", _CELLS)
def test_without_the_guard_the_same_cell_reaches_the_address_space_limit(run: Run, error_of: Run, cell: str) -> None:
    run(_FEW_ADDRESSES + _GUARD + "guard.stop()")
    ended = "except MemoryError:\n    kept.clear()  # so that the kernel can answer\n    raise"
    assert error_of(f"try:{textwrap.indent(cell, '    ')}{ended}") == "MemoryError"


def test_a_cell_that_sleeps_or_waits_is_interrupted_too(run: Run, error_of: Run) -> None:
    run(
        """
import threading, time
from colabpanel.hosts import detect
from colabpanel.services.limits.amounts import Amount
from colabpanel.services.memory.guarding.guard import MemoryGuard
used, looks = 1, 0

def sample():
    global looks
    looks += 1
    return Amount(used, 100)

guard = MemoryGuard(detect(), warn=None, interrupt=0.9, sample=sample)
guard.start()

def fill():
    global used
    seen = looks
    while looks < seen + 2:  # so that the guard knows the cell as one that began with less
        time.sleep(0.01)
    used = 95
"""
    )
    for wait in ("time.sleep(100)", "threading.Lock().acquire() and threading.Event().wait(100)"):
        began = time.monotonic()
        assert error_of(f"used = 1; threading.Thread(target=fill).start(); {wait}") == "KeyboardInterrupt"
        assert time.monotonic() - began < 50


def test_a_kernel_without_a_cell_is_left_alone(run: Run, tmp_path: Path) -> None:
    run(
        """
import threading, time
from pathlib import Path
from colabpanel.hosts import detect
from colabpanel.services.limits.amounts import Amount
from colabpanel.services.memory.guarding.guard import MemoryGuard

def note(event):
    with Path("told").open("a") as told:
        told.write(event.kind + " ")

def fill_once_no_cell_runs():
    while host.runs_cell:
        time.sleep(0.01)
    globals().update(used=95)

host, used = detect(), 10
guard = MemoryGuard(host, interrupt=0.9, sample=lambda: Amount(used, 100), on_event=note)
guard.start()
threading.Thread(target=fill_once_no_cell_runs).start()
"""
    )
    told = tmp_path / "told"
    wait_until(lambda: told.exists() and told.read_text() == "warning failed ")
    assert run("print('still here')").strip() == "still here"


def test_the_cell_that_switches_it_on_is_guarded(run: Run, error_of: Run) -> None:
    run("from colabpanel.hosts import detect\nfrom colabpanel.services.memory.guarding.guard import MemoryGuard")
    cell = """
import time
from colabpanel.services.limits.amounts import Amount
used = 1
guard = MemoryGuard(detect(), interrupt=0.9, sample=lambda: Amount(used, 100))
guard.start()
while guard.status().used is None:
    time.sleep(0.01)
used = 99
time.sleep(100)
"""
    assert error_of(cell) == "KeyboardInterrupt"
    run("while not any(event.kind == 'interrupted' for event in guard.status().events): time.sleep(0.01)")
