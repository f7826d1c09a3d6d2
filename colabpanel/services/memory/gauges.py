"""The gauges: the limits that really apply to this process, and what is used of them."""

from __future__ import annotations

import functools
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from colabpanel.services.limits.amounts import Amount
from colabpanel.services.limits.applying import PROC, LimitKind, applying_limit, swap_amount
from colabpanel.services.memory.accelerators import Allocator, Gpu, allocators, gpus
from colabpanel.services.memory.latest import Latest
from colabpanel.services.memory.processes import KernelMemory, KernelSampler

__all__ = ["DRIVE_CACHE", "Usage", "usage"]

DRIVE_CACHE = Path("/root/.config/Google/DriveFS")
"""Where Colab's Drive keeps what it has read and what it has not uploaded yet: on a local disk."""

_DISK_EVERY = 2.9
_KERNEL = KernelSampler()


@dataclass(frozen=True)
class Usage:
    """What this process has and uses; None stands for what cannot be read.

    Attributes:
        ram: Memory, by the limit that has the least left.
        disk: The disk of the workspace.
        uptime: Seconds since this kernel started.
        limit: What sets that limit: ``machine``, ``container`` or ``process``.
        swap: Swap of the container or the machine; ``Amount(0, 0)`` where there is none.
        kernel: What this kernel and the processes below it hold of the memory.
        drive_cache: The disk that Colab's Drive keeps its files on; None also where there is no such folder.
        gpus: NVIDIA GPUs; empty where there is none.
        gpu_trouble: Why a GPU is not known, as a sentence, or nothing.
        gpu_age: Seconds since the driver told of the GPUs.
        allocators: What the frameworks hold of devices that they have opened.
    """

    ram: Amount | None
    disk: Amount | None
    uptime: float
    limit: LimitKind = "machine"
    swap: Amount | None = None
    kernel: KernelMemory | None = None
    drive_cache: Amount | None = None
    gpus: tuple[Gpu, ...] | None = None
    gpu_trouble: str = ""
    gpu_age: float = 0.0
    allocators: tuple[Allocator, ...] = ()


def usage(
    workspace: Path | str = ".", *, proc: Path = PROC, drive_cache: Path = DRIVE_CACHE, patience: float = 0.2
) -> Usage:
    """Read the gauges; takes about a millisecond, and less than half a second where a disk or a driver hangs.

    Figures that are costly are read on threads of their own and as often as they cost little, and told with their age.

    Args:
        workspace: A path on the disk to report.
        proc: Where the proc file system is mounted.
        drive_cache: Where Drive keeps its files.
        patience: Seconds to wait for the disk, and for the driver of the GPUs; what comes later is told next time.
    """
    limit, cards = applying_limit(proc=proc), gpus(patience=patience)
    return Usage(
        ram=limit.amount,
        disk=_disk(str(workspace), patience),
        uptime=time.time() - _started(os.getpid()),
        limit=limit.kind,
        swap=swap_amount(proc=proc),
        kernel=_KERNEL.read(),
        drive_cache=_disk(str(drive_cache), patience),
        gpus=cards.gpus,
        gpu_trouble=cards.trouble,
        gpu_age=cards.age,
        allocators=allocators(),
    )


def _disk(path: str, patience: float) -> Amount | None:
    """Return what a disk has, or None where it does not tell, or does not answer, as a Drive that hangs."""
    look = _disk_reader(os.path.abspath(path)).look(patience)  # noqa: PTH100 - resolve() asks the disk
    return None if look.silent else look.value


@functools.lru_cache(maxsize=8)
def _disk_reader(path: str) -> Latest[Amount | None]:
    def read() -> Amount | None:
        try:
            disk = shutil.disk_usage(path)
        except OSError:
            return None
        return Amount(disk.used, disk.used + disk.free)

    return Latest(read, name="colabpanel-disk", keep=lambda _: _DISK_EVERY)


@functools.lru_cache(maxsize=1)
def _started(pid: int) -> float:
    return psutil.Process(pid).create_time()
