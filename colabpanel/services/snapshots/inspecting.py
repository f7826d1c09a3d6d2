"""Looking into files of variables, in a child process: nothing is loaded, and no library of the user's either."""

from __future__ import annotations

import ast
import json
import os
import re
import struct
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from colabpanel.errors import ArchiveError, ColabPanelError, PathError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.paths import real_root, resolve_inside
from colabpanel.services.snapshots.folder import snapshots_in
from colabpanel.services.snapshots.foreign import kind_of
from colabpanel.services.snapshots.manifest import UNREADABLE, read_manifest
from colabpanel.services.snapshots.models import SavedVariable
from colabpanel.services.snapshots.unpickling import unknown_names

__all__ = ["contents_here", "list_here"]

_LARGEST_HEADER, _LARGEST_NPY_HEADER = 100 << 20, 64 << 10
_SCANNED = 256 << 20  # bytes of a pickle that is looked through


def contents_here(path: str, root: str | None, progress: Progress) -> dict[str, Any]:
    """Return what a file holds: of `Contents` what JSON can say, and the manifest with its signature.

    Raises:
        InputError: It is no file of variables, or damaged.
    """
    file = resolve_inside(real_root(root), path)
    with disk_errors_in_words():
        kind = kind_of(file)
        told: dict[str, Any] = {"path": os.fspath(file), "kind": kind, "size": file.stat().st_size}
        if kind != "snapshot":
            progress.advance(0)
            return told | {"variables": [asdict(variable) for variable in _variables(file, kind)]}
        manifest, data, signature = read_manifest(file)
    return told | {
        "variables": [asdict(variable) for variable in manifest.variables],
        "created": manifest.created,
        "versions": manifest.versions,
        "bases": [name for name, _ in manifest.bases],
        "manifest": data.decode(),
        "signature": signature,
    }


def list_here(folder: str, root: str | None, progress: Progress) -> list[dict[str, Any]]:
    """Return the snapshots of a folder, newest first; one that cannot be read comes with the reason.

    Raises:
        InputError: The folder cannot be listed.
    """
    found, place = [], resolve_inside(real_root(root), folder)
    with disk_errors_in_words():
        if not place.is_dir():
            raise PathError(f"{folder} is no folder.", hint="Save variables into it first, or choose another one.")
        for path in snapshots_in(place):
            progress.advance(0)
            told: dict[str, Any] = {"path": os.fspath(path), "size": path.stat().st_size}
            try:
                manifest, _, _ = read_manifest(path)
            except ColabPanelError as error:
                told["problem"] = error.message
            else:
                names = [variable.name for variable in manifest.variables if variable.status == "saved"]
                told |= {"created": manifest.created, "names": names, "bases": [name for name, _ in manifest.bases]}
            found.append(told)
    return found


def _variables(path: Path, kind: str) -> list[SavedVariable]:
    size = path.stat().st_size
    try:
        if kind == "pickle":
            needs = tuple(unknown_names(path.read_bytes())) if size <= _SCANNED else None
            return [SavedVariable(path.stem, "saved", "pickle", "", size, needs=needs)]
        if kind == "npy":
            with path.open("rb") as stream:
                return [_array(path.stem, stream, size)]
        if kind == "npz":
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
                return [_array(i.filename.removesuffix(".npy"), archive.open(i), i.file_size) for i in infos]
        if kind == "safetensors":
            return _tensors(path)
    except (*UNREADABLE, IndexError, SyntaxError, struct.error) as error:
        raise ArchiveError(f"{path.name} is damaged.", hint="Use another copy of it.") from error
    return [SavedVariable(path.stem, "saved", "pandas.DataFrame", "", size)]


def _array(name: str, stream: IO[bytes], size: int) -> SavedVariable:
    """Read the header of an ``.npy`` file."""
    with stream:
        head = stream.read(12)
        length = struct.unpack("<H", head[8:10])[0] if head[6] == 1 else struct.unpack("<I", head[8:12])[0]
        if length > _LARGEST_NPY_HEADER:
            raise ValueError("header")
        rest = (head[10:] if head[6] == 1 else b"") + stream.read(length)
    fields = ast.literal_eval(rest[:length].decode("latin1"))
    shape = " x ".join(f"{extent:,}" for extent in fields["shape"]) or "scalar"
    descr = fields["descr"]
    is_object = isinstance(descr, str) and re.fullmatch(r"\|?O\d*", descr) is not None
    return SavedVariable(
        name, "saved", "numpy.ndarray", f"{shape} {descr}", size, needs=("pickle",) if is_object else ()
    )


def _tensors(path: Path) -> list[SavedVariable]:
    with path.open("rb") as stream:
        length = struct.unpack("<Q", stream.read(8))[0]
        if length > _LARGEST_HEADER:
            raise ValueError("header")
        header = json.loads(stream.read(length))
    found = []
    for name, told in header.items():
        if name != "__metadata__":
            start, end = told["data_offsets"]
            shape = " x ".join(f"{extent:,}" for extent in told["shape"]) or "scalar"
            found.append(SavedVariable(name, "saved", "tensor", f"{shape} {told['dtype']}", end - start))
    return found
