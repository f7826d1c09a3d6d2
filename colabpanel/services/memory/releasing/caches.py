"""What libraries keep for later; none is loaded, and no device is started, to look for it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from colabpanel import words

__all__ = ["CACHES", "forget_keras_session", "gpu_reserved"]


def gpu_reserved() -> int | None:
    """Return the bytes of GPU memory that PyTorch holds, used or not; None where it has not started any."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda") or not torch.cuda.is_initialized():
        return None
    return sum(int(torch.cuda.memory_reserved(number)) for number in range(torch.cuda.device_count()))


def _pytorch() -> str:
    before = gpu_reserved()
    if before is None:
        return ""
    sys.modules["torch"].cuda.empty_cache()
    freed = before - (gpu_reserved() or 0)
    return f"PyTorch gave back {words.size(max(freed, 0))} of GPU memory that it kept for later."


def _apple() -> str:
    torch = sys.modules.get("torch")
    if torch is None or not torch.backends.mps.is_available() or not torch.mps.driver_allocated_memory():
        return ""
    before = torch.mps.driver_allocated_memory()
    torch.mps.empty_cache()
    freed = before - torch.mps.driver_allocated_memory()
    return f"PyTorch gave back {words.size(max(freed, 0))} of the Mac's GPU memory that it kept for later."


def _jax() -> str:
    bridge = sys.modules.get("jax._src.xla_bridge")
    if not getattr(bridge, "_backends", None):  # nothing has run
        return ""
    sys.modules["jax"].clear_caches()
    return "JAX dropped the functions it had compiled; it compiles them again when they are called."


def _arrow() -> str:
    arrow = sys.modules.get("pyarrow")
    if arrow is None or not hasattr(arrow, "default_memory_pool"):
        return ""
    arrow.default_memory_pool().release_unused()
    return "Arrow gave back the memory that it kept for later."


CACHES: dict[str, Callable[[], str]] = {"torch": _pytorch, "mps": _apple, "jax": _jax, "pyarrow": _arrow}
"""What empties the cache of a library and says so; an empty text where there is nothing to do."""


def forget_keras_session() -> str:
    """Drop the state that Keras keeps of all models ever made; models that are still in use break."""
    keras = sys.modules.get("keras")
    if keras is None:
        return "Keras is not in use."
    clear = getattr(keras.utils, "clear_session", None) or keras.backend.clear_session
    clear()
    return "Keras dropped the state of all models that were made; those that are still there may not work any more."
