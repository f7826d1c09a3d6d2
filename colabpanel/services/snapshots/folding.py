"""Taking into a snapshot what it needs of the one it builds on, so that the other can go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from colabpanel.errors import ArchiveError
from colabpanel.progress import Progress
from colabpanel.services.snapshots.container import ContainerWriter
from colabpanel.services.snapshots.lanes import Lanes
from colabpanel.services.snapshots.manifest import LeafEntry
from colabpanel.services.snapshots.reader import SnapshotReader
from colabpanel.services.snapshots.writer import published, seal

__all__ = ["fold_into"]


def fold_into(path: Path, base: Path, progress: Progress) -> None:
    """Write a snapshot anew, with the leaves in it that it had in a base.

    It keeps its identity, and its signature if this user signed it; whatever else is the same.

    Raises:
        ArchiveError: Either is damaged; the snapshot is as it was.
        OSError: The disk refused; so it is then.
    """
    with Lanes() as lanes, SnapshotReader(path, lanes) as reader:
        manifest = reader.manifest
        wanted = sum(leaf.size for leaf in manifest.leaves if leaf is not None)
        progress.start(wanted, f"Copying what {path.name} needs")
        with published(path, progress) as handle, ContainerWriter(handle, progress.advance) as writer:
            skeletons = []
            for number, entry in enumerate(manifest.skeletons):
                written = writer.add(f"skeletons/{number}.pkl", [reader.skeleton(entry)])
                skeletons.append(replace(entry, offset=written.offset))
            names = [name for name, _ in manifest.bases]
            leaves = [
                _copied(reader, writer, number, leaf, gone=names.index(base.name))
                for number, leaf in enumerate(manifest.leaves)
            ]
            bases = tuple(found for found in manifest.bases if found[0] != base.name)
            done = replace(manifest, skeletons=tuple(skeletons), leaves=tuple(leaves), bases=bases)
            seal(writer, done, signed=reader.is_signed)


def _copied(
    reader: SnapshotReader, writer: ContainerWriter, number: int, leaf: LeafEntry | None, *, gone: int
) -> LeafEntry | None:
    if leaf is None:
        return None
    if leaf.base is not None and leaf.base != gone:
        return replace(leaf, base=leaf.base - (leaf.base > gone))
    found, holder = reader.find(number)
    name = f"leaves/{number}{Path(leaf.member).suffix}"
    written = writer.add(name, holder.parts_of(found, found.head), holder.head_of(found))
    if written.digest != leaf.digest:
        raise ArchiveError(f"{holder.path.name} is damaged ({found.member}).", hint="Delete it without folding it in.")
    return LeafEntry(*written, name, head=found.head)
