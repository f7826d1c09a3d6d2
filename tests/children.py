"""The child processes of the tests."""

from __future__ import annotations

import psutil

__all__ = ["children_now"]

_STAYING = ("resource_tracker", "keeper.py")


def children_now() -> list[psutil.Process]:
    """Return our children, but for those that stay once a test has used them: of multiprocessing, and rclone's."""
    children = psutil.Process().children()
    return [child for child in children if not any(name in " ".join(child.cmdline()) for name in _STAYING)]
