"""Decoding one member of a zip archive, with bounds on memory and every length checked.

``zipfile`` decodes bzip2 and LZMA members without a bound, and cuts a stream silently
where the header says it ends; here nothing but the exact bytes counts as right.
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from colabpanel.services.fast import fast_zlib, libdeflate
from colabpanel.services.staging.archive import MemberError
from colabpanel.services.staging.streams.codecs import DAMAGED as STREAM_DAMAGED
from colabpanel.services.staging.streams.codecs import zstd_decoder
from colabpanel.services.staging.zips.entries import AES, ENCRYPTED, Entry, field_of

__all__ = [
    "DAMAGED",
    "DEFLATED",
    "STORED",
    "ZSTD",
    "checked",
    "fast_zlib",
    "inflated",
    "method_of",
    "refused_method",
    "unpacked",
    "wrong_length",
]

_CHUNK = 1 << 20
_LZMA_MEMORY = 256 << 20
_AES_FIELD = 0x9901
_STRONG = 0x40
STORED, DEFLATED, _BZIP2, _LZMA, ZSTD = 0, 8, 12, 14, 93
_METHODS = {STORED, DEFLATED, _BZIP2, _LZMA, ZSTD}
_PARTS_KEPT = 7
"""Eighths: members that kept more of their size, as photographs do, are quicker with libdeflate, others with ISA-L."""

_METHOD_NAMES = {1: "Shrink", 6: "Implode", 9: "Deflate64", 95: "xz", 97: "WavPack", 98: "PPMd"}

DAMAGED: tuple[type[Exception], ...] = (*STREAM_DAMAGED, struct.error)
"""What the decoders raise for bytes that are not theirs."""


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: Any, max_length: int, /) -> bytes: ...
    def pending(self) -> bool: ...


class _Deflate:
    def __init__(self) -> None:
        self._inner = fast_zlib.decompressobj(-zlib.MAX_WBITS)
        self._was_full = False  # then the decoder may hold more, with all its input used up

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    def decompress(self, data: Any, max_length: int, /) -> bytes:
        tail = self._inner.unconsumed_tail
        found: bytes = self._inner.decompress(tail + bytes(data) if tail else data, max_length)
        self._was_full = len(found) == max_length
        return found

    def pending(self) -> bool:
        return bool(self._inner.unconsumed_tail or self._was_full) and not self._inner.eof


class _Framed:
    """bzip2 and LZMA, whose decoders keep what they could not yet use."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    def decompress(self, data: Any, max_length: int, /) -> bytes:
        found: bytes = self._inner.decompress(data, max_length)
        return found

    def pending(self) -> bool:
        return not self._inner.needs_input and not self._inner.eof


class _ZipLzma(_Framed):
    """LZMA as zip stores it: four bytes and the properties stand before the stream, often without an end mark."""

    eof = True

    def __init__(self) -> None:
        self._head = b""
        self._ready = False

    def decompress(self, data: Any, max_length: int, /) -> bytes:
        if self._ready:
            return super().decompress(data, max_length)
        self._head += bytes(data)
        if len(self._head) < 4 or len(self._head) < (end := 4 + struct.unpack_from("<H", self._head, 2)[0]):  # noqa: PLR2004
            return b""
        properties = lzma._decode_filter_properties(lzma.FILTER_LZMA1, self._head[4:end])  # type: ignore[attr-defined]  # noqa: SLF001 - as zipfile does
        if properties["dict_size"] > _LZMA_MEMORY:
            raise MemberError("it asks for too much memory to be decoded")
        super().__init__(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[properties]))
        self._ready = True
        return super().decompress(self._head[end:], max_length)

    def pending(self) -> bool:
        return self._ready and super().pending()


def method_of(entry: Entry) -> int:
    """Return how an entry is compressed, looked up behind its encryption."""
    if entry.method != AES:
        return entry.method
    field = field_of(entry.extra, _AES_FIELD)
    return int.from_bytes(field[5:7], "little") if field is not None and len(field) >= 7 else -1  # noqa: PLR2004


def refused_method(entry: Entry) -> str:
    """Return why an entry cannot be decoded at all, or an empty string."""
    method = method_of(entry)
    if method in _METHODS and not (entry.flags & ENCRYPTED and entry.flags & _STRONG):
        return ""
    if method in _METHODS:
        return "its encryption (strong encryption by PKWARE) is not supported"
    return f"its compression method ({_METHOD_NAMES.get(method, f'number {method}')}) is not supported"


def inflated(data: Any, size: int) -> bytes:
    """Return the bytes of a small deflated member.

    Raises:
        MemberError: Its length is not what the table of contents says.
    """
    if libdeflate is not None and len(data) * 8 > size * _PARTS_KEPT:
        with contextlib.suppress(libdeflate.DeflateError):  # the other decoder says what is wrong
            whole: bytes = libdeflate.deflate_decompress(data, size)
            if len(whole) == size:
                return whole
    decoder = fast_zlib.decompressobj(-zlib.MAX_WBITS)
    found: bytes = decoder.decompress(data, size + 1)
    if len(found) != size or not decoder.eof:
        raise wrong_length(longer=len(found) > size)
    return found


def unpacked(method: int, pieces: Iterable[Any]) -> Iterator[Any]:
    """Yield the bytes of a member from its compressed pieces, a bounded piece at a time."""
    if method == STORED:
        return iter(pieces)
    return _decoded(_DECODERS[method](), pieces)


def _decoded(decoder: _Decoder, pieces: Iterable[Any]) -> Iterator[bytes]:
    for piece in pieces:
        yield decoder.decompress(piece, _CHUNK)
        while decoder.pending():
            yield decoder.decompress(b"", _CHUNK)
    if not decoder.eof:
        raise wrong_length(longer=False)


_DECODERS: dict[int, Callable[[], _Decoder]] = {
    DEFLATED: _Deflate,
    _BZIP2: lambda: _Framed(bz2.BZ2Decompressor()),
    _LZMA: _ZipLzma,
    ZSTD: lambda: _Framed(zstd_decoder()),
}


def checked(chunks: Iterable[Any], entry: Entry, *, crc_counts: bool = True) -> Iterator[Any]:
    """Pass a member's bytes on, and verify its length and its checksum with the last of them.

    Raises:
        MemberError: One of them is wrong.
    """
    checksum = size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > entry.size:
            raise wrong_length(longer=True)
        checksum = fast_zlib.crc32(chunk, checksum)
        yield chunk
    if size != entry.size:
        raise wrong_length(longer=False)
    if crc_counts and checksum != entry.crc:
        raise MemberError("it is damaged: its checksum does not match")


def wrong_length(*, longer: bool) -> MemberError:
    """Return the error for a member whose length is not what the table of contents says."""
    return MemberError(f"it is damaged: it is {'longer' if longer else 'shorter'} than its header says")
