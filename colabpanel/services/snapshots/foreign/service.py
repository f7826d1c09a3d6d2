"""Looking into files of others, and loading what is wanted of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, ColabPanelError, InputError
from colabpanel.progress import Progress
from colabpanel.services.optional import optional
from colabpanel.services.snapshots.foreign.kinds import kind_of
from colabpanel.services.snapshots.foreign.numpy_files import DAMAGED, describe_npy, describe_npz, read_npy, read_npz
from colabpanel.services.snapshots.foreign.pickle_files import describe_pickles, read_pickles
from colabpanel.services.snapshots.foreign.several import unreadable
from colabpanel.services.snapshots.foreign.tensor_files import describe_tensors, read_tensors
from colabpanel.services.snapshots.models import SavedVariable

__all__ = ["describe_foreign", "load_foreign"]


def _describe_parquet(path: Path) -> list[SavedVariable]:
    return [SavedVariable(path.stem, "saved", "pandas.DataFrame", "", path.stat().st_size)]


_DESCRIBERS: dict[str, Callable[[Path], list[SavedVariable]]] = {
    "npy": describe_npy,
    "npz": describe_npz,
    "parquet": _describe_parquet,
    "pickle": describe_pickles,
    "safetensors": describe_tensors,
}


def describe_foreign(path: Path, kind: str) -> list[SavedVariable]:
    """Return what a file of a kind holds, loading none of it.

    Raises:
        ArchiveError: It is damaged.
    """
    try:
        return _DESCRIBERS[kind](path)
    except ColabPanelError:
        raise
    except DAMAGED as error:
        raise ArchiveError(f"{path.name} is damaged.", hint="Use another copy of it.") from error


def load_foreign(
    path: Path, wanted: dict[str, str] | None, *, trusted: bool, in_place: bool, progress: Progress
) -> dict[str, Any]:
    """Return what is wanted of a file; what has no name in it is called like the file.

    Raises:
        TrustError: Something would be run that nobody vouches for.
        InputError: The file is damaged, or has no such variable.
    """
    progress.start(None, "Loading")
    kind = kind_of(path)
    found = _read(path, kind, wanted, trusted=trusted, in_place=in_place)
    if wanted is None:
        return found
    missing = [name for name in wanted if name not in found]
    if missing:
        held = ", ".join(one.name for one in describe_foreign(path, kind)[:20])
        raise InputError(f"{path.name} holds no variable called {missing[0]!r}.", hint=f"It holds: {held}.")
    return {new: found[old] for old, new in wanted.items()}


def _read(path: Path, kind: str, wanted: Collection[str] | None, *, trusted: bool, in_place: bool) -> dict[str, Any]:
    try:
        if kind == "pickle":
            return read_pickles(path, wanted, trusted=trusted)
        if kind == "npy":
            return read_npy(path, wanted, trusted=trusted, in_place=in_place)
        if kind == "npz":
            return read_npz(path, wanted, trusted=trusted)
        if kind == "parquet":
            return {path.stem: optional("pandas", "reading Parquet").read_parquet(path)}
        return read_tensors(path, wanted)
    except ColabPanelError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise unreadable(path, error) from error
