"""Which library wrote a file or a folder, by its name and its first bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path

from colabpanel.services.checkpoints.found.reading import head_of
from colabpanel.services.checkpoints.found.trainer_state import STATE
from colabpanel.services.checkpoints.record import RECORD
from colabpanel.services.snapshots.manifest import UNREADABLE

__all__ = [
    "DCP_METADATA",
    "HDF5",
    "LEGACY_TORCH",
    "ZIP",
    "is_torch_zip",
    "kind_of_file",
    "kind_of_folder",
    "orbax_items",
]

ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
DCP_METADATA = ".metadata"
_TORCH = (".pt", ".pth", ".bin", ".pth.tar")
_ORBAX = {"_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt"}
_ITEMS = ("default", "state")
_NOT_MODELS = ("training_args.bin", "scheduler.pt", "scaler.pt", "rng_state")
"""What the Trainer of Transformers puts beside models."""


def kind_of_file(path: Path) -> str:
    """Return the kind of checkpoint that a file is, or an empty string.

    Raises:
        OSError: The disk refused.
    """
    name = path.name
    if name.endswith((".weights.h5", ".keras")):
        return "keras"
    if name.endswith(".safetensors"):
        return "safetensors"
    if name.endswith((".h5", ".hdf5")):
        return "keras" if head_of(path).startswith(HDF5) else ""
    if name.startswith(_NOT_MODELS) or not name.endswith((".ckpt", *_TORCH)):
        return ""
    head = head_of(path)
    if is_torch_zip(path, head):
        return "lightning" if name.endswith(".ckpt") else "torch"
    return "torch" if head.startswith(LEGACY_TORCH) else ""


def is_torch_zip(path: Path, head: bytes) -> bool:
    """Whether PyTorch wrote a file as an archive; its first member tells, else the list at its end."""
    if not head.startswith(ZIP):
        return False
    length = int.from_bytes(head[26:28], "little")
    if head[30 : 30 + length].endswith(b"/data.pkl"):
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") and name.count("/") == 1 for name in archive.namelist())
    except UNREADABLE:
        return False


def kind_of_folder(folder: Path, names: Collection[str]) -> str:
    """Return the kind of checkpoint that a folder is, or an empty string; ours have none here.

    Args:
        folder: The folder.
        names: What is in it.
    """
    if RECORD in names or ".orbax-checkpoint-tmp" in folder.name:
        return ""
    if STATE in names and "checkpoint" in folder.name:
        return "transformers"
    if DCP_METADATA in names and any(name.endswith(".distcp") for name in names):
        return "dcp"
    return "orbax" if orbax_items(folder, names) else ""


def orbax_items(folder: Path, names: Collection[str]) -> list[Path]:
    """Return the folders in which Orbax keeps the arrays of a checkpoint: itself, or one for each item."""
    found = [] if _ORBAX.isdisjoint(names) else [folder]
    return found + [
        folder / item for item in _ITEMS if item in names and any((folder / item / mark).exists() for mark in _ORBAX)
    ]
