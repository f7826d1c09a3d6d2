"""How much memory and disk there is, and how much of it is used."""

from __future__ import annotations

from colabpanel.services.limits.amounts import Amount
from colabpanel.services.limits.applying import Limit, applying_limit
from colabpanel.services.memory.accelerators import Allocator, Gpu, GpuProcess, Gpus, allocators, gpus
from colabpanel.services.memory.gauges import Usage, usage
from colabpanel.services.memory.processes import KernelMemory

__all__ = [
    "Allocator",
    "Amount",
    "Gpu",
    "GpuProcess",
    "Gpus",
    "KernelMemory",
    "Limit",
    "Usage",
    "allocators",
    "applying_limit",
    "gpus",
    "usage",
]
