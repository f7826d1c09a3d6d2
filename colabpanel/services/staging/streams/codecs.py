"""Decompressing streams: bounded in memory, and an error where they are cut short or wrong."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, cast

from colabpanel.services.fast import fast_zlib
from colabpanel.services.optional import optional
from colabpanel.services.staging.streams.forward import DamagedStreamError
from colabpanel.services.staging.streams.gzip_member import GzipMember

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["DAMAGED", "MAGIC", "opened", "zstd_decoder"]

_CHUNK = 1 << 20
_XZ_MEMORY = 256 << 20
_ZSTD_WINDOW_LOG = 27

MAGIC = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst"}
"""How a compressed file begins."""

DAMAGED: tuple[type[Exception], ...] = (
    DamagedStreamError,
    zlib.error,
    fast_zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RecursionError,
)
"""What reading a damaged stream raises."""


class _Frames(io.RawIOBase):
    """Decompresses one frame after another, with a bound on memory; zeros may lie between them.

    Args:
        raw: The compressed stream.
        decompressor: Makes what decompresses one frame.
        begins: How each frame begins; what follows one and begins otherwise is passed over, as its own tools do.
    """

    def __init__(self, raw: IO[bytes], decompressor: Callable[[], Any], begins: bytes = b"") -> None:
        self._raw, self._make, self._begins = raw, decompressor, begins
        self._decoder: Any = None
        self._pending, self._is_first = b"", True

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer with decompressed bytes."""
        view = memoryview(buffer)
        while True:
            if self._decoder is None and not self._begin_frame():
                return 0
            data = self._decode(len(view))
            if data:
                view[: len(data)] = data
                return len(data)

    def _begin_frame(self) -> bool:
        while not self._pending:
            chunk = self._raw.read(_CHUNK)
            if not chunk:
                return False
            self._pending = chunk.lstrip(b"\0")
        while len(self._pending) < len(self._begins) and (chunk := self._raw.read(_CHUNK)):
            self._pending += chunk
        if not self._is_first and not self._pending.startswith(self._begins):
            return False
        self._decoder, self._is_first = self._make(), False
        return True

    def _decode(self, most: int) -> bytes:
        decoder = self._decoder
        if decoder.needs_input and not self._pending:
            self._pending = self._raw.read(_CHUNK)
            if not self._pending:
                raise EOFError
        data: bytes = decoder.decompress(self._pending, most)
        self._pending = b""
        if decoder.eof:
            self._pending, self._decoder = decoder.unused_data.lstrip(b"\0"), None
        return data


class _ZstdErrors:
    """Gives the errors of a zstd decoder a type that needs no import of it."""

    def __init__(self) -> None:
        self._zstd = optional("backports.zstd", "a file compressed with Zstandard")
        limit = {self._zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._inner = self._zstd.ZstdDecompressor(options=limit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        try:
            found: bytes = self._inner.decompress(data, max_length)
        except self._zstd.ZstdError as error:
            raise DamagedStreamError(str(error)) from error
        return found


def zstd_decoder() -> Any:
    """Return a decoder of one zstd frame, with the interface of `lzma.LZMADecompressor`.

    Raises:
        MissingLibraryError: The library is not installed.
    """
    return _ZstdErrors()


def _framed(raw: IO[bytes], decompressor: Callable[[], Any], *, begins: bytes = b"") -> IO[bytes]:
    return cast("IO[bytes]", io.BufferedReader(_Frames(raw, decompressor, begins), _CHUNK))


_OPENERS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    "": lambda raw: raw,
    "gz": lambda raw: _framed(raw, GzipMember),
    "bz2": lambda raw: _framed(raw, bz2.BZ2Decompressor, begins=b"BZh"),
    "xz": lambda raw: _framed(raw, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)),
    "zst": lambda raw: _framed(raw, zstd_decoder),
}
"""Makes the decompressed stream of a compressed one, by the compression's short name."""


def opened(raw: IO[bytes], compression: str) -> IO[bytes]:
    """Return the decompressed stream of a compressed one."""
    return _OPENERS[compression](raw)
