"""What an extraction may use, and what it leaves out: counted while it goes on."""

from __future__ import annotations

from colabpanel.errors import LimitError
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.request import Limits
from colabpanel.words import count
from colabpanel.words import size as say_size

__all__ = ["Budget", "SkipList"]

_MOST_SKIPPED = 100_000


class Budget:
    """Refuses an archive that unpacks to more than its limits allow."""

    def __init__(self, limits: Limits, archive_size: int) -> None:
        self._limits, self._archive_size, self._total = limits, archive_size, 0

    def spend(self, size: int) -> None:
        """Count a member's size, before it is written.

        Raises:
            LimitError: It is too much.
        """
        self._total += size
        limits = self._limits
        if limits.total_bytes is not None and self._total > limits.total_bytes:
            raise LimitError(
                f"The archive unpacks to more than {say_size(limits.total_bytes)}.",
                hint="Pass limits=Limits(total_bytes=...) with a higher figure if that is what you expect.",
            )
        if limits.ratio is None or self._total < limits.ratio_from:
            return
        if self._total > limits.ratio * self._archive_size:
            raise LimitError(
                f"The archive is refused as a bomb: it unpacks to more than {limits.ratio:g} times its size.",
                hint="If you trust where it comes from, call colabpanel.stage with limits=Limits(ratio=None).",
            )


class SkipList:
    """The members left out, each with its reason; beyond a number they are only counted."""

    def __init__(self) -> None:
        self._skipped: list[Skipped] = []
        self._count = 0

    def add(self, name: str, reason: str) -> None:
        """Note a member, by its full name."""
        self._count += 1
        if self._count <= _MOST_SKIPPED:
            self._skipped.append(Skipped(name, reason))

    def all(self) -> tuple[Skipped, ...]:
        """Return the list."""
        more = self._count - _MOST_SKIPPED
        rest = [Skipped("(archive)", f"{count(more)} more were skipped")] if more > 0 else []
        return (*self._skipped, *rest)
