from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colabpanel.cli import main
from tests.archives import TREE, make_zip, tree_of
from tests.http_faults import FaultyServer, serving


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving() as server:
        yield server


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def test_fetch_prints_one_object(server: FaultyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytes(range(256)) * 20_000
    digest = hashlib.sha256(data).hexdigest()
    command = ["fetch", server.serve(data), str(tmp_path / "out"), "--sha256", digest, "--json"]
    assert main(command) == 0
    answer = _json(capsys)
    assert answer["message"].endswith("SHA-256 checked.")
    assert {key: answer[key] for key in ("status", "path", "files", "bytes", "reused", "checked", "skipped")} == {
        "status": "ok",
        "path": str(tmp_path / "out/data.bin"),
        "files": 1,
        "bytes": len(data),
        "reused": False,
        "checked": ["size", "sha256"],
        "skipped": [],
    }
    assert (tmp_path / "out/data.bin").read_bytes() == data
    assert main(command) == 0
    assert _json(capsys)["reused"]


def test_it_goes_into_this_folder_unless_another_is_named(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fetch", server.serve(b"x"), "--name", "mine.txt"]) == 0
    assert capsys.readouterr().out.startswith("Fetched 1 byte in ")
    assert (tmp_path / "mine.txt").read_bytes() == b"x"


def test_unpacking_is_told(server: FaultyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = server.serve(make_zip(tmp_path / "a.zip").read_bytes(), "/a.zip")
    assert main(["fetch", url, str(tmp_path / "out"), "--unpack", "--json"]) == 0
    assert _json(capsys)["unpacked"] == len(TREE)
    assert set(TREE) < set(tree_of(tmp_path / "out"))
    bad = make_zip(tmp_path / "b.zip", {"../x": b"1", "good": b"2"}).read_bytes()
    assert main(["fetch", server.serve(bad, "/b.zip"), str(tmp_path / "two"), "--unpack", "--json"]) == 3
    assert [pair[0] for pair in _json(capsys)["skipped"]] == ["../x"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "", "data.zip"])
def test_what_is_no_address_is_rejected(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", url, "--json"]) == 1
    answer = _json(capsys)
    assert answer["status"] == "rejected"
    assert answer["hint"]


def test_an_interrupt_cancels_and_the_next_call_goes_on(
    server: FaultyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, go_on = bytes(range(256)) * 50_000, threading.Event()
    server.before_sending = lambda sent: go_on.wait(30) if sent > len(data) // 2 else None
    url, journal = server.serve(data), tmp_path / "data.bin.part-journal"
    command = [sys.executable, "-m", "colabpanel", "fetch", url, str(tmp_path), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    go_on.set()
    assert process.returncode == 130
    assert json.loads(output.splitlines()[-1])["status"] == "cancelled"
    assert not (tmp_path / "data.bin").exists()
    assert main([*command[3:]]) == 0
    assert _json(capsys)["resumed"] > 0
    assert (tmp_path / "data.bin").read_bytes() == data
