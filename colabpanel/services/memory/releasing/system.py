"""Python's collector, and the allocator of the C library."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

__all__ = ["fallen", "resident", "trim"]


def resident() -> int | None:
    """Return the bytes of this process that are in memory; None where that cannot be read."""
    import psutil

    try:
        return int(psutil.Process().memory_info().rss)
    except (psutil.Error, OSError):
        return None


def fallen(before: int | None, after: int | None) -> int | None:
    """Return by how many bytes a figure fell, at least zero; None where one of the two is not known."""
    return None if before is None or after is None else max(before - after, 0)


def trim() -> bool:
    """Give free pages back to the system, with glibc; returns whether it can."""
    function = _malloc_trim()
    if function is None:
        return False
    function(0)
    return True


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return None
    return found
