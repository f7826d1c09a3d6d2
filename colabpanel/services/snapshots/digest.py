"""Pieces of a member, their digest and their CRC-32.

The digest of a member is XXH3-128 over the XXH3-128 digests of its pieces: of its head, as of an ``.npy`` file, if it
has one, then of every 512 KiB. So several threads
work on one member, each on bytes that are in its processor's cache. It tells equal from changed, and damage;
what code is run rests on SHA-256 instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import xxhash

from colabpanel.services.fast import fast_zlib

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["PIECE", "Piece", "crc_of", "digest_of_digests", "digest_of_piece", "pieces_of"]

PIECE = 512 << 10
"""Bytes of a piece; part of the format."""

_PARTS = 64  # places of memory in a piece, from which on it is copied into one


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


def crc_of(piece: Piece, crc: int = 0) -> int:
    """Return the CRC-32 of a piece, after that of what came before it."""
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
