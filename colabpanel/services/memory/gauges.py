"""The gauges: the limits that really apply to this process, and what is used of them."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Amount", "Usage", "usage"]

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Amount:
    """A part of a whole, in bytes.

    Attributes:
        used: Bytes in use.
        total: Bytes there are.
    """

    used: int
    total: int

    @property
    def fraction(self) -> float:
        """The used share from 0 to 1."""
        return self.used / self.total if self.total else 0.0


@dataclass(frozen=True)
class Usage:
    """What this process has and uses; None stands for what cannot be read.

    Attributes:
        ram: Memory of the container, or of the machine where no container limits it.
        disk: The disk of the workspace.
        uptime: Seconds since this kernel started.
    """

    ram: Amount | None
    disk: Amount | None
    uptime: float


def usage(workspace: Path | str = ".", *, cgroup: Path = _CGROUP) -> Usage:
    """Read the gauges; takes well under a millisecond.

    Args:
        workspace: A path on the disk to report.
        cgroup: Where the container's limits are mounted.
    """
    return Usage(ram=_ram(cgroup), disk=_disk(Path(workspace)), uptime=time.time() - psutil.Process().create_time())


def _ram(cgroup: Path) -> Amount | None:
    try:
        machine = psutil.virtual_memory()
    except (OSError, RuntimeError):
        return None
    limit, used = _container(cgroup)
    if limit is None or used is None or limit >= machine.total:
        return Amount(machine.total - machine.available, machine.total)
    return Amount(used, limit)


def _container(cgroup: Path) -> tuple[int | None, int | None]:
    """Return the container's limit and use, page cache that can be dropped left out."""
    limit = _number(cgroup / "memory.max")
    if limit is not None:
        return limit, _less_cache(_number(cgroup / "memory.current"), cgroup / "memory.stat", "inactive_file")
    first = cgroup / "memory"
    used = _number(first / "memory.usage_in_bytes")
    return _number(first / "memory.limit_in_bytes"), _less_cache(used, first / "memory.stat", "total_inactive_file")


def _less_cache(used: int | None, statistics: Path, key: str) -> int | None:
    if used is None:
        return None
    try:
        rows = dict(line.split() for line in statistics.read_text().splitlines())
    except (OSError, ValueError):
        return used
    return max(used - int(rows.get(key, 0)), 0)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _disk(workspace: Path) -> Amount | None:
    try:
        disk = shutil.disk_usage(workspace)
    except OSError:
        return None
    return Amount(disk.used, disk.used + disk.free)
