"""Pieces of a member, their digest, and CRC-32 of pieces put together.

The digest of a member is XXH3-128 over the XXH3-128 digests of its pieces: of its head, as of an ``.npy`` file, if it
has one, then of every 512 KiB. So several threads
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

__all__ = ["PIECE", "Piece", "combine_crc", "crc_of", "digest_of_digests", "digest_of_piece", "pieces_of"]

PIECE = 512 << 10
"""Bytes of a piece; part of the format."""

_PARTS = 64  # places of memory in a piece, from which on it is copied into one
_POLYNOMIAL = 0xEDB88320


Piece = list[memoryview]
"""Consecutive bytes, at most `PIECE` of them, in one or several places of memory."""


def digest_of_piece(piece: Piece) -> bytes:
    """Return the digest of a piece."""
    if len(piece) == 1:
        return xxhash.xxh3_128_digest(piece[0])
    hashed = xxhash.xxh3_128()
    for part in piece:
        hashed.update(part)
    return hashed.digest()


def digest_of_digests(digests: Iterable[bytes]) -> str:
    """Return the digest of a member whose pieces have these, as hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(b"".join(digests))


def crc_of(piece: Piece) -> int:
    """Return the CRC-32 of a piece."""
    crc = 0
    for part in piece:
        crc = fast_zlib.crc32(part, crc)
    return crc


def pieces_of(parts: Iterable[Buffer]) -> Iterator[Piece]:
    """Cut consecutive bytes into pieces, all of `PIECE` bytes but the last; hardly any are copied for it."""
    small: Piece = []
    size = 0
    for part in parts:
        view = memoryview(part).cast("B")
        start = 0
        while size + len(view) - start >= PIECE:
            needed = PIECE - size
            small.append(view[start : start + needed])
            yield _joined(small)
            start += needed
            small, size = [], 0
        if start < len(view):
            small.append(view[start:])
            size += len(view) - start
    if small:
        yield _joined(small)


def _joined(piece: Piece) -> Piece:
    return piece if len(piece) <= _PARTS else [memoryview(b"".join(piece))]


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
