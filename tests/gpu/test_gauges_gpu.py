"""The gauges of a real GPU, against nvidia-smi and PyTorch."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from colabpanel.hosts._base import IPythonHost
from colabpanel.services.memory import gpus, usage
from colabpanel.services.memory.accelerators import allocators
from colabpanel.services.memory.accelerators.nvml import Nvml
from colabpanel.services.memory.ledger import CellLedger
from colabpanel.services.memory.peaks import gpu_peak, reset_gpu_peak
from tests.fakes import FakeShell

MB = 1 << 20
SIZE = 512 * MB


def _nvidia_smi(*fields: str) -> list[list[str]]:
    """Return what it tells of each GPU."""
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]


@pytest.fixture
def torch() -> Any:
    found: Any = pytest.importorskip("torch")
    if not found.cuda.is_available():
        pytest.skip("this PyTorch sees no GPU")
    found.cuda.empty_cache()  # what an earlier test left there would be handed out again, and nothing would grow
    return found


def test_each_gpu_is_what_nvidia_smi_tells() -> None:
    found = gpus(patience=60)
    assert found.trouble == ""
    told = _nvidia_smi("index", "name", "uuid", "memory.total", "driver_version")
    assert [
        [str(gpu.index), gpu.name, gpu.uuid, str((gpu.total or 0) // MB), gpu.driver] for gpu in found.gpus or ()
    ] == told
    assert usage(patience=60).gpus is not None


def test_what_changes_is_near_to_what_nvidia_smi_tells() -> None:
    reading = Nvml().read()
    told = _nvidia_smi("memory.used", "temperature.gpu")
    for gpu, (used, temperature) in zip(reading.gpus or (), told, strict=True):
        assert gpu.used is not None
        assert abs(gpu.used - int(used) * MB) < 64 * MB
        assert gpu.temperature is not None
        assert abs(gpu.temperature - int(temperature)) <= 5
        assert gpu.utilisation is None or 0 <= gpu.utilisation <= 1


def test_what_pytorch_takes_is_seen_and_who_holds_it(torch: Any) -> None:
    nvml = Nvml()
    torch.zeros(1, device="cuda")  # what opening a GPU takes is not counted
    before = nvml.read()
    held = torch.empty(SIZE, dtype=torch.uint8, device="cuda")
    after = nvml.read()
    assert (before.trouble, after.trouble) == ("", "")
    assert before.gpus is not None
    assert after.gpus is not None
    grown = [(new.used or 0) - (old.used or 0) for old, new in zip(before.gpus, after.gpus, strict=True)]
    assert abs(max(grown) - held.nbytes) < 64 * MB
    holders = {one.pid: one for gpu in after.gpus for one in gpu.processes or ()}
    if os.getpid() in holders:  # not where a container numbers its processes in its own way
        assert holders[os.getpid()].used is None or holders[os.getpid()].used >= held.nbytes


def test_the_allocator_of_pytorch_tells_what_it_tells_itself(torch: Any) -> None:
    torch.zeros(1, device="cuda")
    reset_gpu_peak()
    held = torch.empty(SIZE, dtype=torch.uint8, device="cuda")
    del held
    rows = {row.device: row for row in allocators() if row.library == "torch"}
    assert set(rows) == {f"cuda:{number}" for number in range(torch.cuda.device_count())}
    for number in range(torch.cuda.device_count()):
        row = rows[f"cuda:{number}"]
        assert row.allocated == torch.cuda.memory_allocated(number)
        assert row.reserved == torch.cuda.memory_reserved(number)
        assert row.peak == torch.cuda.max_memory_allocated(number)
    assert (rows["cuda:0"].peak or 0) >= SIZE > (rows["cuda:0"].allocated or 0)
    assert gpu_peak() == sum(row.peak or 0 for row in rows.values())


def test_the_ledger_notes_what_a_cell_held_at_most_and_not_what_one_before_did(torch: Any) -> None:
    shell: Any = FakeShell()
    ledger = CellLedger(IPythonHost(shell))
    ledger.start()
    kept = torch.zeros(MB, dtype=torch.uint8, device="cuda")
    before = sum(torch.cuda.memory_allocated(number) for number in range(torch.cuda.device_count()))
    for size in (SIZE, MB):
        shell.events.fire("pre_run_cell")
        torch.empty(size, dtype=torch.uint8, device="cuda")
        shell.events.fire("post_run_cell")
    ledger.stop()
    small, large = ledger.rows()
    assert large.gpu_peak == before + SIZE
    assert small.gpu_peak == before + MB
    assert kept.is_cuda
