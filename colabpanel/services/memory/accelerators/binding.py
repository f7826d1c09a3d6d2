"""NVIDIA's own binding, loaded only where a driver has put its library."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

__all__ = ["binding", "reason_of", "text_of"]

_LIBRARY = "libnvidia-ml.so.1"
_REASONS = {
    4: "the driver does not permit it",
    9: "the driver is not loaded",
    10: "the driver took too long",
    15: "it is lost, as one that has fallen off its bus",
    16: "it has to be reset",
    18: "the driver and its library have different versions, as after an upgrade without a restart",
}
"""By NVML's own numbers."""


def binding() -> Any:
    """Return the module ``pynvml``, or None where no driver is installed, and so no GPU.

    Its 8,000 lines are not loaded in vain.

    Raises:
        OSError: The driver's library is there and cannot be loaded.
        ImportError: The driver's library is there, and nvidia-ml-py is not.
    """
    if sys.platform == "darwin":  # NVIDIA has no driver for it
        return None
    if sys.platform == "linux":
        import ctypes

        try:
            ctypes.CDLL(_LIBRARY)
        except OSError as error:
            if _LIBRARY in str(error) and os.strerror(errno.ENOENT) in str(error):  # in the language of the user
                return None
            raise
    import pynvml

    return pynvml


def text_of(told: str | bytes) -> str:
    """Return what the driver says in words; bindings before 11.5 hand it over as bytes."""
    return told.decode(errors="replace") if isinstance(told, bytes) else told


def reason_of(error: Exception) -> str:
    """Return why the driver could not be asked, as the end of a sentence."""
    number = getattr(error, "value", None)
    if isinstance(number, int):
        return _REASONS.get(number, f"the driver says: {error}")
    if isinstance(error, ImportError):
        return "nvidia-ml-py is not installed"
    if isinstance(error, OSError):
        return f"the driver's library cannot be loaded ({error})"
    return f"{error!r:.200}"
