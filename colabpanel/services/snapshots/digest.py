"""Pieces of a member, their digest, and CRC-32 of pieces put together.

The digest of a member is XXH3-128 over the XXH3-128 digests of its pieces of 512 KiB, so several threads
work on one member, each on bytes that are in its processor's cache. It tells equal from changed, and damage;
what code is run rests on SHA-256 instead.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import xxhash

from colabpanel.services.fast import fast_zlib

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["PIECE", "batches_of", "combine_crc", "crc_of", "digest_of_digests", "digest_of_piece"]

PIECE = 512 << 10
"""Bytes of a piece; part of the format."""

_BATCH = 8
_POLYNOMIAL = 0xEDB88320


def digest_of_piece(piece: Buffer) -> bytes:
    """Return the digest of at most `PIECE` bytes."""
    return xxhash.xxh3_128_digest(piece)


def digest_of_digests(digests: Iterable[bytes]) -> str:
    """Return the digest of a member whose pieces have these, as hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(b"".join(digests))


def crc_of(piece: Buffer) -> int:
    """Return the CRC-32 of some bytes."""
    found: int = fast_zlib.crc32(piece)
    return found


def batches_of(parts: Iterable[Buffer]) -> Iterator[list[memoryview]]:
    """Cut consecutive bytes into pieces, all of `PIECE` bytes but the last.

    Large parts are not copied, and several of their pieces come together. Small ones are joined to pieces
    that come one by one, so that few copies exist at a time.
    """
    batch: list[memoryview] = []
    for piece, is_copy in _pieces_of(parts):
        if is_copy and batch:
            yield batch
            batch = []
        batch.append(piece)
        if is_copy or len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _pieces_of(parts: Iterable[Buffer]) -> Iterator[tuple[memoryview, bool]]:
    small: list[memoryview] = []
    size = 0
    for part in parts:
        view = memoryview(part).cast("B")
        if small and size + len(view) >= PIECE:
            needed = PIECE - size
            yield memoryview(b"".join([*small, view[:needed]])), True
            view, small, size = view[needed:], [], 0
        start = 0
        while len(view) - start >= PIECE:
            yield view[start : start + PIECE], False
            start += PIECE
        if start < len(view):
            small.append(view[start:])
            size += len(view) - start
    if small:
        yield memoryview(small[0] if len(small) == 1 else b"".join(small)), len(small) > 1


def combine_crc(first: int, second: int, length: int) -> int:
    """Return the CRC-32 of two byte strings from theirs, the second of which has so many bytes."""
    return _times(_zeros(length), first) ^ second


def _times(matrix: tuple[int, ...], vector: int) -> int:
    total = row = 0
    while vector:
        if vector & 1:
            total ^= matrix[row]
        vector >>= 1
        row += 1
    return total


@functools.lru_cache(maxsize=64)
def _zeros(length: int) -> tuple[int, ...]:
    """Return what so many zero bytes do to a CRC-32, as a matrix over GF(2); after Adler's zlib."""
    if not length:
        return tuple(1 << bit for bit in range(32))
    if length == 1:
        bit = (_POLYNOMIAL, *(1 << place for place in range(31)))
        for _doubling in range(3):
            bit = tuple(_times(bit, row) for row in bit)
        return bit
    half = _zeros(length // 2)
    whole = tuple(_times(half, row) for row in half)
    return tuple(_times(_zeros(1), row) for row in whole) if length % 2 else whole
