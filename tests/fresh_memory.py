"""Memory that was not this process's before; what an allocator hands out may have been, and then nothing grows."""

from __future__ import annotations

import mmap


def fresh_memory(size: int) -> mmap.mmap:
    """Return so many bytes, each page of them touched."""
    made = mmap.mmap(-1, size)
    for place in range(0, size, mmap.PAGESIZE):
        made[place] = 1
    return made
