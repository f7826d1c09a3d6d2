"""The table of contents of a snapshot: what `format.md` in the documentation describes, as JSON."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError
from colabpanel.services.snapshots.arrays import ArrayRow
from colabpanel.services.snapshots.fingerprint import Fingerprints
from colabpanel.services.snapshots.models import SavedVariable

__all__ = [
    "LARGEST",
    "MANIFEST",
    "SIGNATURE",
    "UNREADABLE",
    "LeafEntry",
    "Manifest",
    "SkeletonEntry",
    "read_manifest",
]

_FORMAT, _VERSION = "colabpanel-snapshot", 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
LARGEST, _LONGEST_SIGNATURE = 16 << 20, 1 << 10

_DAMAGED = "Use another copy of it."
_LARGEST_NUMBER = 1 << 62
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    ValueError,
    TypeError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OverflowError,
    AttributeError,
    RecursionError,
)
"""What ``zipfile`` and we raise for files of other kinds, and damaged ones."""


@dataclass(frozen=True)
class SkeletonEntry:
    """A pickle: the variables in it, where its bytes are, the leaves of its buffers, and the rows of its arrays."""

    names: tuple[str, ...]
    offset: int
    size: int
    sha256: str
    buffers: tuple[int, ...] = ()
    arrays: tuple[int, ...] = ()


@dataclass(frozen=True)
class LeafEntry:
    """A leaf: where its bytes are, in this file or in the base of this number; ``head`` of them are for others."""

    offset: int
    size: int
    digest: str
    member: str
    base: int | None = None
    head: int = 0


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds.

    Attributes:
        id: Tells it from every other snapshot.
        created: Seconds since the epoch.
        versions: Of Python and libraries when it was written.
        variables: What became of each variable.
        skeletons: The pickles.
        leaves: By number; None for one that nothing uses.
        array_leaves: The number of the first leaf that holds arrays.
        arrays: Where arrays are.
        bases: ``(name, id)`` of the snapshots beside it that hold leaves of it.
        fingerprints: What tells whether a variable has changed since; files of earlier versions have none.
    """

    id: str
    created: float
    versions: dict[str, str]
    variables: tuple[SavedVariable, ...]
    skeletons: tuple[SkeletonEntry, ...]
    leaves: tuple[LeafEntry | None, ...]
    array_leaves: int
    arrays: tuple[ArrayRow, ...]
    bases: tuple[tuple[str, str], ...] = field(default=())
    fingerprints: Fingerprints = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return it as it stands in the file."""
        told = {
            "format": _FORMAT,
            "version": _VERSION,
            "id": self.id,
            "created": self.created,
            "versions": self.versions,
            "variables": [asdict(variable) for variable in self.variables],
            "skeletons": [asdict(skeleton) for skeleton in self.skeletons],
            "leaves": [None if leaf is None else list(vars(leaf).values()) for leaf in self.leaves],
            "array_leaves": self.array_leaves,
            "arrays": [list(row) for row in self.arrays],
            "bases": self.bases,
            "fingerprints": self.fingerprints,
        }
        return json.dumps(told, separators=(",", ":")).encode()


def _from_json(told: dict[str, Any]) -> Manifest:
    if told["format"] != _FORMAT:
        raise KeyError("format")
    if told["version"] > _VERSION:
        raise ArchiveError("This file was written by a newer colabpanel.", hint="Run: pip install -U colabpanel")

    def variable(found: dict[str, Any]) -> SavedVariable:
        needs = found["needs"]
        return SavedVariable(**{**found, "needs": None if needs is None else tuple(needs)})

    def skeleton(found: dict[str, Any]) -> SkeletonEntry:
        return SkeletonEntry(
            **{
                **found,
                "names": tuple(found["names"]),
                "buffers": tuple(found["buffers"]),
                "arrays": tuple(found["arrays"]),
            }
        )

    def row(found: list[Any]) -> ArrayRow:
        made = ArrayRow(*found)
        strides = None if made.strides is None else tuple(made.strides)
        return made._replace(shape=tuple(made.shape), strides=strides)

    manifest = Manifest(
        id=told["id"],
        created=float(told["created"]),
        versions={str(key): str(value) for key, value in told["versions"].items()},
        variables=tuple(map(variable, told["variables"])),
        skeletons=tuple(map(skeleton, told["skeletons"])),
        leaves=tuple(None if found is None else LeafEntry(*found) for found in told["leaves"]),
        array_leaves=told["array_leaves"],
        arrays=tuple(map(row, told["arrays"])),
        bases=tuple((name, identity) for name, identity in told["bases"]),
        fingerprints=dict(told.get("fingerprints", {})),
    )
    _insist_on_kinds(manifest)
    return manifest


def _stored(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    """Return a member that is not compressed, so no larger than the file."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > largest:
        raise zipfile.BadZipFile(name)
    return archive.read(info)


def _insist_on_kinds(manifest: Manifest) -> None:
    """Refuse a list of contents whose values are not what they should be."""
    numbers: list[object] = [manifest.array_leaves]
    texts: list[object] = [manifest.id, *(part for pair in manifest.bases for part in pair)]
    for skeleton in manifest.skeletons:
        numbers += [skeleton.offset, skeleton.size, *skeleton.buffers, *skeleton.arrays]
        texts += [skeleton.sha256, *skeleton.names]
    for leaf in manifest.leaves:
        if leaf is not None:
            numbers += [leaf.offset, leaf.size, leaf.head, *([] if leaf.base is None else [leaf.base])]
            texts += [leaf.digest, leaf.member]
    for row in manifest.arrays:
        numbers += [row.first, row.leaf, row.offset, *row.shape]
        texts.append(row.dtype)
    for variable in manifest.variables:
        numbers.append(variable.size)
        texts += [variable.name, variable.status, variable.type, variable.shape, variable.note, *(variable.needs or ())]
    if not all(type(number) is int and 0 <= number < _LARGEST_NUMBER for number in numbers):
        raise ValueError("a number")
    if not all(type(text) is str for text in texts):
        raise TypeError("a text")


def read_manifest(path: Path) -> tuple[Manifest, bytes, str]:
    """Return what a snapshot holds, the bytes that say so, and their signature.

    Raises:
        ArchiveError: It is not a snapshot, is damaged, or of a version that is not known here.
        OSError: It cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            data = _stored(archive, MANIFEST, LARGEST)
            signature = _stored(archive, SIGNATURE, _LONGEST_SIGNATURE).decode("ascii", "replace")
        return _from_json(json.loads(data)), data, signature
    except UNREADABLE as error:
        raise ArchiveError(f"{path.name} is not a snapshot, or is damaged.", hint=_DAMAGED) from error
