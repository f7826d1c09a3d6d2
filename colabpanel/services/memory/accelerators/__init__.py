"""GPUs and TPUs: what the driver says of them, and what the frameworks' own allocators say."""

from __future__ import annotations

from colabpanel.services.memory.accelerators.allocators import Allocator, allocators
from colabpanel.services.memory.accelerators.gpu import Gpu, GpuProcess
from colabpanel.services.memory.accelerators.gpus import Gpus, gpus

__all__ = ["Allocator", "Gpu", "GpuProcess", "Gpus", "allocators", "gpus"]
