from __future__ import annotations

import mmap
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from colabpanel.errors import InputError
from colabpanel.hosts._base import IPythonHost
from colabpanel.services.memory import peaks
from colabpanel.services.memory.ledger import CellLedger, CellRow
from colabpanel.services.memory.peaks import HighWaterMark, SampledPeak, peak_meter, resident
from colabpanel.services.memory.watch import watch_of
from tests.fakes import FakeClock, FakeShell
from tests.fresh_memory import fresh_memory

MB = 1 << 20


class Notebook:
    """A shell whose cells are functions, recorded as IPython does: after their start is told."""

    def __init__(self, **options: Any) -> None:
        self.shell = cast("Any", FakeShell())
        self.shell.history_manager = types.SimpleNamespace(input_hist_raw=[""])
        self.clock = FakeClock()
        self.ledger = CellLedger(IPythonHost(self.shell), clock=self.clock, **options)
        self.ledger.start()

    def run(self, source: str, work: Callable[[], Any] = lambda: None, *, seconds: float = 1) -> None:
        self.shell.events.fire("pre_run_cell")
        if source:
            self.shell.history_manager.input_hist_raw.append(source)
        work()
        self.clock.now += seconds
        self.shell.events.fire("post_run_cell")


def _needs_a_mark() -> None:
    try:
        HighWaterMark()
    except OSError as error:
        pytest.skip(f"the high-water mark cannot be set back here: {error}")


def test_each_cell_has_its_row() -> None:
    notebook = Notebook()
    notebook.run("\n  import this  \nx = 1", seconds=2)
    notebook.run("y" * 200)
    notebook.run("")
    silent, second, first = notebook.ledger.rows()
    assert (first.number, first.label, first.seconds) == (1, "import this", 2)
    assert second.number == 2
    assert second.label == "y" * 79 + "…"
    assert (silent.number, silent.label) == (None, "")
    assert first.started > 1.7e9
    assert first.before is not None
    assert first.gpu_peak is None


def test_the_peak_of_a_cell_is_exact_and_its_own() -> None:
    _needs_a_mark()
    notebook = Notebook()
    kept: list[mmap.mmap] = []
    notebook.run("peak", lambda: fresh_memory(200 * MB).close())
    notebook.run("nothing")
    notebook.run("grow", lambda: kept.append(fresh_memory(50 * MB)))
    grow, nothing, peak = notebook.ledger.rows()
    assert peak.exact
    assert peak.peak is not None
    assert peak.before is not None
    assert 195 * MB < peak.peak - peak.before < 230 * MB
    assert abs(peak.growth or 0) < 30 * MB
    assert (nothing.peak or 0) - (nothing.before or 0) < 30 * MB
    assert 45 * MB < (grow.growth or 0) < 80 * MB
    assert [row.label for row in notebook.ledger.top(2)] == ["peak", "grow"]


def test_a_cell_that_runs_cells_has_the_peak_of_both() -> None:
    _needs_a_mark()
    notebook = Notebook()

    def inner() -> None:
        fresh_memory(150 * MB).close()
        notebook.run("small")
        notebook.run("large", lambda: fresh_memory(100 * MB).close())

    notebook.run("outer", inner)
    rows = {row.label: row for row in notebook.ledger.rows()}
    rise = {label: ((row.peak or 0) - (row.before or 0)) // MB for label, row in rows.items()}
    assert 145 < rise["outer"] < 180
    assert rise["small"] < 30
    assert 95 < rise["large"] < 130


class Figures:
    """A meter whose figures a test sets."""

    exact = True

    def __init__(self, peak: int | None) -> None:
        self.peak, self.paused, self.resets = peak, 0, 0

    def reset(self) -> None:
        self.resets += 1

    def read(self) -> int:
        if self.peak is None:
            raise OSError("no figure")
        return self.peak

    def pause(self) -> None:
        self.paused += 1


def test_rankings() -> None:
    figures = Figures(None)
    notebook = Notebook(meter=lambda: figures)
    for label, peak, seconds in (("unknown", None, 3), ("low", 1 << 50, 2), ("high", 1 << 51, 1)):
        figures.peak = peak
        notebook.run(label, seconds=seconds)
    ledger = notebook.ledger
    assert [row.label for row in ledger.top()] == ["high", "low"]
    assert [row.label for row in ledger.top(2, by="seconds")] == ["unknown", "low"]
    assert len(ledger.top(by="growth")) == 3
    assert ledger.top(0) == ledger.top(-1) == []
    with pytest.raises(InputError, match="ranked by 'name'"):
        ledger.top(by="name")  # type: ignore[arg-type]
    assert ledger.rows()[-1].peak is None
    assert figures.paused == 3


def test_it_keeps_the_last_500() -> None:
    notebook = Notebook(meter=lambda: Figures(1))
    for number in range(510):
        notebook.run(f"cell {number}")
    rows = notebook.ledger.rows()
    assert len(rows) == 500
    assert (rows[0].label, rows[-1].label) == ("cell 509", "cell 10")


def test_the_cell_that_switches_it_on_is_left_out_and_stopping_stops() -> None:
    notebook = Notebook()
    notebook.ledger.start()
    notebook.shell.events.fire("post_run_cell")
    assert notebook.ledger.rows() == []
    notebook.run("one")
    notebook.ledger.stop()
    notebook.ledger.stop()
    notebook.run("two")
    assert [row.label for row in notebook.ledger.rows()] == ["one"]
    CellLedger(IPythonHost()).stop()


def test_trouble_never_reaches_the_cell() -> None:
    def broken() -> Figures:
        raise ZeroDivisionError

    notebook = Notebook(meter=broken)
    notebook.run("a")
    notebook.shell.history_manager = None
    notebook.ledger._make_meter = lambda: Figures(1)
    notebook.run("")
    notebook.shell.history_manager = types.SimpleNamespace(input_hist_raw=5)
    notebook.run("")
    assert [row.label for row in notebook.ledger.rows()] == [""]


def test_trouble_at_the_end_of_a_cell_does_not_reach_it_either() -> None:
    notebook = Notebook(meter=lambda: Figures(1))
    notebook.run("a", lambda: setattr(notebook.shell.history_manager, "input_hist_raw", 5))
    assert notebook.ledger.rows() == []


def test_what_cannot_be_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise OSError("no /proc")

    monkeypatch.setattr("colabpanel.services.memory.ledger.resident", broken)
    notebook = Notebook(meter=lambda: Figures(None))
    notebook.run("a")
    (row,) = notebook.ledger.rows()
    assert (row.before, row.after, row.growth, row.peak) == (None, None, None, None)
    assert row.seconds == 1


def test_cells_of_two_threads_are_told_apart() -> None:
    notebook = Notebook(meter=lambda: Figures(1))
    other = threading.Thread(target=notebook.run, args=("inside",))

    def work() -> None:
        other.start()
        other.join()

    notebook.run("outside", work, seconds=2)
    assert [(row.label, row.seconds) for row in notebook.ledger.rows()] == [("outside", 3), ("inside", 1)]


def test_a_cell_of_a_subshell_takes_no_peak_from_the_other() -> None:
    _needs_a_mark()
    notebook = Notebook()

    def work() -> None:
        fresh_memory(150 * MB).close()
        other = threading.Thread(target=notebook.run, args=("inside",))
        other.start()
        other.join()

    notebook.run("outside", work)
    rise = {row.label: ((row.peak or 0) - (row.before or 0)) // MB for row in notebook.ledger.rows()}
    assert 145 < rise["outside"] < 180
    assert rise["inside"] < 30


class FakeCuda:
    """``torch.cuda`` with two GPUs, whose peaks a test sets."""

    def __init__(self) -> None:
        self.opened, self.peaks, self.resets = True, [3, 4], 0

    def is_initialized(self) -> bool:
        return self.opened

    def device_count(self) -> int:
        return 2

    def reset_peak_memory_stats(self, device: int) -> None:
        self.resets += 1
        self.peaks[device] = 0

    def max_memory_allocated(self, device: int) -> int:
        return self.peaks[device]


def test_pytorchs_peak_on_gpus_it_has_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda()
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    notebook = Notebook(meter=lambda: Figures(1))

    def inner() -> None:
        cuda.peaks[:] = [10, 0]
        notebook.run("inner", lambda: cuda.peaks.__setitem__(1, 5))

    notebook.run("outer", inner)
    assert [(row.label, row.gpu_peak) for row in notebook.ledger.rows()] == [("outer", 10), ("inner", 5)]
    cuda.opened, resets = False, cuda.resets
    notebook.run("closed")
    assert notebook.ledger.rows()[0].gpu_peak is None
    assert cuda.resets == resets


def test_a_system_without_a_mark_is_looked_at_often(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="clear_refs"):
        HighWaterMark(tmp_path)
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text("VmRSS:\t1 kB\n")
    with pytest.raises(OSError, match="no high-water mark"):
        HighWaterMark(tmp_path)
    monkeypatch.setattr(peaks, "HighWaterMark", lambda: HighWaterMark(tmp_path))
    assert isinstance(peak_meter(), SampledPeak)


def test_the_sampled_peak_sees_what_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, figures = threading.Semaphore(0), [10]

    def figure() -> int:
        looked.release()
        return figures[0]

    monkeypatch.setattr(peaks, "resident", figure)
    meter = SampledPeak()
    meter.reset()
    figures[0] = 70
    while looked.acquire(blocking=False):
        pass
    for _ in range(3):
        assert looked.acquire(timeout=30)
    figures[0] = 20
    assert meter.read() == 70
    meter.reset()
    assert meter.read() == 20
    meter.pause()
    for thread in threading.enumerate():
        if thread.name == "colabpanel-peak":
            thread.join(30)
    assert not [thread for thread in threading.enumerate() if thread.name == "colabpanel-peak"]
    meter.reset()
    assert not meter.exact
    meter.pause()


def test_resident_is_what_the_system_says() -> None:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    assert resident() == pytest.approx(int(line.split()[1]) * 1024, rel=0.05)


def test_growth_may_be_negative() -> None:
    assert CellRow(1, "", 0, 0, 10, 4, 10, exact=True, gpu_peak=None).growth == -6


def test_a_panel_shown_anew_begins_before_the_one_before_it_ends() -> None:
    shell = cast("Any", FakeShell())
    watch = watch_of(IPythonHost(shell))
    watch.start()
    watch.start()
    watch.stop()
    shell.events.fire("pre_run_cell")
    assert watch.history.busy
    watch.stop()
    assert not watch.history.busy
    shell.events.fire("post_run_cell")
    assert len(watch.history.cells()) == 1
