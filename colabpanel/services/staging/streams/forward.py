"""A stream that is read once from front to back, with a bound on each read."""

from __future__ import annotations

from typing import IO

__all__ = ["DamagedStreamError", "ForwardFile"]

_CHUNK = 1 << 20


class DamagedStreamError(Exception):
    """The stream cannot be what it claims to be."""


class ForwardFile:
    """Makes a stream look seekable to ``tarfile``, which then only ever skips ahead.

    Args:
        stream: The bytes, decompressed.
        largest_read: The most that one read may ask for. ``tarfile`` reads a header in
            one go, however large the archive says it is.
    """

    def __init__(self, stream: IO[bytes], *, largest_read: int) -> None:
        self._stream, self._largest, self._position = stream, largest_read, 0

    def read(self, amount: int) -> bytes:
        """Return exactly ``amount`` bytes, or fewer at the end."""
        if amount > self._largest:
            raise DamagedStreamError(f"a header of {amount} bytes")
        pieces, missing = [], amount
        while missing > 0 and (piece := self._stream.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        self._position += amount - missing
        return b"".join(pieces)

    def tell(self) -> int:
        """Return the position in the decompressed stream."""
        return self._position

    def seek(self, position: int) -> int:
        """Skip ahead; going back is an error."""
        if position < self._position:
            raise DamagedStreamError("the archive points backwards")
        while self._position < position and self.read(min(_CHUNK, position - self._position)):
            pass
        return self._position

    def close(self) -> None:
        """Let go of the decompressor."""
        self._stream.close()
