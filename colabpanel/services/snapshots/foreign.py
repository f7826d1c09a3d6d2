"""Files of variables that others wrote: pickles, NumPy's, Parquet and safetensors."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, ColabPanelError, InputError, TrustError
from colabpanel.progress import Progress
from colabpanel.services.optional import optional
from colabpanel.services.snapshots.manifest import MANIFEST, UNREADABLE
from colabpanel.services.snapshots.unpickling import unpickle
from colabpanel.services.sources import LocalSource

__all__ = ["kind_of", "load_foreign"]

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
    import zipfile

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


def load_foreign(
    path: Path, wanted: dict[str, str] | None, *, trusted: bool, in_place: bool, progress: Progress
) -> dict[str, Any]:
    """Return what is wanted of a file; what has no name in it is called like the file.

    Raises:
        TrustError: Something would be run that nobody vouches for.
        InputError: The file is damaged, or has no such variable.
    """
    progress.start(None, "Loading")
    found = _read(path, kind_of(path), trusted=trusted, in_place=in_place)
    if wanted is None:
        return found
    missing = [name for name in wanted if name not in found]
    if missing:
        held = ", ".join(sorted(found)[:20])
        raise InputError(f"{path.name} holds no variable called {missing[0]!r}.", hint=f"It holds: {held}.")
    return {new: found[old] for old, new in wanted.items()}


def _read(path: Path, kind: str, *, trusted: bool, in_place: bool) -> dict[str, Any]:
    if kind == "pickle":
        return {path.stem: unpickle(path.read_bytes(), trusted=trusted, what=path.name)}
    try:
        if kind in {"npy", "npz"}:
            return _read_numpy(path, kind, trusted=trusted, in_place=in_place)
        if kind == "parquet":
            return {path.stem: optional("pandas", "reading Parquet").read_parquet(path)}
        return _read_tensors(path)
    except ColabPanelError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise ArchiveError(f"{path.name} cannot be read: {error}.", hint="Use another copy of it.") from error


def _read_tensors(path: Path) -> dict[str, Any]:
    """Return the arrays of a safetensors file; tensors, where it holds types that only PyTorch has."""
    try:
        found: dict[str, Any] = optional("safetensors.numpy", "reading safetensors").load_file(path)
    except (TypeError, AttributeError, KeyError):
        found = optional("safetensors.torch", "reading these safetensors").load_file(path)
    return found


def _read_numpy(path: Path, kind: str, *, trusted: bool, in_place: bool) -> dict[str, Any]:
    numpy = optional("numpy", "reading arrays")
    try:
        found = numpy.load(path, mmap_mode="c" if in_place else None, allow_pickle=trusted)
        return {path.stem: found} if kind == "npy" else {name: found[name] for name in found.files}
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise TrustError(
            f"{path.name} holds Python objects, and is not signed by you.",
            hint="Load it with trusted=True if it is from somebody you trust.",
        ) from None
