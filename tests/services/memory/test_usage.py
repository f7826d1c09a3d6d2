"""The gauges against psutil and /proc, and what is told where something cannot be read."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from colabpanel.services.limits.applying import swap_amount
from colabpanel.services.memory import Amount, usage


def test_the_machine_is_measured_where_nothing_else_limits_it(tmp_path: Path) -> None:
    found = usage(tmp_path, proc=tmp_path, patience=60)
    assert found.ram is not None
    assert found.limit == "machine"
    assert found.ram.total == psutil.virtual_memory().total
    assert 0 < found.ram.used < found.ram.total
    assert found.disk is not None
    assert 0 < found.disk.fraction < 1
    assert found.uptime > 0
    json.dumps(asdict(found))


def test_the_cache_of_drive_is_told_where_it_is(tmp_path: Path) -> None:
    assert usage(tmp_path, drive_cache=tmp_path / "missing").drive_cache is None
    found = usage(tmp_path, drive_cache=tmp_path, patience=60)
    assert found.drive_cache is not None
    assert found.drive_cache == found.disk


def test_what_cannot_be_read_is_unknown_and_not_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no /proc")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    found = usage(tmp_path / "missing", proc=tmp_path)
    assert found.ram is None
    assert found.disk is None
    assert found.swap is None
    assert Amount(0, 0).fraction == 0
    assert Amount(5, 3).left == 0


def test_a_disk_that_hangs_is_unknown_and_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, real = threading.Event(), shutil.disk_usage

    def hang(path: str) -> Any:
        answer.wait(30)
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", hang)
        assert usage(tmp_path / "hangs", patience=0.01).disk is None
        answer.set()
    assert usage(tmp_path, patience=60).disk is not None


def test_swap_is_that_of_proc(tmp_path: Path) -> None:
    assert swap_amount(proc=tmp_path) is None
    (tmp_path / "meminfo").write_text("SwapTotal:  0 kB\nSwapFree:  0 kB\n")
    assert swap_amount(proc=tmp_path) == Amount(0, 0)
    (tmp_path / "meminfo").write_text("SwapTotal:  100 kB\nSwapFree:  60 kB\n")
    assert swap_amount(proc=tmp_path) == Amount(40 << 10, 100 << 10)
    (tmp_path / "meminfo").write_text("SwapTotal:\n")
    assert swap_amount(proc=tmp_path) is None
