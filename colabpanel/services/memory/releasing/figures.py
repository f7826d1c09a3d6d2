"""The figures of matplotlib that pyplot keeps until they are closed."""

from __future__ import annotations

import sys

from colabpanel.services.memory.variables import open_figures

__all__ = ["close_figures"]


def close_figures() -> int:
    """Close them all, and return how many there were."""
    count = len(open_figures())
    if count:
        sys.modules["matplotlib.pyplot"].close("all")
    return count
