"""What kind of file of variables one is, by its content."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from colabpanel.errors import ArchiveError
from colabpanel.services.snapshots.manifest import MANIFEST, UNREADABLE
from colabpanel.services.sources import LocalSource

__all__ = ["kind_of"]

_NPY, _ZIP, _PARQUET = b"\x93NUMPY", b"PK\x03\x04", b"PAR1"
_HEAD = 16
_KINDS = "snapshots, pickles, .npy, .npz, Parquet and safetensors files"


def kind_of(path: Path) -> str:
    """Return ``snapshot``, ``npz``, ``npy``, ``parquet``, ``safetensors`` or ``pickle``, by the content.

    Raises:
        ArchiveError: It is none of these.
        PathError: There is no such file.
    """
    source = LocalSource(path)
    try:
        head, size = source.read(0, _HEAD), source.size
    finally:
        source.close()
    if head.startswith(_ZIP):
        return _kind_of_zip(path)
    if head.startswith(_NPY):
        return "npy"
    if head.startswith(_PARQUET):
        return "parquet"
    if len(head) > 8 and struct.unpack("<Q", head[:8])[0] < size and head[8:9] == b"{":  # noqa: PLR2004 - its header
        return "safetensors"
    if head[:1] == b"\x80" or (head and path.suffix in {".pkl", ".pickle", ".p"}):
        return "pickle"
    raise ArchiveError(f"{path.name} is not a file of variables.", hint=f"colabpanel loads {_KINDS}.")


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except UNREADABLE as error:
        raise ArchiveError(f"{path.name} is damaged.", hint="Use another copy of it.") from error
    if MANIFEST in names:
        return "snapshot"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    raise ArchiveError(
        f"{path.name} is an archive of files.", hint="Stage it in the Data staging tab, or with stage()."
    )
