from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from colabpanel.services.memory import Amount, usage


def test_the_machine_is_measured_where_no_container_limits_it(tmp_path: Path) -> None:
    found = usage(tmp_path, cgroup=tmp_path)
    assert found.ram is not None
    assert found.ram.total == psutil.virtual_memory().total
    assert 0 < found.ram.used < found.ram.total
    assert found.disk is not None
    assert 0 < found.disk.fraction < 1
    assert found.uptime > 0


def _write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_the_second_kind_of_container(tmp_path: Path) -> None:
    _write(tmp_path, memory__max="1000\n", memory__current="700\n", memory__stat="anon 300\ninactive_file 250\n")
    assert usage(tmp_path, cgroup=tmp_path).ram == Amount(450, 1000)


def test_the_first_kind_of_container(tmp_path: Path) -> None:
    _write(
        tmp_path / "memory",
        memory__limit_in_bytes="1000",
        memory__usage_in_bytes="600",
        memory__stat="total_inactive_file 100\n",
    )
    assert usage(tmp_path, cgroup=tmp_path).ram == Amount(500, 1000)


@pytest.mark.parametrize("limit", ["max", "9223372036854771712"])
def test_a_container_without_a_limit_shows_the_machine(tmp_path: Path, limit: str) -> None:
    _write(tmp_path, memory__max=limit, memory__current="700")
    ram = usage(tmp_path, cgroup=tmp_path).ram
    assert ram is not None
    assert ram.total == psutil.virtual_memory().total


def test_statistics_that_cannot_be_read_leave_the_plain_use(tmp_path: Path) -> None:
    _write(tmp_path, memory__max="1000", memory__current="700")
    assert usage(tmp_path, cgroup=tmp_path).ram == Amount(700, 1000)


def test_what_cannot_be_read_is_unknown_and_not_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no /proc")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    found = usage(tmp_path / "missing", cgroup=tmp_path)
    assert found.ram is None
    assert found.disk is None
    assert Amount(0, 0).fraction == 0
