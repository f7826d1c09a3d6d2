"""How long training waits while a checkpoint of 250 MB goes to a target of 40 MB/s, side by side with what people use.

    python benchmarks/checkpoints.py --runs 5

The target is a folder that takes 40 MB/s (FUSE, `slow_target.py`). Every run is a process of its own that saves twice:
the second time, memory and files are there already, as from the second epoch on. What is blocked is the time until
the call returns; what is safe is the time until everything is on the target. Extra memory is how far the resident
memory rose above what it was before the first call.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from scenarios import target

MB = 1 << 20
RATE = 40.0
OURS = "colabpanel"
START = """
import json, os, sys, time
import torch
torch.set_num_threads(1)
path = sys.argv[1]
model = torch.nn.ModuleList(torch.nn.Linear(1050, 2000, bias=False) for _ in range(30))
def resident(field):
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith(field))
{imports}
before = resident("VmRSS:")
blocked = []
for step in (1, 2):
    started = time.perf_counter()
    {save}
    blocked.append(time.perf_counter() - started)
    {wait}
    safe = time.perf_counter() - started
print(json.dumps({{"first": blocked[0], "blocked": blocked[1], "safe": safe, "extra": resident("VmHWM:") - before}}))
"""
COPY = """
copies = [torch.empty_like(one) for one in model.state_dict().values()]
def copy():
    for one, other in zip(model.state_dict().values(), copies):
        other.copy_(one)
"""
OPEN = """
from colabpanel.services.checkpoints.service import Checkpoints
local = os.path.dirname(os.path.dirname(path)) + "/local"
checkpoints = Checkpoints(local, mirror=path, monitor="loss")
"""
PEERS = {
    OURS: (
        OPEN,
        "checkpoints.save(model, step=step)",
        "checkpoints.wait()",
    ),
    "torch.save": ("os.makedirs(path)", "torch.save(model.state_dict(), path + f'/{step}.pt')", ""),
    "torch DCP async_save": (
        "import torch.distributed.checkpoint as dcp\nos.makedirs(path)",
        "future = dcp.async_save({'model': model.state_dict()}, checkpoint_id=path + f'/{step}')",
        "future.result()",
    ),
    "one copy in memory": (COPY, "copy()", ""),
}


def main() -> None:
    """Run all peers and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if not shutil.which("fusermount3"):
        print("checkpoints: not measured, for fuse3 is not installed: staging.py --install gets it")
        return
    samples: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.runs):
            for peer in PEERS:
                found = _run(peer, Path(folder), number)
                if found is not None:
                    samples.setdefault(peer, []).append(found)
    table = {
        peer: {name: statistics.median(one[name] for one in found) for name in found[0]}
        for peer, found in samples.items()
    }
    print(f"\na model of 252 MB, to a target of {RATE:g} MB/s; medians of {options.runs}")
    print(f"{'':24}{'blocked s':>10}{'the first':>11}{'safe s':>9}{'extra MB':>10}")
    for peer, row in table.items():
        figures = f"{row['blocked']:10.4f}{row['first']:11.4f}{row['safe']:9.2f}{row['extra'] / MB:10.0f}"
        print(f"{peer:24}{figures}")
    _judge(table)


def _judge(table: dict[str, dict[str, float]]) -> None:
    ours = table[OURS]["blocked"]
    target("less blocked than torch.save", table["torch.save"]["blocked"] / ours, at_least=50)
    target("as long as one copy", ours / table["one copy in memory"]["blocked"], at_most=2)
    print(f"  less blocked than DCP: {table['torch DCP async_save']['blocked'] / ours:.1f}x")


def _run(peer: str, folder: Path, number: int) -> dict[str, float] | None:
    imports, save, wait = PEERS[peer]
    with _slow(folder) as place:
        path = place / f"{peer.replace(' ', '-')}-{number}"
        code = START.format(imports=imports, save=save, wait=wait)
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(peer, done.stderr.strip().splitlines()[-1])
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextlib.contextmanager
def _slow(folder: Path) -> Iterator[Path]:
    """Mount a slow folder; what lies beside it is as fast as the disk."""
    place = Path(tempfile.mkdtemp(dir=folder))
    below, mount = place / "below", place / "mount"
    below.mkdir()
    mount.mkdir()
    script = Path(__file__).with_name("slow_target.py")
    server = subprocess.Popen([sys.executable, script, below, mount, "--rate", str(RATE)])
    try:
        while not mount.is_mount():
            time.sleep(0.02)
        yield mount
    finally:
        subprocess.run(["fusermount3", "-u", "-z", mount], check=False)
        server.wait()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
