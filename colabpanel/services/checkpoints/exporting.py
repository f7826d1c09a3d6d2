"""The weights of a checkpoint as a safetensors file, which everything opens: of the same size, or half of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.errors import ArchiveError, InputError, PathError, SpaceError
from colabpanel.progress import Progress
from colabpanel.services.checkpoints.comparing import find_checkpoint
from colabpanel.services.checkpoints.files_of import problem_in
from colabpanel.services.checkpoints.found.headers import safetensors_of
from colabpanel.services.checkpoints.frameworks._base import reason_of
from colabpanel.services.checkpoints.models import Checkpoint
from colabpanel.services.checkpoints.weights import weights_of
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.files import free_bytes, sweep, sync_folder
from colabpanel.services.mounts import insist_on_drive
from colabpanel.services.optional import optional
from colabpanel.services.paths import resolve_inside
from colabpanel.services.waiting import apart

__all__ = ["ExportedCheckpoint", "export_checkpoint"]

_TYPES = {"float16": "float16", "fp16": "float16", "bfloat16": "bfloat16", "float32": "float32"}
_WIDTHS = {"float16": 2, "bfloat16": 2, "float32": 4}


@dataclass(frozen=True)
class ExportedCheckpoint:
    """What an export has done.

    Attributes:
        path: The file.
        tensors: How many are in it.
        size: Bytes of the file.
        converted: How many of them have another type than in the checkpoint.
        overflowed: How many of those hold numbers that are too large for it, and are infinite now.
    """

    path: Path
    tensors: int
    size: int
    converted: int
    overflowed: int = 0


def export_checkpoint(
    directory: str | Path,
    which: str | int,
    target: str | Path,
    *,
    dtype: str | None = None,
    monitor: str | None = None,
    mode: str = "auto",
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> ExportedCheckpoint:
    """Write the weights of a checkpoint, of whatever kind, as a safetensors file.

    Args:
        directory: The folder of checkpoints.
        which: See `find_checkpoint`.
        target: The file to write; a safetensors file of this name is replaced when the new one is whole.
        dtype: ``float16`` or ``bfloat16`` for half the size, ``float32``; None keeps the types.
        monitor: The metric that tells which is best.
        mode: See `Checkpoints`.
        root: Refuse paths outside of this folder.
        progress: May cancel.

    Raises:
        InputError: There is no such checkpoint, it is damaged, or its weights cannot be read without running code.
        SpaceError: There is not enough memory or disk for them.
        MissingLibraryError: safetensors or the library to read them is not installed.
        StorageError: The disk failed; what was there before is untouched.
    """
    progress = progress or Progress()
    if dtype is not None and dtype not in _TYPES:
        raise InputError(f"{dtype!r} is no type to export to.", hint='Write dtype="float16", or leave it out.')
    found = find_checkpoint(directory, which, monitor=monitor, mode=mode, root=root, progress=progress)

    def work(relay: Progress) -> ExportedCheckpoint:
        path = _target(target, root)
        _insist_on_whole(found, relay)
        relay.start(None, "Reading the weights", unit="tensors")
        weights = weights_of(found)
        relay.advance(len(weights))
        _insist_on_room(path, weights, _TYPES[dtype] if dtype else None)
        converted = {name: _converted(value, _TYPES[dtype] if dtype else None) for name, value in weights.items()}
        relay.start(None, "Writing", unit="tensors", cancellable=False)
        _write(path, converted)
        changed = sum(str(value.dtype) != str(weights[name].dtype) for name, value in converted.items())
        infinite = sum(_is_infinite(value) and not _is_infinite(weights[name]) for name, value in converted.items())
        return ExportedCheckpoint(path, len(weights), path.stat().st_size, changed, infinite)

    with disk_errors_in_words():
        return apart(work, progress)


def _insist_on_whole(checkpoint: Checkpoint, progress: Progress) -> None:
    """Refuse one of ours whose files are not what was saved; others do not tell what they should be."""
    progress.start(None, "Verifying", unit="files")
    problem = problem_in(checkpoint.path, checkpoint)
    if problem:
        raise ArchiveError(f"{checkpoint.name} is damaged: {problem}.", hint="Choose another checkpoint.")


def _insist_on_room(path: Path, weights: Mapping[str, Any], dtype: str | None) -> None:
    """Refuse weights for which there is no room: a small file may repeat one number as often as it likes."""
    import psutil

    size = sum(_size_of(value, dtype) for value in weights.values())
    _insist_on_disk(path, size)
    free = psutil.virtual_memory().available
    if size > free:
        raise SpaceError(
            f"The weights take {words.size(size)} of memory, and {words.size(free)} are free.",
            hint="Free some memory, or export as float16.",
        )


def _size_of(value: Any, dtype: str | None) -> int:
    """Return the bytes of a tensor or array on its own, once it is converted."""
    is_tensor = hasattr(value, "is_floating_point")
    numbers, width = (value.numel(), value.element_size()) if is_tensor else (value.size, value.dtype.itemsize)
    return int(numbers * (_WIDTHS[dtype] if dtype and _has_fractions(value) else width))


def _has_fractions(value: Any) -> bool:
    if hasattr(value, "is_floating_point"):
        return bool(value.is_floating_point())
    return "float" in str(value.dtype)  # that of JAX's bfloat16 says so, while its kind does not


def _insist_on_disk(path: Path, size: int) -> None:
    free = free_bytes(path.parent)
    if size > free:
        raise SpaceError(
            f"The file takes {words.size(size)}, and {words.size(free)} are free there.",
            hint="Choose another disk, or export as float16.",
        )


def _target(target: str | Path, root: str | Path | None) -> Path:
    path = resolve_inside(root, target)
    insist_on_drive(path)
    if path.is_dir():
        raise PathError(f"{target} is a folder.", hint="Write the name of a file, as weights.safetensors.")
    try:
        if path.exists():
            safetensors_of(path)
    except ArchiveError:
        raise PathError(f"{target} is there, and is no safetensors file.", hint="Choose another name.") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _converted(value: Any, dtype: str | None) -> Any:
    """Return a tensor or array of its own memory, of a type if it holds numbers with fractions."""
    if hasattr(value, "is_floating_point"):
        import torch

        wanted = getattr(torch, dtype) if dtype and _has_fractions(value) else value.dtype
        return value.detach().to(wanted).contiguous().clone()
    import numpy as np

    if dtype and _has_fractions(value):
        if dtype == "bfloat16" and str(value.dtype) != dtype:
            raise InputError("Arrays of NumPy have no bfloat16.", hint='Write dtype="float16".')
        value = value.astype(value.dtype if dtype == "bfloat16" else dtype)
    return np.asarray(value, order="C")  # safetensors writes what is in memory, whatever its layout


def _is_infinite(value: Any) -> bool:
    """Whether any number in a tensor or array is infinite."""
    if hasattr(value, "is_floating_point"):
        return bool(value.is_floating_point() and value.isinf().any())
    import numpy as np

    return _has_fractions(value) and bool(np.isinf(value).any())


def _write(path: Path, weights: Mapping[str, Any]) -> None:
    is_torch = any(hasattr(value, "is_floating_point") for value in weights.values())
    library = optional("safetensors.torch" if is_torch else "safetensors.numpy", "exporting weights")
    _insist_on_disk(path, sum(value.nbytes for value in weights.values()))
    sweep(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        try:
            library.save_file(dict(weights), temporary)
        except OSError:
            raise
        except Exception as error:
            raise InputError(
                f"The weights cannot be written as safetensors ({reason_of(error)}).",
                hint="That is for dense numbers; use the library that wrote them.",
            ) from error
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
