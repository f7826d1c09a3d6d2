"""What every source offers: bytes by position, patient with errors that pass."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["AT_ONCE", "Source"]

AT_ONCE = 8
"""Ranges of a far source that are asked for at once."""


class Source(Protocol):
    """A file, wherever it is.

    Attributes:
        name: Its name, without where it is.
        shown: Where it is, as errors say it; without what may be secret in an address.
        size: Its bytes.
        modified: When it was changed, in seconds since the epoch, or None where that is not told.
        identity: What tells its content from another's, as JSON values; the same from wherever it is read.
        reference: What `colabpanel.services.sources.spec.open_source` opens it by in another process. It
            may hold secrets.
        is_far: Whether every read takes the time of a way through the network.
    """

    name: str
    shown: str
    size: int
    modified: float | None
    identity: list[Any]
    is_far: bool

    @property
    def reference(self) -> Any: ...
    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` up to ``end``; fewer only at the end of the file.

        Raises:
            SourceLostError: They cannot be read, however often it is tried, or the file is another one now.
        """
        ...

    def read_into(self, view: memoryview, start: int) -> int:
        """Fill a buffer with the bytes from ``start`` on; returns how many there were before the end.

        Raises:
            SourceLostError: As for `read`.
        """
        ...

    def again(self, *, tries: int | None = None) -> Source:
        """Return the same file with a handle or a connection of its own, for another thread."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
