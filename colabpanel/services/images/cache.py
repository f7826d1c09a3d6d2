"""Thumbnails kept on disk, up to so many bytes; the least used go first."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from pathlib import Path
from typing import NamedTuple

from colabpanel.services.files import write_atomic

__all__ = ["Kept", "ThumbnailCache", "key_of"]

_HEAD = struct.Struct("<8sII")
_MAGIC = b"cpthumb1"
MOST_BYTES = 256 << 20
_PRUNED_TO = 0.8


class Kept(NamedTuple):
    """A thumbnail, and the size in pixels of what it shows."""

    width: int
    height: int
    data: bytes


def key_of(*parts: object) -> str:
    """Return the name under which a thumbnail is kept; any change of a part makes another one."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class ThumbnailCache:
    """A folder of thumbnails.

    Args:
        folder: Where they are; made when the first is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key[2:]}.thumb"

    def get(self, key: str) -> Kept | None:
        """Return a thumbnail, or None where none is kept; it then counts as used now."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        if len(content) < _HEAD.size:
            return None
        magic, width, height = _HEAD.unpack_from(content)
        return Kept(width, height, content[_HEAD.size :]) if magic == _MAGIC else None

    def put(self, key: str, kept: Kept) -> None:
        """Keep a thumbnail; a disk that refuses is no reason to fail."""
        path = self._path(key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, _HEAD.pack(_MAGIC, kept.width, kept.height) + kept.data)

    def prune(self, most: int = MOST_BYTES) -> int:
        """Delete the least used where all together take more than so many bytes; returns how many bytes are left."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        if total <= most:
            return total
        for _, size, path in files:
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
            if total <= most * _PRUNED_TO:
                break
        return total

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found
