from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from colabpanel.errors import ColabPanelError, HostError, InputError, JobCancelledError, PathError, StorageError
from colabpanel.hosts.colab import ColabHost
from colabpanel.progress import Progress
from colabpanel.services.isolated import call_isolated
from colabpanel.services.limits.applying import applying_limit
from colabpanel.services.memory.filling import restart
from colabpanel.services.memory.filling.child import BLOCK, _hold, fresh_block
from colabpanel.services.memory.filling.restart import PHRASE, fill_until_restart
from colabpanel.services.memory.filling.service import Filled, fill_memory, fill_summary
from colabpanel.services.memory.guarding.guard import MemoryGuard
from colabpanel.services.snapshots.service import dump
from tests.children import children_now
from tests.fakes import FakeClock, FakeHost, FakeShell, RecordingProgress
from tests.memory_groups import memory_group

MB = 1 << 20


def _share_now() -> float:
    amount = applying_limit().amount
    assert amount is not None
    return amount.fraction


def test_memory_is_filled_held_and_given_back_and_the_guard_sees_it(host: FakeHost) -> None:
    guard, progress = MemoryGuard(host, warn=_share_now() + 0.02), RecordingProgress()
    guard.start()
    filled = fill_memory(_share_now() + 0.06, hold_seconds=1.2, host=host, progress=progress)
    guard.stop()
    assert filled.size > 50 * MB
    assert filled.held >= 1.2
    assert filled.seconds > filled.held
    assert [description for _, description in progress.phases] == ["Filling memory", "Holding it"]
    assert "warning" in [event.kind for event in guard.status().events]
    assert children_now() == []


def test_in_a_group_it_stops_at_the_share_of_the_groups_limit() -> None:
    with memory_group(400 * MB) as group:
        found = call_isolated(
            "tests.memory_groups:fill_up_to_share_in_group", {"group": str(group), "until": 0.6}, progress=Progress()
        )
    assert found["fraction"] == pytest.approx(0.6, abs=0.02)
    assert found["size"] == pytest.approx(240 * MB, rel=0.1)


@pytest.mark.parametrize("phase", ["Filling memory", "Holding it"])
def test_a_cancel_gives_all_back(host: FakeHost, phase: str) -> None:
    class Cancelling(RecordingProgress):
        def advance(self, amount: int = 1) -> None:
            if self.phases and self.phases[-1][1] == phase:
                raise JobCancelledError

    with pytest.raises(JobCancelledError):
        fill_memory(_share_now() + 0.05, hold_seconds=600, host=host, progress=Cancelling())
    assert children_now() == []


def test_a_process_that_is_killed_is_told(host: FakeHost) -> None:
    class Killing(Progress):
        def advance(self, amount: int = 1) -> None:
            for child in children_now():
                child.kill()

    with pytest.raises(StorageError, match="was killed while it did"):
        fill_memory(_share_now() + 0.05, hold_seconds=600, host=host, progress=Killing())


_PARENT = """
import sys
from pathlib import Path
from colabpanel.progress import Progress
from colabpanel.services.memory.filling.service import fill_memory

class Telling(Progress):
    def start(self, total, description, **options):
        print(description, flush=True)

fill_memory(float(sys.argv[1]), hold_seconds=600, progress=Telling())
"""


def test_it_is_the_first_to_be_killed_and_ends_with_a_parent_that_was() -> None:
    command = [sys.executable, "-c", _PARENT, str(_share_now() + 0.05)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert [parent.stdout.readline() for _ in range(2)] == ["Filling memory\n", "Holding it\n"]
    (child,) = psutil.Process(parent.pid).children()
    assert Path(f"/proc/{child.pid}/oom_score_adj").read_text().strip() == "1000"
    parent.send_signal(signal.SIGKILL)
    parent.communicate(timeout=30)
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running()


def test_what_others_need_is_given_back_early(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, progress = FakeClock(), RecordingProgress()
    monkeypatch.setattr("colabpanel.services.memory.filling.child._CROWDED", 0.0)
    assert _hold(10, progress, clock=clock)[1] == 0
    assert progress.phases == [(10, "Holding it")]


def test_blocks_are_large_and_do_not_compress() -> None:
    import zlib

    assert len(fresh_block(3)) == 3 * BLOCK
    assert len(zlib.compress(fresh_block(1)[:4096])) > 4000


@pytest.mark.parametrize("until", [0, -1, 0.96, 2, "full", None, True, float("nan")])
def test_what_is_no_share_is_refused(host: FakeHost, until: Any) -> None:
    with pytest.raises(InputError, match="cannot be filled up to"):
        fill_memory(until, host=host)


def test_options_and_hosts_that_are_refused(host: FakeHost) -> None:
    with pytest.raises(InputError, match="cannot be held"):
        fill_memory(0.9, hold_seconds=-1, host=host)
    with pytest.raises(InputError, match=r"Memory is at \d+% already"):
        fill_memory(1e-6, host=host)
    with pytest.raises(HostError, match="only on Colab") as caught:
        fill_memory("restart", host=host)
    assert "Since 2020 Colab has been reported" in caught.value.hint
    host.is_served = True
    for until in (0.5, "restart"):
        with pytest.raises(HostError, match="not the visitor's"):
            fill_memory(until, host=host)


def test_a_limit_of_this_process_alone_cannot_be_filled_by_another(host: FakeHost) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + (1 << 30), hard))
    try:
        with pytest.raises(HostError, match="for this process alone"):
            fill_memory(0.9, host=host)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_memory_that_cannot_be_read_is_not_filled(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("no /proc")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    limit = applying_limit()
    if limit.amount is not None:
        pytest.skip("another limit than the machine's applies here")
    with pytest.raises(HostError, match="cannot be read"):
        fill_memory(0.9, host=host)


def _snapshot(folder: Path) -> Path:
    return dump(folder / "before.snapshot.zip", {"a": 1}).path


class Filler:
    """Fills nothing, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, progress: Progress) -> None:
        self.calls += 1


def test_on_colab_it_takes_a_recent_snapshot_and_typed_words(tmp_path: Path) -> None:
    host, fill, path = ColabHost(FakeShell()), Filler(), _snapshot(tmp_path)
    (tmp_path / "other").write_text("no snapshot")
    refusals: list[tuple[dict[str, Any], type[ColabPanelError], str]] = [
        ({"confirm": PHRASE, "snapshot": None}, InputError, "no snapshot was given"),
        ({"confirm": PHRASE, "snapshot": tmp_path / "missing"}, PathError, "missing"),
        ({"confirm": PHRASE, "snapshot": tmp_path / "other"}, InputError, "other"),
        ({"confirm": None, "snapshot": path}, InputError, "not confirmed"),
        ({"confirm": PHRASE.upper(), "snapshot": path}, InputError, "not confirmed"),
        ({"confirm": PHRASE, "snapshot": path, "clock": lambda: time.time() + 1000}, InputError, r"16 min \d+ s old"),
    ]
    for options, kind, text in refusals:
        with pytest.raises(kind, match=text):
            fill_until_restart(host, progress=Progress(), fill=fill, **options)
    assert fill.calls == 0
    with pytest.raises(StorageError, match="did not restart"):
        fill_until_restart(host, confirm=PHRASE, snapshot=path, progress=Progress(), fill=fill)
    assert fill.calls == 1


def test_a_file_that_is_no_snapshot_of_variables_does_not_do(tmp_path: Path) -> None:
    import numpy as np

    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"a\.npy is no snapshot"):
        fill_until_restart(
            ColabHost(FakeShell()), confirm=PHRASE, snapshot=tmp_path / "a.npy", progress=Progress(), fill=Filler()
        )


def test_the_public_call_asks_for_the_words_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not confirmed") as caught:
        fill_memory("restart", snapshot=_snapshot(tmp_path), host=ColabHost(FakeShell()))
    assert PHRASE in caught.value.hint
    assert "Since 2020 Colab has been reported" in caught.value.hint


def test_filling_a_process_ends_with_its_death() -> None:
    with memory_group(200 * MB) as group, pytest.raises(StorageError, match="signal 9"):
        call_isolated("tests.memory_groups:fill_all_in_group", {"group": str(group)})


def test_filling_a_process_returns_where_no_more_is_given() -> None:
    progress = RecordingProgress()
    assert call_isolated("tests.memory_groups:fill_under_limit", {"more": 500 * MB}, progress=progress) == "returned"
    assert progress.done >= 128 * MB


def test_filling_a_process_can_be_cancelled() -> None:
    class Cancelling(RecordingProgress):
        def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
            raise JobCancelledError

    with memory_group(800 * MB) as group, pytest.raises(JobCancelledError):
        call_isolated("tests.memory_groups:fill_all_in_group", {"group": str(group)}, progress=Cancelling())


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has an order of who is killed")
def test_who_has_filled_memory_and_lives_is_not_the_first_to_be_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    order = Path("/proc/self/oom_score_adj")
    before, seen = order.read_text(), list[str]()

    def block(_: int) -> bytes:
        seen.append(order.read_text().strip())
        raise MemoryError

    monkeypatch.setattr(restart, "fresh_block", block)
    restart.fill_this_process(Progress())
    assert (seen, order.read_text()) == (["1000"], before)


def test_a_summary() -> None:
    assert fill_summary(Filled(300 * MB, 0.9, 10, 11)) == (
        "Filled 300 MB, up to 90% of memory, held it for 10 s, and gave it back."
    )
