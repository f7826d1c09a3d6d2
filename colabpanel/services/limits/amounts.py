"""A part of a whole, in bytes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Amount"]


@dataclass(frozen=True)
class Amount:
    """A part of a whole, in bytes.

    Attributes:
        used: Bytes in use.
        total: Bytes there are.
    """

    used: int
    total: int

    @property
    def fraction(self) -> float:
        """The used share from 0 to 1."""
        return self.used / self.total if self.total else 0.0

    @property
    def left(self) -> int:
        """Bytes that are not used; never below 0."""
        return max(self.total - self.used, 0)
