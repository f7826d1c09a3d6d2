"""The child processes of the tests."""

from __future__ import annotations

import psutil

__all__ = ["children_now"]


def children_now() -> list[psutil.Process]:
    """Return our children, but for the one that multiprocessing keeps once a test has used it."""
    children = psutil.Process().children()
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]
