"""From a snapshot to variables."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError
from colabpanel.progress import Progress
from colabpanel.services.snapshots.array_reader import ArrayReader
from colabpanel.services.snapshots.codecs import builder_of
from colabpanel.services.snapshots.lanes import Lanes
from colabpanel.services.snapshots.manifest import Manifest, SkeletonEntry
from colabpanel.services.snapshots.reader import SnapshotReader
from colabpanel.services.snapshots.unpickling import Rebuilders, unpickle

__all__ = ["load_snapshot"]


def load_snapshot(
    path: Path, wanted: dict[str, str] | None, lanes: Lanes, *, trusted: bool, in_place: bool, progress: Progress
) -> dict[str, Any]:
    """Return the variables that are wanted, each under its new name.

    Raises:
        TrustError: Something would be run that nobody vouches for.
        InputError: The file is damaged, or has no such variable.
    """
    with SnapshotReader(path, lanes, progress.advance, in_place=in_place) as reader:
        wanted = wanted if wanted is not None else {name: name for name in _saved(reader.manifest)}
        _insist_on(path, reader.manifest, wanted)
        entries = [entry for entry in reader.manifest.skeletons if not wanted.keys().isdisjoint(entry.names)]
        progress.start(_size(reader.manifest, wanted), "Loading")
        builder, loaded = _Builder(reader), dict[str, Any]()
        for entry in entries:
            loaded.update(builder.load(entry, trusted=trusted or reader.is_signed))
    return {new: loaded[old] for old, new in wanted.items()}


class _Builder:
    """Builds variables from the skeletons of a file; what codecs read leaves with."""

    def __init__(self, reader: SnapshotReader) -> None:
        self._reader, self._arrays = reader, ArrayReader(reader)
        self.array, self.rows, self.bytes_of = self._arrays.array, self._arrays.rows, reader.bytes_of

    def load(self, entry: SkeletonEntry, *, trusted: bool) -> dict[str, Any]:
        """Return the variables in a skeleton."""
        data = self._reader.skeleton(entry)
        self._arrays.expect(entry.arrays)
        rebuilders: Rebuilders = {"array": self.array, "build": self._build}
        what = entry.names[0] if len(entry.names) == 1 else f"{entry.names[0]}, which shares objects with others,"
        buffers = map(self.bytes_of, entry.buffers)
        found = unpickle(data, trusted=trusted, what=what, rebuilders=rebuilders, buffers=buffers)
        if not isinstance(found, dict) or not found.keys() >= set(entry.names):
            raise self._reader.damaged("its list of contents")
        return found

    def _build(self, kind: str, *arguments: Any) -> Any:
        return builder_of(kind)(self, *arguments)


def _saved(manifest: Manifest) -> list[str]:
    return [variable.name for variable in manifest.variables if variable.status == "saved"]


def _size(manifest: Manifest, wanted: dict[str, str]) -> int:
    return sum(variable.size for variable in manifest.variables if variable.name in wanted)


def _insist_on(path: Path, manifest: Manifest, wanted: dict[str, str]) -> None:
    known = {name for skeleton in manifest.skeletons for name in skeleton.names}
    missing = [name for name in wanted if name not in known]
    if missing:
        held = ", ".join(sorted(known)[:20]) or "nothing"
        raise InputError(f"{path.name} holds no variable called {missing[0]!r}.", hint=f"It holds: {held}.")
    twice = [name for name, times in Counter(wanted.values()).items() if times > 1]
    if twice:
        raise InputError(f"Two variables cannot both be called {twice[0]!r}.")
