"""Streams that are read once from front to back, with bounds on memory."""

from __future__ import annotations

import io
import lzma
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["DamagedStreamError", "ForwardFile", "XzFile"]

_CHUNK = 1 << 20
_XZ_MEMORY = 256 << 20


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


class XzFile(io.RawIOBase):
    """Decompresses xz with a bound on the memory that its header may ask for."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._decoder: lzma.LZMADecompressor | None = None
        self._pending = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer with decompressed bytes."""
        view = memoryview(buffer)
        while True:
            if self._decoder is None and not self._begin_stream():
                return 0
            data = self._decode(len(view))
            if data:
                view[: len(data)] = data
                return len(data)

    def _begin_stream(self) -> bool:
        """Start the next of the concatenated streams; zeros may lie between them."""
        while not self._pending:
            chunk = self._raw.read(_CHUNK)
            if not chunk:
                return False
            self._pending = chunk.lstrip(b"\0")
        self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
        return True

    def _decode(self, most: int) -> bytes:
        decoder = self._decoder
        assert decoder is not None
        if decoder.needs_input and not self._pending:
            self._pending = self._raw.read(_CHUNK)
            if not self._pending:
                raise EOFError
        data = decoder.decompress(self._pending, most)
        self._pending = b""
        if decoder.eof:
            self._pending, self._decoder = decoder.unused_data.lstrip(b"\0"), None
        return data
