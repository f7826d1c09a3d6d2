"""One member of a gzip file: its header, its stream, and the checksum and length behind it.

The libraries' own decoders raise for a wrong checksum without handing out the bytes
before it; what can be saved of a damaged archive would be lost with them.
"""

from __future__ import annotations

import struct
import zlib

from colabpanel.services.fast import fast_zlib
from colabpanel.services.staging.streams.forward import DamagedStreamError

__all__ = ["GzipMember"]

_MAGIC = b"\x1f\x8b\x08"
_FIXED, _TRAILER = 10, 8
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16
_LONGEST_HEADER = 1 << 20


class GzipMember:
    """Decodes one member, with the interface of `lzma.LZMADecompressor`.

    Attributes:
        eof: Whether the member has ended, and proved right.
        unused_data: What follows it.
    """

    def __init__(self) -> None:
        self.eof, self.unused_data = False, b""
        self._head: bytes | None = b""
        self._tail = b""
        self._body = fast_zlib.decompressobj(-zlib.MAX_WBITS)
        self._was_full = False  # then the decoder may hold more, with all its input used up
        self._checksum = self._size = 0

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before something goes in."""
        if self._body.eof:
            return len(self._tail) < _TRAILER
        return not (self._body.unconsumed_tail or self._was_full)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return at most so many of the next bytes.

        Raises:
            DamagedStreamError: It is no gzip, or its checksum or length is wrong.
            zlib.error: Its stream is damaged.
        """
        if self._head is not None:
            data = self._begin(self._head + data)
        if self._body.eof:
            self._finish(data)
            return b""
        found: bytes = self._body.decompress(self._body.unconsumed_tail + data, max_length)
        self._checksum = fast_zlib.crc32(found, self._checksum)
        self._size += len(found)
        self._was_full = len(found) == max_length
        if self._body.eof:
            self._tail = self._body.unused_data
            if not found:
                self._finish(b"")
        return found

    def _begin(self, data: bytes) -> bytes:
        """Return what follows the header; nothing as long as the header is not complete."""
        end = _header_end(data)
        self._head = data if end is None else None
        return b"" if end is None else data[end:]

    def _finish(self, data: bytes) -> None:
        self._tail += data
        if len(self._tail) < _TRAILER:
            return
        if struct.unpack_from("<II", self._tail) != (self._checksum, self._size & 0xFFFFFFFF):
            raise DamagedStreamError("CRC check failed")
        self.eof, self.unused_data = True, self._tail[_TRAILER:]


def _header_end(data: bytes) -> int | None:
    """Return where a header ends, or None when more of it is needed."""
    if not _MAGIC.startswith(data[: len(_MAGIC)]) or len(data) > _LONGEST_HEADER:
        raise DamagedStreamError("not a gzip header")
    if len(data) < _FIXED:
        return None
    flags, end = data[3], _FIXED
    if flags & _EXTRA:
        end += 2 + int.from_bytes(data[end : end + 2], "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            found = data.find(b"\0", end)
            if found < 0:
                return None
            end = found + 1
    end += 2 if flags & _HEADER_CRC else 0
    return end if end <= len(data) else None
