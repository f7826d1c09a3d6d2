"""What was left out of a work on many files."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Skipped"]


class Skipped(NamedTuple):
    """A member of an archive, or a file, that was left out: its full name, and why."""

    member: str
    reason: str
