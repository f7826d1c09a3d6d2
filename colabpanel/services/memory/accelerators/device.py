"""The figures of one GPU: each is asked for alone, for there are GPUs and rights that lack any of them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import psutil

from colabpanel.services.memory.accelerators.binding import text_of
from colabpanel.services.memory.accelerators.gpu import Gpu, GpuProcess

__all__ = ["figures", "identity"]

T = TypeVar("T")

_NOT_TOLD = (
    "NOT_SUPPORTED",
    "NO_PERMISSION",
    "FUNCTION_NOT_FOUND",
    "NO_DATA",
    "ARGUMENT_VERSION_MISMATCH",
    "NOT_FOUND",
)
"""Errors that concern one figure; any other concerns the GPU."""


def identity(nvml: Any, handle: Any, index: int) -> tuple[str, str | None]:
    """Return the name and the UUID of a GPU.

    Args:
        nvml: The binding, ``pynvml``.
        handle: The GPU's.
        index: Its number, for a name where it has none.

    Raises:
        pynvml.NVMLError: The GPU cannot be asked.
    """
    name = _told(nvml, lambda: text_of(nvml.nvmlDeviceGetName(handle)))
    return name or f"GPU {index}", _told(nvml, lambda: text_of(nvml.nvmlDeviceGetUUID(handle)))


def figures(nvml: Any, handle: Any, gpu: Gpu) -> Gpu:
    """Return a GPU with the figures that the driver tells; None stands for one that it does not tell.

    Args:
        nvml: The binding, ``pynvml``.
        handle: The GPU's.
        gpu: What is known of it.

    Raises:
        pynvml.NVMLError: The GPU cannot be asked.
    """
    used, total = _memory(nvml, handle)
    busy = _told(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    return replace(
        gpu,
        used=used,
        total=total,
        utilisation=None if busy is None else busy / 100,
        temperature=_temperature(nvml, handle),
        processes=_processes(nvml, handle),
    )


def _told(nvml: Any, ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except AttributeError:  # another version of the binding, which lacks the call
        return None
    except nvml.NVMLError as error:
        if error.value in {getattr(nvml, f"NVML_ERROR_{name}", None) for name in _NOT_TOLD}:
            return None
        raise


def _memory(nvml: Any, handle: Any) -> tuple[int | None, int | None]:
    """Return the bytes in use and all; the older call counts what the driver keeps for itself as used."""
    memory = _told(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2))
    if memory is None:
        memory = _told(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    return (None, None) if memory is None else (int(memory.used), int(memory.total))


def _temperature(nvml: Any, handle: Any) -> int | None:
    sensor = nvml.NVML_TEMPERATURE_GPU
    found = _told(nvml, lambda: int(nvml.nvmlDeviceGetTemperature(handle, sensor)))
    if found is None:  # its name once CUDA 14 drops the other
        found = _told(nvml, lambda: int(nvml.nvmlDeviceGetTemperatureV(handle, sensor)))
    return found


def _processes(nvml: Any, handle: Any) -> tuple[GpuProcess, ...] | None:
    """Return who holds memory, the largest first, or None where the driver does not tell."""
    computing, drawing = (_running(nvml, handle, kind) for kind in ("Compute", "Graphics"))
    if computing is None and not drawing:  # that nobody draws does not mean that nobody holds it
        return None
    held: dict[int, int | None] = {}
    for process in [*(computing or ()), *(drawing or ())]:
        before = held.get(process.pid)
        sizes = [size for size in (before, process.usedGpuMemory) if size is not None]
        held[process.pid] = max(sizes, default=None)
    largest_first = sorted(held.items(), key=lambda one: -(one[1] or 0))
    return tuple(GpuProcess(pid, _name(pid), used) for pid, used in largest_first)


def _running(nvml: Any, handle: Any, kind: str) -> list[Any] | None:
    for version in ("_v3", "_v2"):  # drivers before 510 know only the second
        ask = operator.methodcaller(f"nvmlDeviceGet{kind}RunningProcesses{version}", handle)
        found: list[Any] | None = _told(nvml, functools.partial(ask, nvml))
        if found is not None:
            return found
    return None


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except (psutil.Error, OSError):
        return ""
