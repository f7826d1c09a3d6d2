"""Fetches that are killed, and finished by a process that knows nothing of them."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from tests.http_faults import FaultyServer

DATA = random.Random(3).randbytes(24 << 20)
PIECES = 3
CODE = """
import json, sys
from colabpanel.services.fetching.service import fetch
fetched = fetch(sys.argv[1], sys.argv[2])
print(json.dumps([fetched.resumed, fetched.size]))
"""


def _start(url: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CODE, url, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def _held_half_way(server: FaultyServer) -> threading.Event:
    """Let the server stop half way until it is told to go on."""
    go_on = threading.Event()
    server.before_sending = lambda sent: go_on.wait(30) if sent >= len(DATA) // 2 else None
    return go_on


def _until_pieces_are_noted(folder: Path, process: subprocess.Popen[str]) -> None:
    journal = folder / "data.bin.part-journal"
    while not journal.exists() or journal.read_bytes().count(b"\n") <= PIECES:
        assert process.poll() is None


def test_a_killed_fetch_goes_on_in_a_fresh_process(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(DATA)
    go_on = _held_half_way(server)
    process = _start(url, tmp_path)
    _until_pieces_are_noted(tmp_path, process)
    family = psutil.Process(process.pid)
    members = [*family.children(recursive=True), family]
    assert len(members) == 2
    for member in members:
        member.send_signal(signal.SIGKILL)
    process.wait(60)
    psutil.wait_procs(members, timeout=60)
    assert process.stdout is not None
    process.stdout.close()
    go_on.set()
    assert not (tmp_path / "data.bin").exists()
    assert (tmp_path / "data.bin.part").exists()
    server.before_sending = lambda _: None
    again = _start(url, tmp_path)
    resumed, size = json.loads(again.communicate(timeout=60)[0])
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert size == len(DATA)
    assert PIECES << 18 <= resumed <= len(DATA) // 2 + (1 << 20)
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


def test_a_killed_notebook_leaves_no_child_behind(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(DATA)
    go_on = _held_half_way(server)
    process = _start(url, tmp_path)
    _until_pieces_are_noted(tmp_path, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    gone, alive = psutil.wait_procs(children, timeout=30)
    go_on.set()
    assert (len(gone), alive) == (1, [])
    assert not (tmp_path / "data.bin").exists()
