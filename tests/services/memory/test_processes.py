"""What this kernel and its children hold, against psutil, and what is told where Linux does not tell it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from colabpanel.services.memory import processes
from colabpanel.services.memory.processes import KernelSampler, descendants
from tests.fakes import FakeClock
from tests.fresh_memory import fresh_memory

MB = 1 << 20
CHILD = "import sys; held = b'x' * (50 << 20); print(len(held), flush=True); sys.stdin.read()"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()
    yield process
    process.stdin.close()
    process.wait()
    process.stdout.close()


def test_this_process_and_those_below_it(child: subprocess.Popen[str]) -> None:
    found = KernelSampler().read()
    assert found is not None
    assert found.children is not None
    assert 0 < found.own <= psutil.Process().memory_info().rss * 1.1
    assert found.children > 50 * MB
    assert found.processes >= 1
    assert child.pid in descendants(psutil.Process().pid)


def test_it_is_counted_again_only_when_that_is_cheap_and_moved_meanwhile() -> None:
    clock, costs = FakeClock(), iter([0.0, 0.15, 0.15, 0.3])
    sampler = KernelSampler(share=0.0015, clock=clock, cost=lambda: next(costs))
    first = sampler.read()
    clock.now += 99
    held = fresh_memory(30 * MB)
    second = sampler.read()
    assert first is not None
    assert second is not None
    assert second.age == 99
    assert second.own >= first.own + 20 * MB
    clock.now += 2
    third = sampler.read()
    assert third is not None
    assert third.age == 0
    assert len(held) == 30 * MB


def test_children_that_end_bring_the_next_count_forward(child: subprocess.Popen[str]) -> None:
    clock, costs = FakeClock(), iter([0.0, 30.0, 30.0, 30.0])
    sampler = KernelSampler(share=0.5, clock=clock, cost=lambda: next(costs))
    first = sampler.read()
    assert first is not None
    assert child.stdin is not None
    child.stdin.close()
    child.wait()
    clock.now += 60 * first.processes / (1 + first.processes) - 0.1  # counted again in 60 seconds, had none ended
    still = sampler.read()
    clock.now += 0.2
    fresh = sampler.read()
    assert still is not None
    assert fresh is not None
    assert (still.processes, fresh.processes) == (first.processes, first.processes - 1)


def test_shared_pages_are_counted_as_linux_does() -> None:
    found = KernelSampler().read()
    assert found is not None
    assert found.exact
    assert abs(found.own - psutil.Process().memory_full_info().pss) < 16 * MB


def test_without_smaps_each_process_counts_what_it_shares(tmp_path: Path, child: subprocess.Popen[str]) -> None:
    found = KernelSampler(proc=tmp_path).read()
    assert found is not None
    assert not found.exact
    assert found.children is not None
    assert found.children > 50 * MB


def test_a_child_that_may_not_be_looked_at_is_unknown(
    monkeypatch: pytest.MonkeyPatch, child: subprocess.Popen[str]
) -> None:
    real = psutil.Process

    def process(pid: int) -> psutil.Process:
        if pid == child.pid:
            raise psutil.AccessDenied(pid)
        return real(pid)

    def refused(_: Path, pid: int) -> int | None:
        return None if pid == child.pid else 1

    monkeypatch.setattr(psutil, "Process", process)
    monkeypatch.setattr(processes, "_shared_once", refused)
    found = KernelSampler().read()
    assert found is not None
    assert found.children is None


def test_children_that_ended_meanwhile_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    monkeypatch.setattr(processes, "descendants", lambda *_, **__: [gone.pid])
    found = KernelSampler().read()
    assert found is not None
    assert (found.children, found.processes) == (0, 0)


def test_a_system_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(psutil, "Process", refuse)
    assert KernelSampler().read() is None
    assert descendants(1, proc=Path("/nowhere")) == []
