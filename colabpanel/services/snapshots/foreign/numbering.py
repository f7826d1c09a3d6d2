"""What the parts of a file are called that have no names in it."""

from __future__ import annotations

__all__ = ["numbered"]


def numbered(stem: str, number: int) -> str:
    """Return the name of one of them: the file's own for the first, which is mostly the only one."""
    return stem if number == 1 else f"{stem}_{number}"
