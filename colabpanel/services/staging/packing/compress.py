"""Compressing files for a zip archive: small ones whole and side by side, large ones in pieces."""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from colabpanel.services.fast import fast_zlib, libdeflate
from colabpanel.services.staging.packing.reading import LARGE, next_bytes, whole
from colabpanel.services.staging.packing.zip_writer import PackedMember
from colabpanel.services.walk import FoundFile
from colabpanel.services.zip_records import DEFLATED, STORED

__all__ = ["DEFAULT_LEVEL", "batches", "compressed", "pieces"]

DEFAULT_LEVEL = 5
"""With libdeflate this packs a little better than ``zip`` by default, in a sixth of the time with two processors."""

_BATCH_FILES, _BATCH_BYTES = 128, 4 << 20
_SMALL_SAMPLE, _SAMPLE = 2 << 10, 8 << 10
_PAYS = 0.97
_SAMPLE_PAYS = 0.92
"""The share of its size that a file, and a sample of it, must shrink to for compression to be worth it."""

_COMPRESSED = (
    *(".jpg", ".jpeg", ".webp", ".heic", ".avif", ".mp3", ".m4a", ".ogg", ".mp4", ".mov", ".mkv", ".webm"),
    *(".zip", ".7z", ".gz", ".tgz", ".bz2", ".xz", ".zst"),
)
"""The ends of names of files that hardly ever shrink: they are stored without a try."""

_CHUNK = 1 << 20
_NO_LEVEL = 0

Packed = PackedMember | OSError


def batches(files: Iterable[FoundFile]) -> Iterator[list[FoundFile]]:
    """Cut files into lists that are compressed in one go; a large one is alone."""
    batch: list[FoundFile] = []
    size = 0
    for file in files:
        if batch and (file.size >= LARGE or len(batch) >= _BATCH_FILES or size + file.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
        if file.size >= LARGE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def compressed(
    folder: Path, work: Iterable[list[FoundFile]], level: int, workers: int
) -> Iterator[tuple[FoundFile, Packed | None]]:
    """Yield files in their order with their packed bytes, an error, or None for one that is large."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="colabpanel-packer")
    waiting: deque[Future[list[tuple[FoundFile, Packed | None]]]] = deque()
    try:
        for batch in work:
            waiting.append(pool.submit(_pack_batch, folder, batch, level))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pack_batch(folder: Path, batch: list[FoundFile], level: int) -> list[tuple[FoundFile, Packed | None]]:
    return [(file, None if file.size >= LARGE else _pack(folder, file, level)) for file in batch]


def _pack(folder: Path, file: FoundFile, level: int) -> Packed:
    try:
        data = whole(f"{folder}/{file.name}", file.size)
    except OSError as error:
        return error
    crc, method, packed = fast_zlib.crc32(data), STORED, data
    if level != _NO_LEVEL and not file.name.lower().endswith(_COMPRESSED) and _may_pay(data):
        smaller = _deflated(data, level)
        if len(smaller) < len(data) * _PAYS:
            method, packed = DEFLATED, smaller
    return PackedMember(file.name, method, crc, len(data), packed, file.modified, file.mode)


def _may_pay(data: bytes) -> bool:
    """Whether a sample from the middle shrinks: pictures, sound and archives do not."""
    if len(data) <= _SMALL_SAMPLE // 2:
        return len(data) > 0
    length = min(max(_SMALL_SAMPLE, len(data) // 16), _SAMPLE)
    middle = max((len(data) - length) // 2, 0)
    sample = data[middle : middle + length]
    return len(_quick(sample)) < len(sample) * _SAMPLE_PAYS


def _quick(data: bytes) -> bytes:
    if libdeflate is not None:
        return bytes(libdeflate.deflate_compress(data, 1))
    packer = fast_zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    found: bytes = packer.compress(data) + packer.flush()
    return found


def _deflated(data: bytes, level: int) -> bytes:
    if libdeflate is not None:
        found: bytes = libdeflate.deflate_compress(data, level)
        return bytes(found)
    packer = zlib.compressobj(min(level, 9), zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def pieces(folder: Path, file: FoundFile, level: int) -> tuple[int, Iterator[tuple[bytes, int, int]]]:
    """Return how a large file is packed, and its pieces: bytes, with the size and checksum of all so far.

    The pieces end in an `UnreadableError` where the file cannot be read to its end.

    Raises:
        OSError: It cannot be opened.
    """
    stream = (folder / file.name).open("rb")
    sample = os.pread(stream.fileno(), _SAMPLE, file.size // 2) if hasattr(os, "pread") else b"a" * _SAMPLE
    method = DEFLATED if level != _NO_LEVEL and _may_pay(sample) else STORED

    def parts() -> Iterator[tuple[bytes, int, int]]:
        packer = fast_zlib.compressobj(_large_level(), zlib.DEFLATED, -zlib.MAX_WBITS) if method == DEFLATED else None
        size = crc = 0
        with stream:
            while data := next_bytes(stream, file, _CHUNK):
                size, crc = size + len(data), fast_zlib.crc32(data, crc)
                yield (packer.compress(data) if packer else data), size, crc
            yield (packer.flush() if packer else b""), size, crc

    return method, parts()


def _large_level() -> int:
    """Return the level for large files: the best of isal, which is quick, or a middling one of zlib."""
    return 6 if fast_zlib is zlib else 3
