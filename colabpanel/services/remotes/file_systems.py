"""Putting files where fsspec's addresses lead to."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from colabpanel.errors import ColabPanelError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.remotes.models import PutFile
from colabpanel.services.sources.file_systems import file_system_of
from colabpanel.services.sources.spec import SourceSpec

__all__ = ["put_on_file_system"]

_PIECE = 4 << 20
_UNFINISHED = ".colabpanel-part"


def put_on_file_system(file: Path, spec: SourceSpec, progress: Progress, *, overwrite: bool) -> PutFile:
    """Write a file under a hidden name beside its place, compare its size, and give it its name.

    Args:
        file: The file here.
        spec: Where to put it; with a slash at the end of its address, the folder to put it in.
        progress: Is told the bytes, and may cancel; what was there before stays.
        overwrite: Whether to replace a file of that name.

    Raises:
        PathError: The file cannot be used, or the name is taken; nothing was changed.
        MissingLibraryError: What such addresses need is not installed.
        StorageError: It was not written; what was there before stays.
    """
    started = time.monotonic()
    if not file.is_file():
        raise PathError(f"{file} is {'a folder' if file.is_dir() else 'no file'}.", hint="Choose a file.")
    system, path = file_system_of(spec)
    shown = spec.shown
    if spec.url.endswith("/"):
        path, shown = f"{path.rstrip('/')}/{file.name}", f"{shown}{file.name}"
    try:
        if not overwrite:
            _insist_on_free(system, path, shown)
        size = _written(system, file, path, shown, progress)
    except ColabPanelError:
        raise
    except Exception as error:  # every library raises what it likes, and its words may hold secrets
        raise StorageError(
            f"{shown} was not written ({type(error).__name__}).",
            hint="Try again; what was there before is still there.",
        ) from error
    return PutFile(shown, size, "size", time.monotonic() - started)


def _written(system: Any, file: Path, path: str, shown: str, progress: Progress) -> int:
    above, slash, name = path.rpartition("/")
    begun = f"{above}{slash}.{name}{_UNFINISHED}"
    size = file.stat().st_size
    progress.start(size, f"Uploading {file.name}")
    try:
        with file.open("rb") as source, system.open(begun, "wb") as target:
            while data := source.read(_PIECE):
                target.write(data)
                progress.advance(len(data))
        _insist_on_size(system, begun, size, shown)
        progress.start(None, "Giving it its name", unit="steps", cancellable=False)
        system.mv(begun, path)
    except BaseException:
        with contextlib.suppress(Exception):
            system.rm_file(begun)
        raise
    return size


def _insist_on_free(system: Any, path: str, shown: str) -> None:
    if system.exists(path):
        raise PathError(f"{shown} is there already.", hint="Choose another name, or replace it.")


def _insist_on_size(system: Any, path: str, size: int, shown: str) -> None:
    if system.info(path)["size"] != size:
        raise StorageError(f"{shown} has other bytes than the file here: the sizes differ.", hint="Try again.")
