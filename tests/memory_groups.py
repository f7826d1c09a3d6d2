"""Memory groups of the system (the first kind of cgroup), which kill what takes more than they allow."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from colabpanel.progress import Progress
from colabpanel.services.memory.filling.child import fill_here
from colabpanel.services.memory.filling.restart import fill_this_process

__all__ = ["fill_all_in_group", "fill_under_limit", "fill_up_to_share_in_group", "memory_group", "move_into"]

_GROUPS = Path("/sys/fs/cgroup/memory")


@contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """Make a group with a limit in bytes; whoever is in it at the end is moved out. Skips where that is not allowed."""
    made = _GROUPS / f"colabpanel-test-{time.monotonic_ns()}"
    try:
        made.mkdir()
        (made / "memory.limit_in_bytes").write_text(str(limit))
    except OSError as error:
        with contextlib.suppress(OSError):
            made.rmdir()
        pytest.skip(f"no memory group can be made here: {error}")
    try:
        with contextlib.suppress(OSError):
            (made / "memory.swappiness").write_text("0")
        yield made
    finally:
        for process in (made / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                move_into(_GROUPS, int(process))
        _remove(made)


def _remove(group: Path) -> None:
    """Remove a group; the system may still be busy with what was killed in it."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.05)
    group.rmdir()


def move_into(group: Path, process: int) -> None:
    """Put a process into a group; what it held before does not count there."""
    (group / "cgroup.procs").write_text(str(process))


def fill_up_to_share_in_group(group: str, until: float, progress: Progress) -> dict[str, Any]:
    """Fill memory in a group; called in a process of its own."""
    move_into(Path(group), os.getpid())
    return fill_here(until, 0.3, progress)


def fill_all_in_group(group: str, progress: Progress) -> None:
    """Fill all memory of a group; called in a process of its own, which does not survive it."""
    move_into(Path(group), os.getpid())
    fill_this_process(progress)


def fill_under_limit(more: int, progress: Progress) -> str:
    """Fill so many bytes of address space; called in a process of its own."""
    import resource

    import psutil

    limit = psutil.Process().memory_info().vms + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    fill_this_process(progress)
    return "returned"
