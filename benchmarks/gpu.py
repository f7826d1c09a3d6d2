"""How long training on a GPU waits for a checkpoint, and how fast a tensor there is dumped; needs an NVIDIA GPU.

    python benchmarks/gpu.py --runs 5

The model is the one of `checkpoints.py`, 252 MB, and the target local disk. What is blocked is the time until the call
returns; the first call sets up memory that the others use again. Every time is one after `torch.cuda.synchronize`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from scenarios import target

from colabpanel.services.checkpoints.service import Checkpoints
from colabpanel.services.snapshots.service import dump

OURS, DUMP = "colabpanel", "colabpanel.dump"


def main() -> None:
    """Run all peers and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    if not torch.cuda.is_available():
        print("gpu: not measured, for PyTorch sees no NVIDIA GPU here")
        return
    with tempfile.TemporaryDirectory() as folder:
        table = {name: _timed(work, wait, runs) for name, (work, wait) in _peers(Path(folder)).items()}
    print(f"\na model of 252 MB on {torch.cuda.get_device_name()}; medians of {runs} after the first")
    print(f"{'':28}{'blocked s':>10}{'the first':>11}")
    for name, (first, blocked) in table.items():
        print(f"{name:28}{blocked:10.4f}{first:11.4f}")
    target("less blocked than torch.save", table["torch.save"][1] / table[OURS][1], at_least=1)
    target("as long as one copy to pinned memory", table[OURS][1] / table["one copy to pinned memory"][1], at_most=2)
    target("dump: as long as torch.save", table[DUMP][1] / table["torch.save"][1], at_most=1)


def _peers(folder: Path) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    model = torch.nn.ModuleList(torch.nn.Linear(1050, 2000, bias=False) for _ in range(30)).cuda()
    copies = {name: torch.empty(one.shape, pin_memory=True) for name, one in model.state_dict().items()}
    checkpoints, steps = Checkpoints(folder / "run", monitor="loss", keep_last=1), iter(range(1_000))

    def copy() -> None:
        for name, one in model.state_dict().items():
            copies[name].copy_(one, non_blocking=True)

    return {
        OURS: (lambda: checkpoints.save(model, step=next(steps)), checkpoints.wait),
        "one copy to pinned memory": (copy, lambda: None),
        "torch.save": (lambda: torch.save(model.state_dict(), folder / "model.pt"), lambda: None),
        DUMP: (lambda: dump(folder / "model.snapshot.zip", {"state": model.state_dict()}), lambda: None),
    }


def _timed(work: Callable[[], object], wait: Callable[[], object], runs: int) -> tuple[float, float]:
    """Return the seconds of the first call, and the median of those after it."""
    seconds = []
    for _ in range(runs + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
        wait()
    return seconds[0], statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
