"""Weights that Keras wrote: HDF5, and HDF5 in the archives called ``.keras``."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

from colabpanel.services.checkpoints.found.reading import damage_in_words, damaged
from colabpanel.services.checkpoints.models import TensorInfo
from colabpanel.services.optional import optional

__all__ = ["WEIGHTS", "h5_tensors_of", "keras_tensors_of"]

WEIGHTS = "model.weights.h5"
_PARTS = {"model_weights": "model", "optimizer_weights": "optimizer", "optimizer": "optimizer"}
_RECORD = struct.Struct("<26xHH")
_NUMBERS = "biufcV"  # the last are types of ml_dtypes, which NumPy does not know


def h5_tensors_of(path: Path) -> list[TensorInfo]:
    """Return the arrays of an HDF5 file.

    Raises:
        ArchiveError: It is damaged.
        MissingLibraryError: h5py is not installed.
        OSError: The disk refused.
    """
    with path.open("rb") as file:
        return _arrays_in(path, file)


def keras_tensors_of(path: Path) -> list[TensorInfo]:
    """Return the arrays in a ``.keras`` archive, whose weights are read where they lie.

    Raises:
        ArchiveError: It is damaged.
        MissingLibraryError: h5py is not installed.
        OSError: The disk refused.
    """
    with path.open("rb") as file, damage_in_words(path), zipfile.ZipFile(file) as archive:
        if WEIGHTS not in archive.namelist():
            raise damaged(path, "it holds no weights")
        member = archive.getinfo(WEIGHTS)
        if member.compress_type != zipfile.ZIP_STORED:
            with archive.open(member) as stream:
                return _arrays_in(path, stream)
        file.seek(member.header_offset)
        name, extra = _RECORD.unpack(file.read(_RECORD.size))
        return _arrays_in(path, _Window(file, file.tell() + name + extra, member.file_size))


def _arrays_in(path: Path, file: Any) -> list[TensorInfo]:
    h5py = optional("h5py", "reading weights of Keras")
    found: list[TensorInfo] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in _NUMBERS and item.shape is not None:
            found.append(_array(name, tuple(map(int, item.shape)), str(item.dtype)))

    with damage_in_words(path), h5py.File(file, "r") as opened:
        opened.visititems(note)
    return found


def _array(name: str, shape: tuple[int, ...], dtype: str) -> TensorInfo:
    top, _, rest = name.partition("/")
    part = _PARTS.get(top)
    return TensorInfo(name, "model", shape, dtype) if part is None else TensorInfo(rest or top, part, shape, dtype)


class _Window(io.RawIOBase):
    """A part of a file, as a file of its own.

    Args:
        file: The file.
        start: Where the part begins.
        size: Its bytes.
    """

    def __init__(self, file: io.BufferedReader, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        self._file.seek(self._start + self._at)
        count = self._file.readinto(view[: max(0, min(len(view), self._size - self._at))])
        self._at += count
        return count
