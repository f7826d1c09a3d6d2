"""The earlier snapshot that a new one builds on: leaves that are the same are referred to, not written again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from colabpanel.errors import ArchiveError, InputError
from colabpanel.services.snapshots.folder import SUFFIX
from colabpanel.services.snapshots.manifest import LeafEntry, read_manifest

__all__ = ["BaseLeaves", "beside"]


class BaseLeaves:
    """The leaves of an earlier snapshot, by their digests.

    A leaf that the earlier one took from its own base is referred to there, so no snapshot is read through another.

    Args:
        path: The earlier snapshot.

    Raises:
        ArchiveError: It is no snapshot, or damaged.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        manifest, _, _ = read_manifest(path)
        self._files = [(path.name, manifest.id), *manifest.bases]
        there = [self._held_in(path, number) for number in range(len(self._files))]
        there[0] |= {leaf.digest for leaf in manifest.leaves if leaf is not None and leaf.base is None}
        self._leaves = {
            leaf.digest: leaf
            for leaf in manifest.leaves
            if leaf is not None and leaf.digest in there[0 if leaf.base is None else leaf.base + 1]
        }
        self._sizes = {leaf.size for leaf in self._leaves.values()}
        self._used: list[tuple[str, str]] = []

    def _held_in(self, path: Path, number: int) -> set[str]:
        """Return the digests of what a file further down holds; nothing, if it is not there any more."""
        name, identity = self._files[number]
        if not number:
            return set()
        try:
            found, _, _ = read_manifest(path.with_name(Path(name).name))
        except (ArchiveError, OSError):
            return set()
        held = {leaf.digest for leaf in found.leaves if leaf is not None and leaf.base is None}
        return held if found.id == identity else set()

    @property
    def used(self) -> tuple[tuple[str, str], ...]:
        """``(name, id)`` of the files that hold what was found."""
        return tuple(self._used)

    def may_have(self, size: int, *, exact: bool) -> bool:
        """Whether there can be a leaf of about this size."""
        return size in self._sizes if exact else bool(self._sizes)

    def find(self, digest: str) -> LeafEntry | None:
        """Return where the leaf of a digest is, as the new snapshot refers to it; None where it is not."""
        leaf = self._leaves.get(digest)
        if leaf is None:
            return None
        file = self._files[0 if leaf.base is None else leaf.base + 1]
        if file not in self._used:
            self._used.append(file)
        return replace(leaf, base=self._used.index(file))


def beside(path: Path, base: Path) -> None:
    """Insist that a base lies in the folder of the new snapshot, where it will be looked for.

    Raises:
        InputError: It lies elsewhere.
    """
    if path.parent != base.parent:
        raise InputError(
            f"{base.name} is not in {path.parent}.", hint="A snapshot and the one it builds on must be in one folder."
        )
    for file in (path, base):
        if not file.name.endswith(SUFFIX) or file.name.startswith("."):
            raise InputError(
                f"{file.name} cannot build on another snapshot, nor be built on, with such a name.",
                hint=f"Let it end in {SUFFIX}, so that it is found before the other one is deleted.",
            )
