"""The black box of real kernels that are killed, and that end as they should."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., str]

_OPEN = """
import os
from colabpanel.hosts import detect
from colabpanel.services.memory.black_box import BlackBox, notebook_key
host = detect()
box = BlackBox(host.state_dir, notebook_key(host))
"""


@pytest.fixture(autouse=True)
def _without_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)


def _restart(kernel: Any, *, now: bool) -> None:
    kernel.parent.restart_kernel(now=now)
    kernel.wait_for_ready(timeout=60)


def test_a_kernel_that_was_killed_is_told_of_by_the_next(run: Run, kernel: Any) -> None:
    process = int(run(_OPEN + "box.write(99, 100, busy=True); print(os.getpid())"))
    os.kill(process, signal.SIGKILL)
    _restart(kernel, now=True)
    assert run(_OPEN + "crash = box.last_crash(); print(crash.used, crash.busy)").strip() == "99 True"
    assert run("box.acknowledge(); print(box.last_crash())").strip() == "None"


def test_a_kernel_that_is_restarted_by_its_user_is_no_crash(run: Run, kernel: Any, tmp_path: Path) -> None:
    run(_OPEN + "box.write(99, 100, busy=True)")
    _restart(kernel, now=False)
    assert run(_OPEN + "print(box.last_crash(), os.listdir(host.state_dir / 'black-box'))").strip() == "None []"
