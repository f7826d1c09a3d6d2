from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any, cast

import pytest

from colabpanel.hosts._base import IPythonHost
from colabpanel.services.memory import black_box
from colabpanel.services.memory.black_box import BlackBox, Crash, crash_summary, notebook_key
from tests.fakes import FakeHost, FakeShell

_LIFE = """
import os, signal, sys
from pathlib import Path
from colabpanel.services.memory.black_box import BlackBox
box = BlackBox(Path(sys.argv[1]), sys.argv[2])
box.write(50, 100, busy=False)
box.write(97, 100, busy=True)
print("written", flush=True)
if sys.stdin.readline() == "die\\n":
    os.kill(os.getpid(), signal.SIGKILL)
"""


class OtherKernel:
    """A process that writes into a black box, and ends as a test wants."""

    def __init__(self, folder: Path, key: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LIFE, str(folder), key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "written\n"

    def end(self, how: str) -> int:
        self._process.communicate(how + "\n", timeout=30)
        return self._process.returncode


def test_a_killed_kernel_is_told_of_until_that_is_acknowledged(tmp_path: Path) -> None:
    box = BlackBox(tmp_path, "a.ipynb")
    assert box.last_crash() is None
    other = OtherKernel(tmp_path, "a.ipynb")
    assert box.last_crash() is None  # it is alive
    assert other.end("die") == -signal.SIGKILL
    crash = box.last_crash()
    assert crash is not None
    assert (crash.used, crash.total, crash.busy, crash.machine_restarted) == (97, 100, True, False)
    assert crash.out_of_memory
    assert time.time() - crash.time < 60
    assert BlackBox(tmp_path, "b.ipynb").last_crash() is None
    assert box.last_crash() == crash
    box.acknowledge()
    assert box.last_crash() is None
    assert list((tmp_path / "black-box").iterdir()) == []


def test_a_kernel_that_ends_properly_leaves_nothing(tmp_path: Path) -> None:
    assert OtherKernel(tmp_path, "a.ipynb").end("go") == 0
    assert list((tmp_path / "black-box").iterdir()) == []


def test_kernels_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    mine = BlackBox(tmp_path, "a.ipynb")
    mine.write(10, 100, busy=False)
    one, two = OtherKernel(tmp_path, "a.ipynb"), OtherKernel(tmp_path, "a.ipynb")
    one.end("die")
    crash = mine.last_crash()
    assert crash is not None
    assert crash.used == 97
    mine.acknowledge()
    assert len(list((tmp_path / "black-box").iterdir())) == 2
    two.end("die")
    assert mine.last_crash() is not None
    mine.close()
    mine.close()
    assert len(list((tmp_path / "black-box").iterdir())) == 1


def _own_record(folder: Path) -> tuple[Path, dict[str, Any]]:
    (path,) = (folder / "black-box").iterdir()
    lines = [line for line in path.read_bytes().splitlines() if line.strip(b"\0 ")]
    return path, max((json.loads(line.strip(b"\0")) for line in lines), key=lambda record: record["number"])


def test_it_writes_now_and_then_and_what_is_news_at_once(tmp_path: Path) -> None:
    now = [1000.0]
    box = BlackBox(tmp_path, "a", clock=lambda: now[0])
    written = []
    for after, used, busy in (
        (0, 10, False),
        (1, 10, False),
        (1, 12, False),
        (0, 12, True),
        (1, 5, True),
        (3, 5, True),
    ):
        now[0] += after
        box.write(used, 100, busy=busy)
        written.append(_own_record(tmp_path)[1]["number"])
    assert written == [1, 1, 2, 3, 3, 4]
    now[0] -= 500  # the clock was set back
    box.write(None, None, busy=True)
    path, record = _own_record(tmp_path)
    assert (record["number"], record["used"]) == (5, None)
    assert path.stat().st_size == 2048
    assert path.stat().st_mode & 0o777 == 0o600
    box.close()


def _leave(folder: Path, **changes: Any) -> Path:
    """Leave the record of a kernel behind, as another process wrote it."""
    box = BlackBox(folder, "a")
    box.write(90, 100, busy=False)
    path, record = _own_record(folder)
    box.close()
    left = path.with_name(path.name.replace("-", "-0", 1))
    left.write_bytes(json.dumps(record | changes).encode().ljust(1023) + b"\n")
    return left


def test_a_process_number_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    _leave(tmp_path, born=1000.0, time=time.time())
    crash = BlackBox(tmp_path, "a").last_crash()
    assert crash is not None
    assert not crash.machine_restarted


@pytest.mark.parametrize("changes", [{"boot": "another"}, {"node": "elsewhere"}])
def test_a_machine_that_was_restarted_or_replaced(tmp_path: Path, changes: dict[str, str]) -> None:
    _leave(tmp_path, time=time.time() - 1000, **changes)
    crash = BlackBox(tmp_path, "a").last_crash()
    assert crash is not None
    assert crash.machine_restarted


def test_a_kernel_of_another_machine_that_still_writes_is_no_crash(tmp_path: Path) -> None:
    _leave(tmp_path, node="elsewhere", time=time.time() - 10)
    assert BlackBox(tmp_path, "a").last_crash() is None


def test_where_only_the_time_of_the_start_is_known_it_may_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(black_box, "_BOOT_ID", tmp_path / "missing")
    started = float(black_box._boot())
    for boot, restarted in ((started + 30, False), (started - 9000, True)):
        left = _leave(tmp_path, born=1000.0, boot=str(boot))
        crash = BlackBox(tmp_path, "a").last_crash()
        assert crash is not None
        assert crash.machine_restarted is restarted
        left.unlink()


def test_old_records_are_swept_and_broken_ones_tell_nothing(tmp_path: Path) -> None:
    old = _leave(tmp_path, born=1000.0, time=time.time() - 40 * 86400)
    (old.with_name(old.name.replace("-0", "-1", 1))).write_bytes(b"{broken")
    (old.with_name(old.name.replace("-0", "-2", 1))).write_bytes(b'{"number": 1}')
    (old.with_name(old.name.replace("-0", "-3", 1))).write_bytes(b"[1]")
    old.with_name(old.name.replace("-0", "-4", 1)).mkdir()
    assert BlackBox(tmp_path, "a").last_crash() is None
    assert not old.exists()


def test_the_slot_that_was_being_written_does_not_matter(tmp_path: Path) -> None:
    left = _leave(tmp_path, born=1000.0, time=time.time())
    whole = left.read_bytes()
    left.write_bytes(whole + whole.replace(b'"number": 1', b'"number": 2')[:100])
    assert BlackBox(tmp_path, "a").last_crash() is not None
    newer = whole.replace(b'"number": 1', b'"number": 2').replace(b'"used": 90', b'"used": 99')
    left.write_bytes(whole + newer)
    crash = BlackBox(tmp_path, "a").last_crash()
    assert crash is not None
    assert crash.used == 99


def test_a_disk_that_refuses_is_told_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "black-box").touch()
    box = BlackBox(tmp_path, "a")
    box.write(1, 2, busy=False)
    assert box.problem.startswith("What this kernel does cannot be recorded: ")
    box.write(1, 2, busy=True)
    assert box.last_crash() is None
    box.acknowledge()
    box.close()


def test_a_folder_that_cannot_be_listed_tells_of_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _leave(tmp_path, born=1000.0, time=time.time())

    def broken(_folder: Path, _pattern: str) -> None:
        raise OSError(5, "Input/output error")

    box = BlackBox(tmp_path, "a")
    assert box.last_crash() is not None
    monkeypatch.setattr(Path, "glob", broken)
    assert box.last_crash() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_leaves_the_record_of_its_parent_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = BlackBox(tmp_path, "a")
    box.write(1, 100, busy=False)
    before = _own_record(tmp_path)
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: 1)
        box.write(90, 100, busy=True)
        box.close()
    assert _own_record(tmp_path) == before
    box.close()


def test_a_crash_in_words() -> None:
    full = Crash(1000, 97, 100, busy=True, machine_restarted=False)
    assert crash_summary(full, now=1300) == (
        "The last kernel of this notebook ended unexpectedly 5 min ago, while a cell ran; "
        "memory was at 97% (97 of 100 bytes)."
    )
    unknown = Crash(time.time(), None, None, busy=False, machine_restarted=True)
    assert crash_summary(unknown) == (
        "The last kernel of this notebook ended unexpectedly just now. The machine was restarted or replaced since."
    )
    assert not unknown.out_of_memory


def test_a_notebook_keeps_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    host = FakeHost(tmp_path)
    assert notebook_key(host) == f"folder {tmp_path}"
    shell = cast("Any", FakeShell())
    shell.kernel.parent = types.SimpleNamespace(connection_file="/run/kernel-1.json")
    assert notebook_key(IPythonHost(shell)) == "connection kernel-1.json"
    shell.user_ns["__vsc_ipynb_file__"] = "/home/a.ipynb"
    assert notebook_key(IPythonHost(shell)) == "document /home/a.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", "work/a.ipynb")
    assert notebook_key(IPythonHost(shell)) == "session work/a.ipynb"
