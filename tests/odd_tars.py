"""Tar archives that libraries will not write, made by hand."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

__all__ = ["END", "FINE", "file", "gnu_name", "gzipped", "header", "padded", "pax"]

END = bytes(1024)
FINE = b"fine, and here from the start to the end of it\n" * 30


def padded(data: bytes) -> bytes:
    """Return data filled up to whole blocks."""
    return data + bytes(-len(data) % 512)


def _number(value: int | bytes, width: int) -> bytes:
    """Return a number field: octal, or base 256 where octal has no room; bytes stand as they are."""
    if isinstance(value, bytes):
        return value.ljust(width, b"\0")[:width]
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return (value & (1 << 8 * width) - 1 | 1 << 8 * width - 1).to_bytes(width, "big")


def header(
    name: bytes | str,
    size: int | bytes = 0,
    kind: bytes = b"0",
    *,
    link: bytes | str = b"",
    mode: int = 0o644,
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    mtime: int = 1_600_000_000,
    owner: int = 1234,
    tail: bytes = b"",
    signed: bool = False,
    wrong_sum: int = 0,
) -> bytes:
    """Return one header block.

    Args:
        name: At most 100 bytes of it count.
        size: A number, or the bytes of the field.
        kind: The type.
        link: Where a link leads.
        mode: Permissions.
        magic: ``ustar`` and the version, GNU's, or nothing for version 7.
        prefix: The front of a long name.
        mtime: Seconds since the epoch.
        owner: Number of the user and the group.
        tail: What stands in the last 167 bytes instead of the prefix.
        signed: Whether the checksum adds signed characters, as old Suns did.
        wrong_sum: What is added to the checksum.
    """
    raw_name, raw_link = (text.encode() if isinstance(text, str) else text for text in (name, link))
    block = b"".join(
        [
            raw_name[:100].ljust(100, b"\0"),
            _number(mode, 8) + _number(owner, 8) * 2,
            _number(size, 12) + _number(mtime, 12),
            b" " * 8 + kind,
            raw_link[:100].ljust(100, b"\0"),
            magic.ljust(8, b"\0"),
            b"somebody".ljust(32, b"\0") * 2,
            _number(0, 8) * 2,
            (tail or prefix).ljust(167, b"\0")[:167],
        ]
    )
    assert len(block) == 512
    values = struct.unpack("512b" if signed else "512B", block)
    return block[:148] + b"%06o\0 " % (sum(values) + wrong_sum) + block[156:]


def file(name: bytes | str, content: bytes = FINE, **more: object) -> bytes:
    """Return a header and its data; ``more`` as for `header`."""
    return header(name, len(content), **more) + padded(content)  # type: ignore[arg-type]  # header checks them


def pax(values: Mapping[str, str | bytes], *, kind: bytes = b"x", size: int | bytes | None = None) -> bytes:
    """Return an extended header; its size may be a lie."""
    records = b""
    for key, value in values.items():
        rest = b" " + key.encode() + b"=" + (value.encode() if isinstance(value, str) else value) + b"\n"
        length = len(rest)
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        records += str(length).encode() + rest
    return header("PaxHeaders/x", len(records) if size is None else size, kind) + padded(records)


def gnu_name(name: bytes | str, *, kind: bytes = b"L", size: int | bytes | None = None) -> bytes:
    """Return GNU's header for a long name, or with ``K`` a long link; its size may be a lie."""
    raw = (name.encode() if isinstance(name, str) else name) + b"\0"
    return header("././@LongLink", len(raw) if size is None else size, kind, magic=b"ustar  ") + padded(raw)


def gzipped(data: bytes, *, flags: int = 0, fields: bytes = b"") -> bytes:
    """Return one gzip member whose header has optional fields."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    head = b"\x1f\x8b\x08" + bytes([flags]) + bytes(4) + b"\x00\x03" + fields
    if flags & 2:
        head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    body = packer.compress(data) + packer.flush()
    return head + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
