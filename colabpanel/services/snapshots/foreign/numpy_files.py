"""``.npy`` and ``.npz`` files. An array of Python objects in them is a pickle, and is treated as one.

An ``.npy`` file may hold several arrays, one after another.
"""

from __future__ import annotations

import ast
import functools
import io
import lzma
import math
import re
import struct
import zipfile
from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path
from typing import IO, Any, NamedTuple

from colabpanel.errors import ArchiveError
from colabpanel.services.optional import optional
from colabpanel.services.snapshots.foreign.pickle_files import SCANNED
from colabpanel.services.snapshots.foreign.several import (
    after_whole_ones,
    damaged_part,
    is_padding,
    numbered,
    unreadable,
)
from colabpanel.services.snapshots.manifest import UNREADABLE
from colabpanel.services.snapshots.models import SavedVariable
from colabpanel.services.snapshots.scan import scan
from colabpanel.services.snapshots.unpickling import unknown_in, unpickle_next

__all__ = ["DAMAGED", "describe_npy", "describe_npz", "read_npy", "read_npz"]

_MAGIC, _SUFFIX = b"\x93NUMPY", ".npy"
_LARGEST_HEADER = 64 << 10
DAMAGED = (*UNREADABLE, IndexError, SyntaxError, struct.error, lzma.LZMAError, ArchiveError)
"""What reading a damaged file raises."""


class _Header(NamedTuple):
    """What stands in front of an array; ``descr`` is its type, as NumPy writes it."""

    descr: Any
    shape: tuple[int, ...]
    is_fortran: bool

    @property
    def has_objects(self) -> bool:
        return _has_objects(self.descr)

    @property
    def size(self) -> int:
        """Bytes of the array behind it, if it has no objects."""
        return _count(self.shape) * _item_size(self.descr)


def _read_header(stream: IO[bytes]) -> _Header:
    """Read the header of an array; the stream stands at its data afterwards.

    Raises:
        ValueError: It is none.
    """
    head = stream.read(8)
    if not head.startswith(_MAGIC) or len(head) < 8:  # noqa: PLR2004 - with its version
        raise ValueError("no array")
    form, encoding = ("<H", "latin1") if head[6] == 1 else ("<I", "latin1" if head[6] == 2 else "utf-8")  # noqa: PLR2004
    (length,) = struct.unpack(form, stream.read(struct.calcsize(form)))
    if length > _LARGEST_HEADER:
        raise ValueError("header")
    fields = _fields(stream.read(length).decode(encoding))
    shape = tuple(fields["shape"])
    _count(shape)
    return _Header(fields["descr"], shape, bool(fields["fortran_order"]))


def _fields(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (MemoryError, RecursionError):  # parentheses without end
        raise ValueError("header") from None
    except SyntaxError:  # of Python 2, which ends long numbers with L
        return ast.literal_eval(re.sub(r"(?<=\d)L\b", "", text))


def _has_objects(descr: Any) -> bool:
    if isinstance(descr, str):
        return re.fullmatch(r"[|<>=]?O\d*", descr) is not None
    return any(map(_has_objects, _parts(descr)))


def _parts(descr: Any) -> Iterator[Any]:
    """Return the types that one is put together of: those of its fields, or that of a small array."""
    return (field[1] for field in descr) if isinstance(descr, list) else iter(descr[:1])


def _item_size(descr: Any) -> int:
    if isinstance(descr, str):
        found = re.fullmatch(r"[|<>=]?([a-zA-Z])(\d+)(\[.*\])?", descr)
        if found is None:
            raise ValueError(f"a type that is not known ({descr[:20]})")
        return int(found[2]) * (4 if found[1] == "U" else 1)
    if isinstance(descr, list):
        return sum(_item_size(field[1]) * _count(field[2] if len(field) > 2 else ()) for field in descr)  # noqa: PLR2004
    return _item_size(descr[0]) * _count(descr[1])


def _count(shape: Any) -> int:
    """Return how many elements a shape has; NumPy also writes a single length without a tuple."""
    extents = (shape,) if isinstance(shape, int) else tuple(shape)
    if not all(type(extent) is int and extent >= 0 for extent in extents):
        raise ValueError("shape")
    return math.prod(extents)


class _Npy:
    """An open ``.npy`` file, which stands where the next of its arrays begins."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path, self.stream, self.size = path, stream, path.stat().st_size

    @functools.cached_property
    def pickles(self) -> io.BytesIO:
        """All of it in memory, as pickles in it are read."""
        return io.BytesIO(self.path.read_bytes())

    def is_over(self) -> bool:
        start = self.stream.tell()
        first = self.stream.read(1)
        is_over = is_padding(first) and is_padding(first + self.stream.read())
        self.stream.seek(start)
        return is_over


def describe_npy(path: Path) -> list[SavedVariable]:
    """Return the arrays of an ``.npy`` file."""
    found = list[SavedVariable]()
    with path.open("rb") as stream:
        file = _Npy(path, stream)
        while not file.is_over():
            start, name = stream.tell(), numbered(path.stem, len(found) + 1)
            try:
                found.append(_describe_next(file, name))
            except DAMAGED:
                if not found:
                    raise
                return [*found, damaged_part(name, file.size - start, "numpy.ndarray")]
    return found


def _describe_next(file: _Npy, name: str) -> SavedVariable:
    """Return the array that begins here; the file stands behind it afterwards."""
    stream, size = file.stream, file.size
    start, header, data = stream.tell(), _read_header(stream), stream.tell()
    needs: tuple[str, ...] | None = ()
    if not header.has_objects:
        end = data + header.size
    elif size - start > SCANNED:
        needs, end = None, size
    else:
        wanted = scan(file.pickles.getvalue(), data)
        needs, end = tuple(unknown_in(wanted)), wanted.end
    if end > size:
        raise ValueError("cut short")
    stream.seek(end)
    return _described(name, header, end - start, needs)


def describe_npz(path: Path) -> list[SavedVariable]:
    """Return the arrays of an ``.npz`` file."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with archive.open(info) as stream:
                header = _read_header(stream)
                needs: tuple[str, ...] | None = ()
                if header.has_objects:
                    needs = tuple(unknown_in(scan(stream.read()))) if info.file_size <= SCANNED else None
            found.append(_described(info.filename.removesuffix(_SUFFIX), header, info.file_size, needs))
    return found


def _described(name: str, header: _Header, size: int, needs: tuple[str, ...] | None) -> SavedVariable:
    shape = " x ".join(f"{extent:,}" for extent in header.shape) or "scalar"
    return SavedVariable(name, "saved", "numpy.ndarray", f"{shape} {header.descr}", size, needs=needs)


def read_npy(path: Path, wanted: Collection[str] | None, *, trusted: bool, in_place: bool) -> dict[str, Any]:
    """Return the arrays of an ``.npy`` file; ``in_place`` those without objects as parts of it.

    Raises:
        TrustError: One that is wanted would run what nobody vouches for.
        ArchiveError: One that is wanted is damaged.
    """
    found = dict[str, Any]()
    with path.open("rb") as stream:
        file = _Npy(path, stream)
        for number in count(1):
            if file.is_over() or (wanted is not None and found.keys() >= set(wanted)):
                break
            name = numbered(path.stem, number)
            try:
                if wanted is None or name in wanted:
                    found[name] = _read_next(file, name, trusted=trusted, in_place=in_place)
                else:
                    _describe_next(file, name)
            except ArchiveError as error:
                raise after_whole_ones(error, found) from error
            except DAMAGED as error:
                raise after_whole_ones(unreadable(path, error), found) from error
    return found


def _read_next(file: _Npy, name: str, *, trusted: bool, in_place: bool) -> Any:
    """Return the array that begins here; the file stands behind it afterwards."""
    path, stream = file.path, file.stream
    start, header, data = stream.tell(), _read_header(stream), stream.tell()
    if header.has_objects:
        file.pickles.seek(data)
        found = unpickle_next(file.pickles, trusted=trusted, what=f"{name} in {path.name}")
        stream.seek(file.pickles.tell())
        return found
    if in_place and header.size:
        return _mapped(stream, header, path)
    stream.seek(start)
    return optional("numpy", "reading arrays").lib.format.read_array(stream, allow_pickle=False)


def _mapped(stream: IO[bytes], header: _Header, path: Path) -> Any:
    numpy = optional("numpy", "reading arrays")
    order = "F" if header.is_fortran else "C"
    dtype = numpy.lib.format.descr_to_dtype(header.descr)
    if dtype.hasobject:
        raise ValueError("its type is not written as NumPy does")
    array = numpy.memmap(path, dtype, "c", stream.tell(), header.shape, order)
    stream.seek(header.size, io.SEEK_CUR)
    return array


def read_npz(path: Path, wanted: Collection[str] | None, *, trusted: bool) -> dict[str, Any]:
    """Return the arrays of an ``.npz`` file; of those that are not wanted, nothing is read.

    Raises:
        TrustError: One that is wanted would run what nobody vouches for.
        ArchiveError: Objects in it are damaged.
        ValueError: It is damaged.
    """
    read_array, found = optional("numpy", "reading arrays").lib.format.read_array, dict[str, Any]()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(_SUFFIX)
            if wanted is not None and name not in wanted:
                continue
            with archive.open(info) as stream:
                has_objects = _read_header(stream).has_objects
                pickled = io.BytesIO(stream.read()) if has_objects else None
            if pickled is not None:
                found[name] = unpickle_next(pickled, trusted=trusted, what=f"{name} in {path.name}")
            else:
                with archive.open(info) as stream:
                    found[name] = read_array(stream, allow_pickle=False)
    return found
