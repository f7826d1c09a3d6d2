"""How fast `colabpanel.fetch` brings a file from far away, beside the tools that people use: section ``fetch``.

The server stands on the loopback and waits as one on the internet does. Every tool gets an empty folder, they take
turns, and what they bring is compared. Programs are measured from their start to their end, ours in a Python that
runs already, its child process included. Memory is that of the whole process tree.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import Sample, run
from peers import PRELUDE

MB = 2**20
SIZE = 97 * MB
LATENCY, RATE = 40, 12  # milliseconds; MiB a second of each connection
RUNS = 3
OURS, REFERENCE = "colabpanel.fetch", "curl"
TARGET = 5.0
HERE = Path(__file__).parent
PLACE = Path("/dev/shm") if Path("/dev/shm").is_dir() else None


@dataclass(frozen=True)
class Peer:
    """One way to get the file: in its command ``{url}`` is the address and ``{out}`` the file to write."""

    name: str
    command: tuple[str, ...]
    interactive: bool = False

    @property
    def missing(self) -> bool:
        return shutil.which(self.command[0]) is None


IMPORTS = "from pathlib import Path; from colabpanel.services.fetching.service import fetch"
CODE = "place = Path(target); fetch(source, place.parent, name=place.name)"
PEERS = (
    Peer(REFERENCE, ("curl", "-sSf", "-o", "{out}", "{url}")),
    Peer(
        OURS,
        (sys.executable, "-c", PRELUDE.format(imports=IMPORTS, code=CODE),
         "{url}", "{out}"),
        interactive=True,
    ),
    Peer("wget", ("wget", "-q", "-O", "{out}", "{url}")),
    Peer("aria2c, as it is", ("aria2c", "-q", "-d", "{folder}", "-o", "{name}", "{url}")),
    Peer("aria2c -x8 -s8 -k1M", ("aria2c", "-q", "-x8", "-s8", "-k1M", "-d", "{folder}", "-o", "{name}", "{url}")),
    Peer("rclone copyurl", ("rclone", "copyurl", "{url}", "{out}")),
)  # fmt: skip


def fetch_section() -> None:
    """Measure every tool that is here, and print one line for each."""
    print(f"fetch: {SIZE // MB} MiB, {LATENCY} ms, {RATE} MiB/s a connection; median of {RUNS}")
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-", dir=PLACE) as folder:
        file = Path(folder, "file")
        chance = random.Random(1)
        with file.open("wb") as stream:
            for _ in range(SIZE // MB):
                stream.write(chance.randbytes(MB))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        with serving(file) as url:
            samples = {peer.name: list[Sample]() for peer in PEERS if not peer.missing}
            for _ in range(RUNS):
                for peer in PEERS:
                    if not peer.missing:
                        samples[peer.name].append(measured(peer, url, digest))
    reference = seconds_of(samples[REFERENCE])
    for peer in PEERS:
        print(line_for(peer, samples.get(peer.name, []), reference))
    ratio = reference / seconds_of(samples[OURS])
    verdict = "met" if ratio >= TARGET else "MISSED"
    print(f"fetch: {ratio:.2f} times one curl stream (target at least {TARGET:g}): {verdict}")


@contextlib.contextmanager
def serving(file: Path) -> Iterator[str]:
    """Run the slow server in a process of its own."""
    command = [sys.executable, str(HERE / "slow_server.py"), str(file), "--latency", str(LATENCY), "--rate", str(RATE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/file.bin"
        finally:
            server.stdin.close()


def measured(peer: Peer, url: str, digest: str) -> Sample:
    """Run a tool once, and look at what it brought."""
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-", dir=PLACE) as folder:
        out = Path(folder, "out.bin")
        words = {"url": url, "out": str(out), "folder": folder, "name": out.name}
        command = [word.format_map(words) if word.startswith("{") else word for word in peer.command]
        sample = run(command, interactive=peer.interactive)
        if sample.problem or not out.exists() or hashlib.sha256(out.read_bytes()).hexdigest() != digest:
            raise SystemExit(f"{peer.name}: {sample.problem or 'the bytes are not those of the file'}")
        return sample


def seconds_of(samples: list[Sample]) -> float:
    return statistics.median(sample.seconds for sample in samples)


def line_for(peer: Peer, samples: list[Sample], reference: float) -> str:
    if not samples:
        return f"  {peer.name:22} not installed"
    seconds = seconds_of(samples)
    spread = f"{min(one.seconds for one in samples):.2f}-{max(one.seconds for one in samples):.2f}"
    memory = max(one.private for one in samples) / MB
    return (
        f"  {peer.name:22} {seconds:6.2f} s ({spread}), {reference / seconds:5.2f} x curl, {memory:4.0f} MB of memory"
    )
