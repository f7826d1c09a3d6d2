"""Decoding one member of a zip archive, with bounds on memory and every length checked.

``zipfile`` decodes bzip2 and LZMA members without a bound, and cuts a stream silently
where the header says it ends.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Protocol

from colabpanel.services.sources import LocalSource
from colabpanel.services.staging.archive import MemberError

__all__ = ["METHODS", "decoded"]

_CHUNK = 1 << 20
_LOCAL_HEADER = 30
_LZMA_MEMORY = 256 << 20
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...
    def pending(self) -> bool: ...


class _Stored:
    eof = True

    def decompress(self, data: bytes, _: int, /) -> bytes:
        return data

    def pending(self) -> bool:
        return False


class _Deflate:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)

    def pending(self) -> bool:
        return bool(self._inner.unconsumed_tail) and not self._inner.eof


class _Framed:
    """bzip2 and LZMA, whose decoders keep what they could not yet use."""

    def __init__(self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(data, max_length)

    def pending(self) -> bool:
        return not self._inner.needs_input and not self._inner.eof


class _ZipLzma(_Framed):
    """LZMA as zip stores it: four bytes and the properties stand before the stream, often without an end mark."""

    def __init__(self, head: bytes) -> None:
        size = struct.unpack_from("<H", head, 2)[0]
        properties = lzma._decode_filter_properties(lzma.FILTER_LZMA1, head[4 : 4 + size])  # type: ignore[attr-defined]  # noqa: SLF001 - as zipfile does
        if properties["dict_size"] > _LZMA_MEMORY:
            raise MemberError("it asks for too much memory to be decoded")
        super().__init__(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[properties]))
        self.header_size = 4 + size

    @property
    def eof(self) -> bool:
        return True


def decoded(source: LocalSource, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's bytes, a bounded piece at a time.

    Raises:
        MemberError: It is damaged: its header, its length or its checksum is wrong.
        zlib.error, OSError, lzma.LZMAError: Its compressed stream is damaged.
    """
    start = _data_start(source, info)
    decoder, start, end = _decoder(source, info, start)
    checksum = size = 0
    for chunk in _pieces(source, decoder, start, end):
        size += len(chunk)
        if size > info.file_size:
            raise MemberError("it is damaged: it is longer than its header says")
        checksum = zlib.crc32(chunk, checksum)
        yield chunk
    if size != info.file_size or not decoder.eof:
        raise MemberError("it is damaged: it is shorter than its header says")
    if checksum != info.CRC:
        raise MemberError("it is damaged: its checksum does not match")


def _data_start(source: LocalSource, info: zipfile.ZipInfo) -> int:
    head = source.read(info.header_offset, info.header_offset + _LOCAL_HEADER)
    if len(head) < _LOCAL_HEADER or not head.startswith(b"PK\x03\x04"):
        raise MemberError("it is damaged: its header is not where the table of contents says")
    lengths: tuple[int, int] = struct.unpack_from("<HH", head, _LOCAL_HEADER - 4)  # of the name and of extra fields
    return info.header_offset + _LOCAL_HEADER + sum(lengths)


def _decoder(source: LocalSource, info: zipfile.ZipInfo, start: int) -> tuple[_Decoder, int, int]:
    """Return the member's decoder, and where its stream begins and ends."""
    end = start + info.compress_size
    if info.compress_type == zipfile.ZIP_STORED:
        return _Stored(), start, end
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return _Deflate(), start, end
    if info.compress_type == zipfile.ZIP_BZIP2:
        return _Framed(bz2.BZ2Decompressor()), start, end
    try:
        decoder = _ZipLzma(source.read(start, min(start + 64, end)))
    except (struct.error, lzma.LZMAError):
        raise MemberError("it is damaged: its LZMA header cannot be read") from None
    return decoder, start + decoder.header_size, end


def _pieces(source: LocalSource, decoder: _Decoder, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        data = source.read(start, min(start + _CHUNK, end))
        if not data:
            raise MemberError("it is damaged: the archive ends within it")
        start += len(data)
        yield decoder.decompress(data, _CHUNK)
        while decoder.pending():
            yield decoder.decompress(b"", _CHUNK)
