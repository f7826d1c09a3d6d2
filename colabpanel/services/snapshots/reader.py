"""Reading the file of a snapshot: leaves, verified, straight into the memory that stays."""

from __future__ import annotations

import functools
import hashlib
import mmap
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from colabpanel.errors import ArchiveError, ColabPanelError, PathError
from colabpanel.services.snapshots.digest import PIECE, digest_of_digests, digest_of_piece, pieces_of
from colabpanel.services.snapshots.folder import snapshot_of
from colabpanel.services.snapshots.lanes import Lanes
from colabpanel.services.snapshots.manifest import LeafEntry, Manifest, SkeletonEntry, read_manifest
from colabpanel.services.snapshots.trust import is_signed_by_us
from colabpanel.services.sources import LocalSource

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

__all__ = ["Filling", "SnapshotReader"]

_BATCH = 8 * PIECE
_DAMAGED = "Use another copy of this snapshot, or an earlier one."


Filling = list[Future[list[bytes]]]
"""A leaf that is being read: the digests of its pieces, when they are there."""


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
        self._source, (self.manifest, data, signature) = lanes.submit(functools.partial(_opened, path)).result()
        self.is_signed = is_signed_by_us(data, signature)
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
        data = self._lanes.submit(lambda: self._source.read(entry.offset, entry.offset + entry.size)).result()
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise self.damaged("a pickle")
        self._told(len(data))
        return data

    def bytes_of(self, leaf: int) -> Buffer:
        """Return the bytes of a leaf, verified."""
        found, where = self.find(leaf)
        if where.in_place:
            return where.mapped(found)
        data = bytearray(found.size - found.head)
        where.finish(found, where.fill(found, memoryview(data)))
        return data

    def find(self, number: int) -> tuple[LeafEntry, SnapshotReader]:
        """Return a leaf as the file that holds it knows it, and that file."""
        try:
            found = self.manifest.leaves[number]
        except IndexError:
            found = None
        if found is None:
            raise self.damaged("its list of contents")
        if found.base is None:
            self._insist_on_place(found)
            return found, self
        base = self._base(found.base)
        return base.own_leaf(found.digest), base

    def has_own(self, digest: str) -> bool:
        """Whether this file itself holds the leaf of a digest."""
        if not self._own:
            self._own = {leaf.digest: leaf for leaf in self.manifest.leaves if leaf is not None and leaf.base is None}
        return digest in self._own

    def own_leaf(self, digest: str) -> LeafEntry:
        """Return the leaf of a digest that this file itself holds; a file that was written anew holds it elsewhere."""
        if not self.has_own(digest):
            raise self.damaged("a part that another snapshot needs is not in it")
        self._insist_on_place(self._own[digest])
        return self._own[digest]

    def _insist_on_place(self, leaf: LeafEntry) -> None:
        if not 0 <= leaf.head <= leaf.size or leaf.offset < 0 or leaf.offset + leaf.size > self._source.size:
            raise self.damaged("its list of contents")

    def _base(self, number: int) -> SnapshotReader:
        base = self._bases.get(number)
        if base is None:
            name, identity = self.manifest.bases[number]
            path = self.path.with_name(Path(name).name)
            base = self._opened_base(path, identity)
            self._bases[number] = base
        return base

    def _opened_base(self, path: Path, identity: str) -> SnapshotReader:
        """Open a snapshot that this one builds on, by its name, or by its id if it was renamed."""
        hint = f"Put {path.name} beside {self.path.name}; a part of it is there."
        problem: ColabPanelError
        try:
            base = SnapshotReader(path, self._lanes, self._told, in_place=self.in_place)
        except PathError:
            problem = PathError(f"{path.name}, which {self.path.name} builds on, is missing.", hint=hint)
        else:
            if base.manifest.id == identity:
                return base
            base.__exit__(None, None, None)
            problem = ArchiveError(f"{path.name} is not the snapshot that {self.path.name} builds on.", hint=hint)
        renamed = self._lanes.submit(functools.partial(snapshot_of, path.parent, identity)).result()
        if renamed is None:
            raise problem
        return SnapshotReader(renamed, self._lanes, self._told, in_place=self.in_place)

    def fill(self, leaf: LeafEntry, target: memoryview) -> Filling:
        """Begin to read a leaf of this file but for its head into a buffer; `finish` waits for it."""
        first = leaf.offset + leaf.head
        head = [functools.partial(self._head_digest, leaf)] if leaf.head else []
        pieces = [
            functools.partial(self._read_pieces, leaf, first, target, start) for start in range(0, len(target), _BATCH)
        ]
        return [self._lanes.submit(part) for part in (*head, *pieces)]

    def _head_digest(self, leaf: LeafEntry) -> list[bytes]:
        return [digest_of_piece([memoryview(self.head_of(leaf))])]

    def finish(self, leaf: LeafEntry, filling: Filling) -> None:
        """Wait until a leaf is read, and verify all of it.

        Raises:
            ArchiveError: It is damaged.
        """
        digests = list[bytes]()
        for part in filling:
            digests += part.result()
            self._told(leaf.size // len(filling))
        if digest_of_digests(digests) != leaf.digest:
            raise self.damaged(leaf.member)

    def _read_pieces(self, leaf: LeafEntry, first: int, target: memoryview, start: int) -> list[bytes]:
        digests = []
        for place in range(start, min(start + _BATCH, len(target)), PIECE):
            piece = target[place : place + PIECE]
            if self._source.read_into(piece, first + place) < len(piece):
                raise self.damaged(leaf.member)
            digests.append(digest_of_piece([piece]))
        return digests

    def verify(self, leaf: LeafEntry) -> None:
        """Read a leaf of this file, and keep nothing of it.

        Raises:
            ArchiveError: It is damaged.
        """
        digests = self._head_digest(leaf) if leaf.head else []
        for part in self.parts_of(leaf, leaf.head):
            digests += map(digest_of_piece, pieces_of([part]))
            self._told(len(part))
        if digest_of_digests(digests) != leaf.digest:
            raise self.damaged(leaf.member)

    def head_of(self, leaf: LeafEntry) -> bytes:
        """Return the head of a leaf of this file."""
        return self._source.read(leaf.offset, leaf.offset + leaf.head)

    def parts_of(self, leaf: LeafEntry, skip: int = 0) -> Iterator[bytes]:
        """Give the bytes of a leaf of this file but for the first ones, not verified."""
        end = leaf.offset + leaf.size
        for start in range(leaf.offset + skip, end, _BATCH):
            yield self._source.read(start, min(start + _BATCH, end))

    def mapped(self, leaf: LeafEntry) -> memoryview:
        """Return the part of the file that is a leaf; what is changed of it stays in memory."""
        if self._map is None:
            with self.path.open("rb") as file:
                self._map = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        return self._map[leaf.offset : leaf.offset + leaf.size]

    def damaged(self, what: str) -> ArchiveError:
        """Return what to raise when a part of the file is not what it was."""
        return ArchiveError(f"{self.path.name} is damaged ({what}).", hint=_DAMAGED)


def _opened(path: Path) -> tuple[LocalSource, tuple[Manifest, bytes, str]]:
    source = LocalSource(path)
    try:
        return source, read_manifest(path)
    except BaseException:
        source.close()
        raise
