"""The child processes of the tests."""

from __future__ import annotations

import psutil

__all__ = ["children_now", "command_of"]

_STAYING = ("resource_tracker", "keeper.py")


def children_now() -> list[psutil.Process]:
    """Return our children, but for those that stay once a test has used them: of multiprocessing, and rclone's."""
    children = psutil.Process().children()
    return [child for child in children if not any(name in command_of(child) for name in _STAYING)]


def command_of(process: psutil.Process) -> str:
    """Return the command line of a process; that of one that has just ended is empty."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
