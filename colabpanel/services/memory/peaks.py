"""The most memory this process held during a time: by the system's own mark, else by looking often."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from typing import Any, Protocol

import psutil

from colabpanel.services.limits.applying import PROC

__all__ = ["HighWaterMark", "PeakMeter", "SampledPeak", "gpu_peak", "peak_meter", "reset_gpu_peak", "resident"]

_MARK = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_RESET = "5"
_EVERY = 0.05


class PeakMeter(Protocol):
    """Tells the most memory that was held since it was reset.

    Attributes:
        exact: Whether no peak is missed, however short.
    """

    exact: bool

    def reset(self) -> None:
        """Begin anew."""
        ...

    def read(self) -> int:
        """Return the peak in bytes."""
        ...

    def pause(self) -> None:
        """Nothing is measured until it is reset again."""
        ...


class HighWaterMark:
    """The mark that Linux keeps of each process, and that it may reset.

    Args:
        proc: Where the proc file system is mounted.

    Raises:
        OSError: There is no such mark here, or it may not be reset.
    """

    exact = True

    def __init__(self, proc: Path = PROC) -> None:
        self._reset, self._status = proc / "self/clear_refs", proc / "self/status"
        self.reset()
        self.read()

    def reset(self) -> None:
        """Begin anew; takes a few microseconds."""
        self._reset.write_text(_RESET)

    def read(self) -> int:
        """Return the peak in bytes."""
        found = _MARK.search(self._status.read_bytes())
        if found is None:
            raise OSError("no high-water mark")
        return int(found[1]) * 1024

    def pause(self) -> None:
        """Do nothing: the mark costs nothing."""


class SampledPeak:
    """The most that a thread of ours saw, looking 20 times a second; a shorter peak is missed."""

    exact = False

    def __init__(self) -> None:
        self._peak, self._measuring = 0, False
        self._wake, self._lock = threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None

    def reset(self) -> None:
        """Begin anew."""
        with self._lock:
            self._peak, self._measuring = resident(), True
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="colabpanel-peak", daemon=True)
                self._thread.start()
        self._wake.set()

    def read(self) -> int:
        """Return the peak in bytes."""
        with self._lock:
            self._peak = max(self._peak, resident())
            return self._peak

    def pause(self) -> None:
        """Look no more until it is reset again."""
        with self._lock:
            self._measuring = False
        self._wake.set()

    def _look(self) -> None:
        while True:
            self._wake.wait(_EVERY)
            self._wake.clear()
            with self._lock:
                if not self._measuring:
                    self._thread = None
                    return
                self._peak = max(self._peak, resident())


def peak_meter() -> PeakMeter:
    """Return the best meter there is on this system."""
    try:
        return HighWaterMark()
    except OSError:
        return SampledPeak()


def resident() -> int:
    """Return the bytes of memory this process holds now."""
    return int(psutil.Process().memory_info().rss)


def reset_gpu_peak() -> None:
    """Let PyTorch begin its count of the peak anew, on each GPU that it has opened; opens none."""
    cuda = _cuda()
    if cuda is not None:
        for device in range(cuda.device_count()):
            cuda.reset_peak_memory_stats(device)


def gpu_peak() -> int | None:
    """Return the bytes of all GPUs that PyTorch held at most since then, or None where it has opened none."""
    cuda = _cuda()
    if cuda is None:
        return None
    return sum(int(cuda.max_memory_allocated(device)) for device in range(cuda.device_count()))


def _cuda() -> Any:
    """Return ``torch.cuda`` if the user has loaded PyTorch and it has opened a GPU."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    return cuda if cuda is not None and cuda.is_initialized() else None
