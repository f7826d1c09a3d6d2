"""Where long work reports to, and hears that it is cancelled."""

from __future__ import annotations

__all__ = ["Progress"]


class Progress:
    """Where long work reports to. This one listens to nothing and never cancels."""

    def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
        """Begin a phase.

        Args:
            total: How many units the phase has, or None when that is unknown.
            description: What is being done, as a user would say it ("Unpacking").
            unit: ``bytes``, or a plural noun such as ``files``.
            cancellable: Whether `advance` may stop it; a phase that would leave something
                half changed says False, and is as short as can be.

        Raises:
            JobCancelledError: The work was cancelled.
        """

    def advance(self, amount: int = 1) -> None:
        """Count finished units; zero only looks whether the work was cancelled.

        Raises:
            JobCancelledError: The work was cancelled.
        """
