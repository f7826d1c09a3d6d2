"""Variables of a file as files that other programs open."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colabpanel.errors import ColabPanelError, InputError, JobCancelledError
from colabpanel.progress import Progress
from colabpanel.services.disks import FULL, disk_errors_in_words
from colabpanel.services.files import sweep
from colabpanel.services.mounts import insist_on_drive
from colabpanel.services.paths import resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.snapshots.catalog import contents
from colabpanel.services.snapshots.service import load

__all__ = ["ExportedData", "export_snapshot"]

Write = Callable[[Path], None]


@dataclass(frozen=True)
class ExportedData:
    """What an export has done.

    Attributes:
        status: ``ok``, or ``partial`` when any variable was skipped.
        directory: The folder.
        files: What was written.
        skipped: Variables of which there is no file, each with the reason.
    """

    status: str
    directory: Path
    files: tuple[Path, ...]
    skipped: tuple[Skipped, ...]


def export_snapshot(
    path: str | Path,
    directory: str | Path,
    *,
    names: Iterable[str] | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> ExportedData:
    """Write the variables of a file as files of their own: ``.npy``, ``.parquet`` or ``.csv``, ``.png``, ``.json``.

    Nothing in the file is run. Files of these names in the folder are replaced.

    Args:
        path: A snapshot, or another file that `load` reads.
        directory: The folder to write into; made if it does not exist.
        names: Only these variables; None exports all.
        root: Refuse paths outside of this folder.
        progress: Is told the bytes read, and may cancel.

    Raises:
        InputError: A path cannot be used, or the file is damaged.
        StorageError: The disk failed; what was written before is whole.
    """
    folder = resolve_inside(root, directory)
    wanted = _wanted(path, names, root, progress)
    files, skipped = list[Path](), list[Skipped]()
    with disk_errors_in_words():
        insist_on_drive(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in wanted:
            try:
                value = load(path, names=[name], root=root, progress=progress)[name]
                files.append(_export(folder, name, value, files))
            except JobCancelledError:
                raise
            except ColabPanelError as error:
                skipped.append(Skipped(name, error.message))
            except OSError as error:
                if error.errno in FULL:
                    raise
                skipped.append(Skipped(name, f"It cannot be written: {error}."))
            except Exception as error:  # noqa: BLE001 - whatever a library says of one variable, the others go on
                skipped.append(Skipped(name, f"It cannot be written: {error}."))
    return ExportedData("partial" if skipped else "ok", folder, tuple(files), tuple(skipped))


def _export(folder: Path, name: str, value: Any, files: list[Path]) -> Path:
    """Write one variable, under a name that none of these files has."""
    found = _writer_of(value)
    if found is None:
        raise InputError(f"There is no common kind of file for {type(value).__name__}.")
    suffix, write = found
    stem, taken = _file_name(name), {file.name.lower() for file in files}
    names = (f"{stem}{'' if number == 1 else f'-{number}'}{suffix}" for number in itertools.count(1))
    return _write_beside(folder / next(one for one in names if one.lower() not in taken), write)


def _wanted(
    path: str | Path, names: Iterable[str] | None, root: str | Path | None, progress: Progress | None
) -> list[str]:
    found = contents(path, root=root, progress=progress).variables
    if names is None:
        return [variable.name for variable in found if variable.status == "saved"]
    wanted, held = [names] if isinstance(names, str) else list(names), [variable.name for variable in found]
    if wanted and not set(wanted) & set(held):
        raise InputError(
            f"{Path(path).name} holds no variable called {wanted[0]!r}.", hint=f"It holds: {', '.join(held[:20])}."
        )
    return wanted


def _file_name(name: str) -> str:
    """Return a name that is one on every disk; tensors of a state dict are called like ``layer.0/weight``."""
    return re.sub(r"[^\w.\-]", "_", name).strip(".") or "_"


def _write_beside(path: Path, write: Write) -> Path:
    sweep(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _writer_of(value: Any) -> tuple[str, Write] | None:
    """Return the ending of a file for a value, and what writes it; None where there is none."""
    library = type(value).__module__.partition(".")[0]
    if library == "pandas" and hasattr(value, "to_csv"):
        return _frame(value)
    if library == "polars" and hasattr(value, "write_parquet"):
        return ".parquet", value.write_parquet
    if library == "PIL" and hasattr(value, "save"):
        return ".png", lambda path: value.save(path, format="PNG")
    array = _as_array(value, library)
    if array is not None:
        return ".npy", lambda path: _save_array(path, array)
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False)
        json.loads(text, object_pairs_hook=_insist_on_names)
    except (TypeError, ValueError, RecursionError):
        return None
    return ".json", lambda path: _save_text(path, text)


def _insist_on_names(pairs: list[tuple[str, Any]]) -> None:
    """Refuse what has two members of one name, as ``{1: "a", "1": "b"}`` would: programs read only the last."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("two of one name")


def _frame(value: Any) -> tuple[str, Write]:
    try:
        import pyarrow as pa
    except ImportError:
        pa = None
    if pa is None or not hasattr(value, "to_parquet"):
        return ".csv", value.to_csv

    def write(path: Path) -> None:
        value.to_parquet(path, engine="pyarrow")

    return ".parquet", write


def _as_array(value: Any, library: str) -> Any:
    """Return an array of NumPy that holds the same numbers, or None."""
    if library == "torch" and hasattr(value, "detach"):
        value = value.detach()
        return value.float().numpy() if "bfloat16" in str(value.dtype) else value.numpy()
    numpy = sys.modules.get("numpy")
    if numpy is not None and (isinstance(value, numpy.generic) or type(value) in {numpy.ndarray, numpy.recarray}):
        return None if value.dtype.hasobject else value
    if numpy is not None and isinstance(value, list) and value and all(type(one) is numpy.ndarray for one in value):
        alike = len({(one.dtype, one.shape) for one in value}) == 1 and not value[0].dtype.hasobject
        return numpy.stack(value) if alike else None
    return None


def _save_array(path: Path, array: Any) -> None:
    import numpy as np

    with path.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def _save_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")
