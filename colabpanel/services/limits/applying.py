"""The limit that memory will run into first: the machine's, a container's, or that of this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from colabpanel.services.limits.amounts import Amount
from colabpanel.services.limits.cgroups import memory_limits, swap_limits

__all__ = ["PROC", "Limit", "LimitKind", "applying_limit", "swap_amount"]

PROC = Path("/proc")
"""Where Linux tells of processes."""

LimitKind = Literal["machine", "container", "process"]


@dataclass(frozen=True)
class Limit:
    """A limit of memory.

    Attributes:
        amount: What is used of what there is, or None where that cannot be read.
        kind: What sets it: ``machine``, ``container`` (a cgroup), or ``process`` (an address-space limit, of which
            every mapping uses up its whole size).
    """

    amount: Amount | None
    kind: LimitKind


def applying_limit(*, proc: Path = PROC) -> Limit:
    """Return the limit that has the least left; takes about a tenth of a millisecond.

    Args:
        proc: Where the proc file system is mounted.
    """
    machine = _machine()
    limits = [Limit(machine, "machine")] if machine else []
    for group in memory_limits(proc):
        if machine is not None and group.limit >= machine.total:
            continue
        if group.used is None:
            return Limit(None, "container")  # how much of it is left is not known, and nothing else stands for it
        limits.append(Limit(Amount(group.used, group.limit), "container"))
    process = _process()
    if process is not None:
        limits.append(Limit(process, "process"))
    return min(limits, key=lambda limit: limit.amount.left if limit.amount else 0, default=Limit(None, "machine"))


def swap_amount(*, proc: Path = PROC) -> Amount | None:
    """Return the swap that this process may use: ``Amount(0, 0)`` where there is none, None where it cannot be read.

    Args:
        proc: Where the proc file system is mounted.
    """
    machine = _swap_of_machine(proc)
    if machine is not None and not machine.total:
        return machine
    groups = [group for group in swap_limits(proc) if machine is None or group.limit < machine.total]
    if any(group.used is None and group.limit for group in groups):
        return None
    amounts = [Amount(group.used or 0, group.limit) for group in groups]
    return min([*amounts, *([machine] if machine else [])], key=lambda amount: amount.left, default=None)


def _machine() -> Amount | None:
    try:
        memory = psutil.virtual_memory()
    except (OSError, RuntimeError):
        return None
    return Amount(memory.total - memory.available, memory.total)


def _process() -> Amount | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or not psutil.LINUX:  # elsewhere it is not kept to
        return None
    try:
        return Amount(psutil.Process().memory_info().vms, limit)
    except (psutil.Error, OSError):
        return None


def _swap_of_machine(proc: Path) -> Amount | None:
    if not psutil.LINUX:
        try:
            swap = psutil.swap_memory()
        except (OSError, RuntimeError):
            return None
        return Amount(swap.used, swap.total)
    try:  # psutil warns where it cannot read how much was swapped in and out, which is not asked here
        rows = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines() if ":" in line)
        total, free = (int(rows[name].split()[0]) * 1024 for name in ("SwapTotal", "SwapFree"))
    except (OSError, KeyError, ValueError, IndexError):
        return None
    return Amount(total - free, total)
