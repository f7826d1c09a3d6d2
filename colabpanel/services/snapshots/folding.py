"""Taking into a snapshot what it needs of the one it builds on, so that the other can go."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from colabpanel.errors import ArchiveError
from colabpanel.progress import Progress
from colabpanel.services.snapshots.container import ContainerWriter
from colabpanel.services.snapshots.lanes import Lanes
from colabpanel.services.snapshots.manifest import LeafEntry, read_manifest
from colabpanel.services.snapshots.reader import SnapshotReader
from colabpanel.services.snapshots.writer import published, seal

__all__ = ["fold_into"]


def fold_into(path: Path, base: Path, heir: Path | None, progress: Progress) -> None:
    """Write a snapshot anew, with the leaves in it that it had in a base.

    It keeps its identity, and its signature if this user signed it; whatever else is the same.

    Args:
        path: The snapshot.
        base: The one that will go.
        heir: Another one beside it, which has taken over what it needed; what is there is referred to.
        progress: Is told the bytes written, and may cancel.

    Raises:
        ArchiveError: One of them is damaged; the snapshot is as it was.
        OSError: The disk refused; so it is then.
    """
    times = path.stat()
    with ExitStack() as stack:
        lanes = stack.enter_context(Lanes())
        reader = stack.enter_context(SnapshotReader(path, lanes))
        other = stack.enter_context(SnapshotReader(heir, lanes)) if heir is not None else None
        manifest = reader.manifest
        progress.start(sum(leaf.size for leaf in manifest.leaves if leaf), f"Copying what {path.name} needs")
        handle = stack.enter_context(published(path, progress))
        writer = stack.enter_context(ContainerWriter(handle, progress.advance))
        skeletons = []
        for number, entry in enumerate(manifest.skeletons):
            written = writer.add(f"skeletons/{number}.pkl", [reader.skeleton(entry)])
            skeletons.append(replace(entry, offset=written.offset))
        bases = _Bases(reader, read_manifest(base)[0].id, other)
        leaves = tuple(_moved(reader, writer, bases, number) for number in range(len(manifest.leaves)))
        done = replace(manifest, skeletons=tuple(skeletons), leaves=leaves, bases=tuple(bases.now))
        seal(writer, done, signed=reader.is_signed)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # lists tell the newest by it


class _Bases:
    """Which snapshots a leaf may stay in, once one of them is gone, which is told by its id: files are renamed.

    Attributes:
        now: ``(name, id)`` of those that are needed then.
    """

    def __init__(self, reader: SnapshotReader, gone: str, heir: SnapshotReader | None) -> None:
        self._before, self._gone, self._heir = reader.manifest.bases, gone, heir
        self.now: list[tuple[str, str]] = []

    def kept(self, leaf: LeafEntry) -> LeafEntry | None:
        """Return a leaf of another snapshot as it is referred to then; None if it has to be copied."""
        assert leaf.base is not None
        file = self._before[leaf.base]
        if file[1] == self._gone:
            if self._heir is None or not self._heir.has_own(leaf.digest):
                return None
            file = (self._heir.path.name, self._heir.manifest.id)
        if file not in self.now:
            self.now.append(file)
        return replace(leaf, base=self.now.index(file))


def _moved(reader: SnapshotReader, writer: ContainerWriter, bases: _Bases, number: int) -> LeafEntry | None:
    leaf = reader.manifest.leaves[number]
    if leaf is None:
        return None
    kept = None if leaf.base is None else bases.kept(leaf)
    if kept is not None:
        return kept
    found, holder = reader.find(number)
    name = f"leaves/{number}{Path(leaf.member).suffix}"
    written = writer.add(name, holder.parts_of(found, found.head), holder.head_of(found))
    if written.digest != leaf.digest:
        raise ArchiveError(f"{holder.path.name} is damaged ({found.member}).", hint="Delete it without folding it in.")
    return LeafEntry(*written, name, head=found.head)
