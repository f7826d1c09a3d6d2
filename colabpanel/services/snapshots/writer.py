"""Writing a snapshot: skeletons first, so all sizes are known; then leaves; then what is where."""

from __future__ import annotations

import bisect
import hashlib
import os
import platform
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from colabpanel.errors import InputError, SpaceError
from colabpanel.progress import Progress
from colabpanel.services.files import existing_parent, free_bytes, sweep, sync_folder
from colabpanel.services.mounts import is_remote
from colabpanel.services.snapshots.arrays import ArrayRow, plan_arrays
from colabpanel.services.snapshots.capture import Capture, Leaf
from colabpanel.services.snapshots.container import ContainerWriter
from colabpanel.services.snapshots.fingerprint import Fingerprints
from colabpanel.services.snapshots.lanes import Lanes
from colabpanel.services.snapshots.manifest import LARGEST, MANIFEST, SIGNATURE, LeafEntry, Manifest, SkeletonEntry
from colabpanel.services.snapshots.models import SavedVariable
from colabpanel.services.snapshots.pickling import Skeleton
from colabpanel.services.snapshots.reader import SnapshotReader
from colabpanel.services.snapshots.trust import signature_of

if TYPE_CHECKING:
    from colabpanel.services.snapshots.base import BaseLeaves

__all__ = ["Draft", "draft_of", "published", "seal", "sizes_of", "write_snapshot"]

_LIBRARIES = ("colabpanel", "numpy", "pandas", "polars", "pyarrow", "torch", "jax", "tensorflow", "scipy", "PIL")
_SPARE = 16 << 20  # bytes that shall stay free on the disk


class Draft(NamedTuple):
    """All that will be written, before a byte of it is.

    Attributes:
        skeletons: The pickles.
        leaves: By number; None for one that nothing uses.
        array_leaves: The number of the first leaf that holds arrays.
        arrays: Where arrays are.
        firsts: The number of the first array of each row.
        fingerprints: Of the variables, as they are now.
    """

    skeletons: list[Skeleton]
    leaves: list[Leaf | None]
    array_leaves: int
    arrays: list[ArrayRow]
    firsts: list[int]
    fingerprints: Fingerprints

    @property
    def size(self) -> int:
        """Bytes of it all; about, where some leaf does not know."""
        return sum(leaf.size for leaf in self.leaves if leaf) + sum(skeleton.size for skeleton in self.skeletons)

    def leaves_of(self, skeleton: Skeleton) -> set[int]:
        """Return the numbers of the leaves that a skeleton needs."""
        return skeleton.used.leaves | {self.array_leaves + self.arrays[row].leaf for row in self.rows_of(skeleton)}

    def rows_of(self, skeleton: Skeleton) -> list[int]:
        """Return which of ``arrays`` a skeleton needs, in order."""
        firsts = self.firsts
        numbers = skeleton.used.arrays | skeleton.used.stacks
        return sorted({bisect.bisect_right(firsts, number) - 1 for number in numbers})


def draft_of(skeletons: list[Skeleton], capture: Capture, fingerprints: Fingerprints) -> Draft:
    """Lay out what skeletons need."""
    leaves = {number for skeleton in skeletons for number in skeleton.used.leaves}
    arrays = sorted({number for skeleton in skeletons for number in skeleton.used.arrays})
    stacks = sorted({number for skeleton in skeletons for number in skeleton.used.stacks})
    rows, array_leaves = plan_arrays(
        {number: capture.arrays[number] for number in arrays}, {number: capture.stacks[number] for number in stacks}
    )
    others = [leaf if number in leaves else None for number, leaf in enumerate(capture.leaves)]
    rows = [row._replace(private=row.stacked is None and row.first in capture.private) for row in rows]
    return Draft(skeletons, [*others, *array_leaves], len(others), rows, [row.first for row in rows], fingerprints)


def write_snapshot(
    path: Path,
    draft: Draft,
    variables: Mapping[str, SavedVariable],
    base: BaseLeaves | None,
    progress: Progress,
    *,
    changing: bool,
) -> tuple[int, int]:
    """Write a snapshot beside its place, verify it, and put it there.

    Args:
        path: Its place.
        draft: What it will hold.
        variables: What becomes of each variable.
        base: What need not be written again.
        progress: Is told the bytes written, and may cancel.
        changing: Whether the memory of the variables may change meanwhile.

    Returns:
        Its bytes, and those that the base has already.

    Raises:
        SpaceError: It does not fit on the disk.
        OSError: The disk refused; what was there before still is.
    """
    _insist_on_room(path, draft.size if base is None else 0)
    progress.start(draft.size, "Saving")
    with published(path, progress) as handle, ContainerWriter(handle, progress.advance, changing=changing) as writer:
        manifest, reused = _write_all(writer, draft, variables, base, progress)
        size = seal(writer, manifest, signed=True)
    return size, reused


def seal(writer: ContainerWriter, manifest: Manifest, *, signed: bool) -> int:
    """Write what is where, with the signature of this user or none; returns the size of the file."""
    data = manifest.to_json()
    if len(data) > LARGEST:
        raise InputError(
            "There are too many arrays and images in these variables for one snapshot.",
            hint="Save fewer variables at a time, or put small arrays into one large array.",
        )
    writer.add(MANIFEST, [data])
    writer.add(SIGNATURE, [signature_of(data).encode() if signed else b"none"])
    return writer.close()


@contextmanager
def published(path: Path, progress: Progress) -> Iterator[int]:
    """Open a file to write a snapshot into, and put it into its place when that is done.

    Raises:
        ArchiveError: On Drive or a network, it does not read back as it was written.
        OSError: The disk refused; what was there before still is.
    """
    with _beside(path) as (temporary, handle):
        yield handle
        os.fsync(handle)
        if is_remote(path):
            _read_back(temporary, progress)
        progress.start(None, "Putting it into place", cancellable=False)
        temporary.replace(path)
        sync_folder(path.parent)


def _insist_on_room(path: Path, size: int) -> None:
    free = free_bytes(existing_parent(path.parent))
    if size + _SPARE > free:
        from colabpanel import words

        raise SpaceError(
            f"The snapshot takes {words.size(size)}, and {words.size(free)} are free there.",
            hint="Choose fewer variables or another disk, or build on an earlier snapshot with base=.",
        )


@contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, int]]:
    """Open a file beside a path; it is removed if it is still there in the end, by us or by whoever dumps next."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        yield temporary, handle
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def _write_all(
    writer: ContainerWriter,
    draft: Draft,
    variables: Mapping[str, SavedVariable],
    base: BaseLeaves | None,
    progress: Progress,
) -> tuple[Manifest, int]:
    skeletons = [_write_skeleton(writer, number, draft) for number in range(len(draft.skeletons))]
    leaves, reused = list[LeafEntry | None](), 0
    for number, leaf in enumerate(draft.leaves):
        entry = _known(writer, leaf, base) if leaf is not None and base is not None else None
        if entry is not None:
            reused += entry.size
            progress.advance(entry.size)
        elif leaf is not None:
            name = f"leaves/{number}{leaf.suffix}"
            entry = LeafEntry(*writer.add(name, leaf.parts(), leaf.head), name, head=len(leaf.head))
        leaves.append(entry)
    manifest = Manifest(
        id=uuid.uuid4().hex,
        created=time.time(),
        versions=_versions(),
        variables=tuple(variables.values()),
        skeletons=tuple(skeletons),
        leaves=tuple(leaves),
        array_leaves=draft.array_leaves,
        arrays=tuple(draft.arrays),
        bases=base.used if base is not None else (),
        fingerprints=draft.fingerprints,
    )
    return manifest, reused


def _write_skeleton(writer: ContainerWriter, number: int, draft: Draft) -> SkeletonEntry:
    skeleton, hashed = draft.skeletons[number], hashlib.sha256()
    for chunk in skeleton.chunks:
        hashed.update(chunk)
    written = writer.add(f"skeletons/{number}.pkl", skeleton.chunks)
    buffers, rows = tuple(skeleton.buffers), tuple(draft.rows_of(skeleton))
    return SkeletonEntry(skeleton.names, written.offset, written.size, hashed.hexdigest(), buffers, rows)


def _known(writer: ContainerWriter, leaf: Leaf, base: BaseLeaves) -> LeafEntry | None:
    """Return where a base holds the same leaf; it is looked at only if there is one of the same size."""
    if not base.may_have(leaf.size + len(leaf.head), exact=leaf.exact):
        return None
    return base.find(writer.digest(leaf.parts(), leaf.head))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in _LIBRARIES}
    return found | {name: str(version) for name, version in loaded.items() if version}


def _read_back(path: Path, progress: Progress) -> None:
    """Read what was written to Drive or a network, and compare."""
    with Lanes() as lanes, SnapshotReader(path, lanes, progress.advance) as reader:
        own = [leaf for leaf in reader.manifest.leaves if leaf is not None and leaf.base is None]
        progress.start(sum(leaf.size for leaf in own), "Verifying")
        for entry in reader.manifest.skeletons:
            reader.skeleton(entry)
        for leaf in own:
            reader.verify(leaf)


def sizes_of(draft: Draft) -> dict[str, int]:
    """Return the bytes that each variable takes; what several use counts for the first of them."""
    counted, sizes = set[int](), dict[str, int]()
    for skeleton in draft.skeletons:
        needed: set[int] = draft.leaves_of(skeleton) - counted
        counted |= needed
        size = skeleton.size + sum(leaf.size for number in needed if (leaf := draft.leaves[number]) is not None)
        sizes.update({name: size if name == skeleton.names[0] else 0 for name in skeleton.names})
    return sizes
