"""A session with NVIDIA's driver, through its management library (NVML)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from colabpanel.services.memory.accelerators.binding import binding, reason_of, text_of
from colabpanel.services.memory.accelerators.device import figures, identity
from colabpanel.services.memory.accelerators.gpu import Gpu

__all__ = ["Nvml", "Reading"]


class Reading(NamedTuple):
    """What the driver told.

    Attributes:
        gpus: The GPUs; empty where there is none, None where it is not known.
        trouble: Why something is not known, as a sentence, or nothing.
    """

    gpus: tuple[Gpu, ...] | None
    trouble: str


class _Device(NamedTuple):
    handle: Any
    known: Gpu


class Nvml:
    """A session with the driver: opened at the first reading, and anew when something was wrong.

    Args:
        reopen_every: Seconds between two openings at least; each may take the driver a second.
        clock: Tells the time in seconds.
    """

    def __init__(self, *, reopen_every: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._reopen_every, self._clock = reopen_every, clock
        self._nvml: Any = None
        self._is_open = False
        self._opened_at: float | None = None
        self._devices: list[_Device] = []
        self._missing: dict[int, str] = {}
        self._seen: dict[int, Gpu] = {}
        self._last = Reading(None, "")

    def read(self) -> Reading:
        """Return what the driver tells now; raises nothing."""
        try:
            self._last = self._read()
        except Exception as error:  # noqa: BLE001 - whatever a broken driver or a binding of another version does
            self._close()
            self._last = Reading(None, f"The GPUs cannot be read: {reason_of(error)}.")
        return self._last

    def _read(self) -> Reading:
        now = self._clock()
        may_open = self._opened_at is None or now - self._opened_at >= self._reopen_every
        if may_open and (not self._is_open or self._last.trouble):
            self._opened_at = now
            self._close()
            if not self._open():
                return Reading((), "")
        return self._reading() if self._is_open else self._last

    def _open(self) -> bool:
        """Begin a session and find the GPUs; return whether there is a driver at all."""
        self._nvml = nvml = binding()
        if nvml is None:
            return False
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
                return False
            raise
        self._is_open = True
        version = None
        with contextlib.suppress(nvml.NVMLError):
            version = text_of(nvml.nvmlSystemGetDriverVersion())
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                parts = _slices(nvml, handle) or [handle]
                devices = [_Device(part, Gpu(index, *identity(nvml, part, index), driver=version)) for part in parts]
                self._devices += devices  # all parts, or the GPU is missing
                self._seen[index] = devices[-1].known
            except nvml.NVMLError as error:
                self._missing[index] = reason_of(error)
        return True

    def _reading(self) -> Reading:
        found = [self._seen.get(index, Gpu(index, f"GPU {index}")) for index in self._missing]
        troubles = dict(self._missing)
        for handle, known in self._devices:
            try:
                found.append(figures(self._nvml, handle, known))
            except self._nvml.NVMLError as error:
                found.append(known)
                troubles[known.index] = reason_of(error)
        told = [f"GPU {index} cannot be read: {reason}." for index, reason in sorted(troubles.items())]
        return Reading(tuple(sorted(found, key=lambda gpu: gpu.index)), " ".join(told))

    def _close(self) -> None:
        if self._is_open:
            with contextlib.suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
        self._is_open = False
        self._devices, self._missing = [], {}


def _slices(nvml: Any, handle: Any) -> list[Any]:
    """Return the slices of a GPU that is shared out; none where it is whole."""
    found = []
    with contextlib.suppress(nvml.NVMLError):  # most GPUs know nothing of it
        if nvml.nvmlDeviceGetMigMode(handle)[0]:
            for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
                with contextlib.suppress(nvml.NVMLError):  # this place is not taken
                    found.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number))
    return found
