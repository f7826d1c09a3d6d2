"""Reading the file of a snapshot: leaves, verified, straight into the memory that stays."""

from __future__ import annotations

import ast
import bisect
import contextlib
import hashlib
import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from colabpanel.errors import ArchiveError, PathError
from colabpanel.services.snapshots.arrays import ArrayRow
from colabpanel.services.snapshots.codecs import builder_of
from colabpanel.services.snapshots.digest import PIECE, digest_of_digests, digest_of_piece
from colabpanel.services.snapshots.lanes import Lanes
from colabpanel.services.snapshots.manifest import LeafEntry, SkeletonEntry, read_manifest
from colabpanel.services.snapshots.trust import is_signed_by_us
from colabpanel.services.sources import LocalSource

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

__all__ = ["SnapshotReader"]

_BATCH = 8 * PIECE
_FIRST_SHARED = 2 * _BATCH  # bytes from which several threads read a leaf
_DAMAGED = "Use another copy of this snapshot, or an earlier one."


class SnapshotReader:
    """An open snapshot.

    Args:
        path: The file.
        lanes: The threads that read.
        told: Is told the bytes as they are read, and may raise to end it.
        in_place: Whether arrays are parts of the file that the system reads when they are used.

    Raises:
        ArchiveError: It is no snapshot, or is damaged.
        PathError: There is no such file.
    """

    def __init__(
        self, path: Path, lanes: Lanes, told: Callable[[int], None] = lambda _: None, *, in_place: bool = False
    ) -> None:
        self.path, self._lanes, self._told, self.in_place = path, lanes, told, in_place
        self._source = LocalSource(path)
        try:
            self.manifest, data, signature = read_manifest(path)
        except BaseException:
            self._source.close()
            raise
        self.is_signed = is_signed_by_us(data, signature)
        self._firsts = [row.first for row in self.manifest.arrays]
        self._arrays: dict[int, Any] = {}
        self._stacks: dict[int, Any] = {}
        self._bases: dict[int, SnapshotReader] = {}
        self._own: dict[str, LeafEntry] = {}
        self._map: memoryview | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for base in self._bases.values():
            base.__exit__(kind, error, None)
        self._source.close()

    def skeleton(self, entry: SkeletonEntry) -> bytes:
        """Return the bytes of a pickle, whose hash is the right one."""
        data = self._source.read(entry.offset, entry.offset + entry.size)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise self._damaged("a pickle")
        self._told(len(data))
        return data

    def build(self, kind: str, *arguments: Any) -> Any:
        """Build an object that a codec took apart."""
        return builder_of(kind)(self, *arguments)

    def bytes_of(self, leaf: int) -> Buffer:
        """Return the bytes of a leaf, verified."""
        found, where = self.find(leaf)
        if where.in_place:
            return where.mapped(found)
        data = bytearray(found.size)
        where.fill(found, 0, memoryview(data), self._told)
        return data

    def find(self, number: int) -> tuple[LeafEntry, SnapshotReader]:
        """Return a leaf as the file that holds it knows it, and that file."""
        try:
            found = self.manifest.leaves[number]
        except IndexError:
            found = None
        if found is None:
            raise self._damaged("its list of contents")
        if found.base is None:
            self._insist_on_place(found)
            return found, self
        base = self._base(found.base)
        return base.own_leaf(found.digest), base

    def own_leaf(self, digest: str) -> LeafEntry:
        """Return the leaf of a digest that this file itself holds; a file that was written anew holds it elsewhere."""
        if not self._own:
            self._own = {leaf.digest: leaf for leaf in self.manifest.leaves if leaf is not None and leaf.base is None}
        if digest not in self._own:
            raise self._damaged("a part that another snapshot needs is not in it")
        self._insist_on_place(self._own[digest])
        return self._own[digest]

    def _insist_on_place(self, leaf: LeafEntry) -> None:
        if min(leaf.offset, leaf.size) < 0 or leaf.offset + leaf.size > self._source.size:
            raise self._damaged("its list of contents")

    def _base(self, number: int) -> SnapshotReader:
        base = self._bases.get(number)
        if base is None:
            name, identity = self.manifest.bases[number]
            path = self.path.with_name(Path(name).name)
            hint = f"Put {path.name} beside {self.path.name}; a part of it is there."
            try:
                base = SnapshotReader(path, self._lanes, in_place=self.in_place)
            except PathError:
                raise PathError(f"{path.name}, which {self.path.name} builds on, is missing.", hint=hint) from None
            self._bases[number] = base
            if base.manifest.id != identity:
                raise ArchiveError(f"{path.name} is not the snapshot that {self.path.name} builds on.", hint=hint)
        return base

    def fill(self, leaf: LeafEntry, skip: int, target: memoryview, told: Callable[[int], None]) -> None:
        """Read a leaf but for its first bytes into a buffer, and verify all of it."""
        starts = range(0, leaf.size, _BATCH)
        work = self._piece_reader(leaf, skip, target)
        shared = leaf.size >= _FIRST_SHARED
        digests: list[bytes] = []
        for start, found in zip(starts, self._lanes.each(work, starts) if shared else map(work, starts), strict=True):
            digests += found
            told(min(_BATCH, leaf.size - start))
        if digest_of_digests(digests) != leaf.digest:
            raise self._damaged(leaf.member)

    def verify(self, leaf: LeafEntry) -> None:
        """Read a leaf of this file, and keep nothing of it.

        Raises:
            ArchiveError: It is damaged.
        """
        buffers: dict[int, memoryview] = {}
        digests = []
        for start in range(0, leaf.size, PIECE):
            length = min(PIECE, leaf.size - start)
            view = buffers.setdefault(length, memoryview(bytearray(length)))
            if self._source.read_into(view, leaf.offset + start) < length:
                raise self._damaged(leaf.member)
            digests.append(digest_of_piece(view))
            self._told(length)
        if digest_of_digests(digests) != leaf.digest:
            raise self._damaged(leaf.member)

    def parts_of(self, leaf: LeafEntry) -> Iterator[bytes]:
        """Give the bytes of a leaf of this file, not verified."""
        end = leaf.offset + leaf.size
        for start in range(leaf.offset, end, _BATCH):
            yield self._source.read(start, min(start + _BATCH, end))

    def _piece_reader(self, leaf: LeafEntry, skip: int, target: memoryview) -> Callable[[int], list[bytes]]:
        end = leaf.offset + leaf.size

        def read(start: int) -> list[bytes]:
            digests = []
            for place in range(start, min(start + _BATCH, leaf.size), PIECE):
                length = min(PIECE, leaf.size - place)
                if place >= skip:
                    piece = target[place - skip : place - skip + length]
                    if self._source.read_into(piece, leaf.offset + place) < length:
                        raise self._damaged(leaf.member)
                else:
                    whole = self._source.read(leaf.offset + place, min(leaf.offset + place + length, end))
                    piece = memoryview(whole)
                    target[: length - skip] = piece[skip:]
                digests.append(digest_of_piece(piece))
            return digests

        return read

    def array(self, number: int) -> Any:
        """Return an array; the same object for the same number."""
        try:
            return self._arrays[number]
        except KeyError:
            place = bisect.bisect_right(self._firsts, number) - 1
            row = self.manifest.arrays[place] if place >= 0 else None
            if row is None or number >= row.first + (row.stacked or 1):
                raise self._damaged("its list of contents") from None
            try:
                array = self._stack(row)[number - row.first] if row.stacked is not None else self._single(row)
            except (ValueError, TypeError, SyntaxError, OverflowError, IndexError) as error:
                raise self._damaged("its list of contents") from error
            self._arrays[number] = array
            return array

    def _stack(self, row: ArrayRow) -> Any:
        """Return the arrays that are rows of one leaf."""
        stack = self._stacks.get(row.leaf)
        if stack is None:
            shape = (row.stacked or 0, *row.shape)
            stack = self._stacks[row.leaf] = self._memory(row.leaf, _dtype(row.dtype), shape, fortran=False)
        return stack

    def _single(self, row: ArrayRow) -> Any:
        import numpy as np

        dtype = _dtype(row.dtype)
        if row.strides is None:
            whole = self._stacks.get(row.leaf)
            if whole is None or whole.dtype != dtype or whole.shape != row.shape:
                whole = self._stacks[row.leaf] = self._memory(row.leaf, dtype, row.shape, fortran=row.fortran)
            return whole
        if 0 in row.strides or len(row.strides) != len(row.shape):
            raise ValueError("strides")
        memory = self._stacks.get(row.leaf)
        if memory is None:
            memory = self._stacks[row.leaf] = self._shared_memory(row.leaf)
        flat = memory.reshape(-1, order="A").view(np.uint8)
        return np.ndarray(row.shape, dtype, flat.data, row.offset, row.strides)

    def _shared_memory(self, leaf: int) -> Any:
        """Return the array whose memory views share: the one that is all of it, or its bytes."""
        import numpy as np

        whole = next((row for row in self.manifest.arrays if row.leaf == leaf and row.strides is None), None)
        if whole is not None:
            return self.array(whole.first)
        found, where = self.find(self.manifest.array_leaves + leaf)
        return self._memory(leaf, np.dtype(np.uint8), (found.size - where.header_size(found),), fortran=False)

    def header_size(self, leaf: LeafEntry) -> int:
        """Return the bytes in front of the memory in an ``.npy`` leaf."""
        head = self._source.read(leaf.offset, leaf.offset + 10)
        return 10 + int.from_bytes(head[8:10], "little")

    def _memory(self, leaf: int, dtype: Any, shape: tuple[int, ...], *, fortran: bool) -> Any:
        """Return the array that a leaf holds: its last bytes are the memory, what is in front says so to others."""
        import numpy as np

        found, where = self.find(self.manifest.array_leaves + leaf)
        size = dtype.itemsize
        for length in shape:
            size *= length
        skip = found.size - size
        if skip < 0 or min(shape, default=0) < 0 or dtype.hasobject:
            raise ValueError("shape")
        order: Literal["F", "C"] = "F" if fortran else "C"
        if where.in_place:
            return np.ndarray(shape, dtype, where.mapped(found), skip, order=order)
        array = np.empty(shape, dtype=dtype, order=order)
        if size:
            flat: Any = (array.T if fortran else array).reshape(-1).view(np.uint8)
            where.fill(found, skip, memoryview(flat), self._told)
        return array

    def mapped(self, leaf: LeafEntry) -> memoryview:
        """Return the part of the file that is a leaf; what is changed of it stays in memory."""
        if self._map is None:
            with self.path.open("rb") as file:
                self._map = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        return self._map[leaf.offset : leaf.offset + leaf.size]

    def _damaged(self, what: str) -> ArchiveError:
        return ArchiveError(f"{self.path.name} is damaged ({what}).", hint=_DAMAGED)


def _dtype(text: str) -> Any:
    """Return a type of NumPy from what the manifest says."""
    from numpy.lib.format import descr_to_dtype

    if text.startswith("ml_dtypes."):
        import ml_dtypes
        import numpy as np

        return np.dtype(getattr(ml_dtypes, text.partition(".")[2]))
    with contextlib.suppress(RecursionError, MemoryError):
        return descr_to_dtype(ast.literal_eval(text))
    raise ValueError(text)
