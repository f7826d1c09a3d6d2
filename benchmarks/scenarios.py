"""Staging under circumstances: beside a notebook that computes, and from a source that is slow and fails."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import peers as known
from measure import Sample, Target, compare, quiet, run, warm
from peers import OURS, REFERENCE, Peer
from worksets import WorkSet

MB = 1_000_000
RATE, LATENCY, FAIL = 40.0, 5.0, 0.01
READ_AHEAD_KB = "1024"
SLOW_SOURCE = Path(__file__).with_name("slow_source.py")

# One process: its main thread counts, another one stages. Prints the seconds and how often it counted a second.
BUSY_CODE = """
import json, sys, threading, time
from colabpanel import stage
source, target, mode = sys.argv[1:4]
over = threading.Event()
def count(thread):
    done, started = 0, time.perf_counter()
    while thread.is_alive():
        for _ in range(10_000):
            done += 1
    return done / (time.perf_counter() - started)
def timed():
    started = time.perf_counter()
    assert stage(source, target).status == "ok"
    seconds.append(time.perf_counter() - started)
seconds = []
waiting = threading.Thread(target=time.sleep, args=(1.5,))
waiting.start()
alone = count(waiting)
staging = threading.Thread(target=timed)
staging.start()
beside = count(staging) if mode == "busy" else 0
staging.join()
print(json.dumps({"seconds": seconds[0], "alone": alone, "beside": beside}))
"""
READ_CODE = "import sys\nwith open(sys.argv[1], 'rb', buffering=0) as f:\n    while f.read(1 << 20): pass"


def target(label: str, figure: float | None, *, at_least: float = 0, at_most: float = 0, unit: str = "x") -> None:
    """Print one line about a target, of which one bound is given."""
    bound = f"at least {at_least:g}{unit}" if at_least else f"at most {at_most:g}{unit}"
    if figure is None:
        print(f"  target: {label}: not measured ({bound})")
        return
    reached = figure >= at_least if at_least else figure <= at_most
    print(f"  target: {label}: {figure:.2f}{unit} ({bound}): {'reached' if reached else 'missed'}")


def busy(work: WorkSet, place: Target, runs: int) -> dict[str, Any]:
    """Stage while the same process runs a Python loop, and print what each costs the other."""
    found: dict[str, list[dict[str, float]]] = {"idle": [], "busy": []}
    for _round in range(runs):
        for mode, samples in found.items():
            with place.fresh(work.size + work.packed) as folder:
                warm(work.path)
                quiet(place.patience)
                command = [sys.executable, "-c", BUSY_CODE, work.path, str(folder / "out"), mode]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                samples.append(json.loads(done.stdout))
                if problem := compare(work, folder):
                    raise RuntimeError(problem)
    idle, beside = (statistics.median(sample["seconds"] for sample in found[mode]) for mode in ("idle", "busy"))
    share = statistics.median(sample["beside"] / sample["alone"] for sample in found["busy"]) * 100
    print(f"\nbusy: A in {idle:.2f} s, beside a Python loop {beside:.2f} s; the loop keeps {share:.0f} % of its speed")
    target("as long as in an idle process", beside / idle, at_most=1.6)
    target("the loop's share of its speed", share, at_least=50, unit=" %")
    return {"idle_seconds": idle, "busy_seconds": beside, "loop_share": share / 100}


@dataclass(frozen=True)
class Trial:
    """What is read through the slow file system, and the share of reads that fails."""

    work: WorkSet
    place: Target
    python: Path
    fail: float

    def times(self, peer: Peer, runs: int) -> dict[str, Any]:
        """Run a peer so often, and print and return its median."""
        log: list[dict[str, int]] = []
        samples = [self._run(peer, log) for _round in range(runs)]
        problem = next((sample.problem for sample in samples if sample.problem), "")
        seconds = 0.0 if problem else statistics.median(sample.seconds for sample in samples)
        last = log[-1]
        print(f"  {peer.name:22} {problem or f'{seconds:.2f} s'}; {last['reads']} reads, {last['failures']} failed")
        return {"seconds": seconds, "problem": problem, "log": log}

    def _run(self, peer: Peer, log: list[dict[str, int]]) -> Sample:
        with self.place.fresh(self.work.size + self.work.packed) as folder, self._mounted(log) as source:
            sample = run(peer.command(source, str(folder)), interactive=peer.interactive)
            problem = sample.problem or ("" if peer.kind == "raw" else compare(self.work, folder))
        return replace(sample, problem=problem)

    @contextlib.contextmanager
    def _mounted(self, log: list[dict[str, int]]) -> Iterator[str]:
        """Give the path of the archive behind a slow file system, and note afterwards how often it was read."""
        with tempfile.TemporaryDirectory(prefix="colabpanel-slow-") as folder:
            options = ["--rate", str(RATE), "--latency", str(LATENCY), "--fail", str(self.fail)]
            command = [str(self.python), str(SLOW_SOURCE), self.work.path, folder, *options]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            try:
                _await_mount(Path(folder), server)
                yield str(Path(folder, Path(self.work.path).name))
            finally:
                subprocess.run(["fusermount3", "-u", "-z", folder], capture_output=True, check=False)
                printed = server.communicate(timeout=30)[0]
                log.append(json.loads(printed.strip() or '{"reads": 0, "failures": 0}'))


def _await_mount(folder: Path, server: subprocess.Popen[str]) -> None:
    """Wait for the mount, and let the kernel read ahead so far that sequential reading fills the line."""
    deadline = time.monotonic() + 10
    while not folder.is_mount():
        if time.monotonic() > deadline or server.poll() is not None:
            raise RuntimeError(f"slow_source.py could not mount {folder}")
        time.sleep(0.05)
    device = folder.stat().st_dev
    with contextlib.suppress(OSError):
        Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb").write_text(READ_AHEAD_KB)


def slow(work: WorkSet, place: Target, cache: Path, runs: int) -> dict[str, Any]:
    """Stage through a slow file system, and again through one that fails; every run mounts it anew."""
    python = cache.resolve() / "venv" / "bin" / "python"
    ready = python.exists() and subprocess.run([python, "-c", "import mfusepy"], check=False).returncode == 0
    if not ready or not shutil.which("fusermount3"):
        print("\nslow: not measured, for mfusepy or fuse3 is not installed: --install gets both")
        return {}
    chosen = [peer for peer in known.peers(cache, None) if peer.name in {OURS, REFERENCE}]
    reading = Peer("sequential reading", "raw", lambda source, _folder: [sys.executable, "-c", READ_CODE, source])
    found: dict[str, Any] = {}
    for fail in (0.0, FAIL):
        print(f"\nslow: {work.packed / MB:.0f} MB at {RATE:g} MB/s, {LATENCY:g} ms a read, {fail:.0%} of reads failing")
        trial = Trial(work, place, python, fail)
        found[f"fail {fail:g}"] = {peer.name: trial.times(peer, runs) for peer in (reading, *chosen)}
    pure = found["fail 0"][reading.name]["seconds"]
    for key, rows in found.items():
        if rows[OURS]["seconds"] and pure:
            print(f"{OURS}, {key}: {rows[OURS]['seconds'] / pure:.2f}x of undisturbed sequential reading")
    return found
