"""What becomes of a file when its server does wrong, with `colabpanel.fetch` and with others: section ``faults``."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fetching import HERE, MB, Peer

sys.path.insert(0, str(HERE.parent))
from tests.http_faults import FaultyServer, serving

DATA = random.Random(2).randbytes(24 * MB)
LIMIT = 60.0
FAULTS = {
    "503, three times": ["503"] * 3,
    "cut bodies": ["cut", "cut", "cut at once", "reset"],
    "cut at the first byte": ["cut at once"] * 2,
    "short 206": ["short", "short", "short"],
    "ignores ranges once": ["ignores ranges"],
    "wrong range": ["", "wrong range", "wrong range"],
    "stands still": ["stall", "stall"],
    "changes meanwhile": ["", "", "changes"],
    "a page instead": ["page"] * 20,
}
CODE = """
import sys
from colabpanel.services.fetching.service import fetch
fetch(sys.argv[1], sys.argv[2], name="out.bin")
"""
CURL = ("curl", "-sSf", "--retry", "5", "--retry-all-errors", "--retry-delay", "1", "-C", "-", "--speed-time", "15")
PEERS = (
    Peer("colabpanel.fetch", (sys.executable, "-c", CODE, "{url}", "{folder}")),
    Peer("curl, told to retry", (*CURL, "--speed-limit", "1024", "-o", "{out}", "{url}")),
    Peer("aria2c -x8 -s8 -k1M", ("aria2c", "-q", "-x8", "-s8", "-k1M", "-d", "{folder}", "-o", "out.bin", "{url}")),
    Peer("wget -c", ("wget", "-q", "-c", "-T", "15", "-t", "5", "-O", "{out}", "{url}")),
    Peer("rclone copyurl", ("rclone", "copyurl", "--timeout", "15s", "{url}", "{out}")),
)


def faults_section() -> None:
    """Print, for each fault and tool, whether the bytes were right, an error came, or wrong bytes were kept."""
    here = [peer for peer in PEERS if not peer.missing]
    wrong = 0
    for name, schedule in FAULTS.items():
        outcomes = {peer.name: _outcome(peer, schedule) for peer in here}
        print(f"faults: {name:22} " + "; ".join(f"{tool}: {outcome}" for tool, outcome in outcomes.items()))
        wrong += "WRONG" in outcomes[PEERS[0].name]
    print(f"faults: colabpanel.fetch kept wrong bytes {wrong} times: {'met' if not wrong else 'MISSED'}")


def _outcome(peer: Peer, schedule: list[str]) -> str:
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-") as folder, serving() as server:
        url = server.serve(DATA, "/model.bin")
        server.faults.extend(schedule)
        words = {"url": url, "out": f"{folder}/out.bin", "folder": folder}
        command = [word.format_map(words) if word.startswith("{") else word for word in peer.command]
        began = time.perf_counter()
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(command, capture_output=True, timeout=LIMIT, check=False)
            return f"{_said(Path(folder, 'out.bin'), server, done.returncode)}, {time.perf_counter() - began:.1f} s"
        return "hangs"


def _said(out: Path, server: FaultyServer, code: int) -> str:
    if code:
        return "an error"
    found = out.read_bytes() if out.exists() else b""
    return "right" if found == server.pages["/model.bin"].data else "WRONG BYTES, and no error"
