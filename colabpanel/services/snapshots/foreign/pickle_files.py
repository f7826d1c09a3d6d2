"""Pickles of others, of which a file may hold several."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from itertools import count
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, TrustError
from colabpanel.services.optional import optional
from colabpanel.services.snapshots.foreign.several import after_whole_ones, damaged_part, is_padding, numbered
from colabpanel.services.snapshots.models import SavedVariable
from colabpanel.services.snapshots.scan import scan
from colabpanel.services.snapshots.unpickling import unknown_in, unpickle_next

__all__ = ["SCANNED", "describe_pickles", "read_pickles"]

SCANNED = 256 << 20
"""Bytes of a file that is looked through for what its pickles would run."""

_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_JOBLIB = re.compile(rb"joblib\.numpy_pickle(\n|\x94\x8c\x11)NumpyArrayWrapper")


def describe_pickles(path: Path) -> list[SavedVariable]:
    """Return what a file of pickles holds, without running any of it.

    Raises:
        ArchiveError: Not even the first is whole.
    """
    size = path.stat().st_size
    if size > SCANNED:
        return [SavedVariable(path.stem, "saved", "pickle", "", size, needs=None)]
    data, found, at = path.read_bytes(), list[SavedVariable](), 0
    if _is_joblib(data):
        return [SavedVariable(path.stem, "saved", "joblib", "", size, needs=(_WRAPPER,))]
    while not _is_over(data, at):
        name = numbered(path.stem, len(found) + 1)
        try:
            wanted = scan(data, at)
        except ArchiveError:
            if not found:
                raise
            return [*found, damaged_part(name, len(data) - at, "pickle")]
        found.append(SavedVariable(name, "saved", "pickle", "", wanted.end - at, needs=tuple(unknown_in(wanted))))
        at = wanted.end
    return found


def read_pickles(path: Path, wanted: Collection[str] | None, *, trusted: bool) -> dict[str, Any]:
    """Return the objects of a file of pickles: called like the file, and from the second one on with a number.

    Raises:
        TrustError: One that is wanted would run what nobody vouches for.
        ArchiveError: One that is wanted is damaged.
    """
    data, found = path.read_bytes(), dict[str, Any]()
    if _is_joblib(data):
        return {path.stem: _read_joblib(path, trusted=trusted)}
    stream = io.BytesIO(data)
    for number in count(1):
        if _is_over(data, stream.tell()) or (wanted is not None and found.keys() >= set(wanted)):
            return found
        name = numbered(path.stem, number)
        if wanted is None or name in wanted:
            found[name] = _read_one(stream, path.name if number == 1 else f"{name} in {path.name}", found, trusted)
        else:
            stream.seek(scan(data, stream.tell()).end)
    raise AssertionError("counting ends")


def _read_one(stream: io.BytesIO, what: str, before: dict[str, Any], trusted: bool) -> Any:  # noqa: FBT001 - ours
    try:
        return unpickle_next(stream, trusted=trusted, what=what)
    except ArchiveError as error:
        raise after_whole_ones(error, before) from error


def _is_joblib(data: bytes) -> bool:
    """Whether joblib wrote it, with arrays between the opcodes; not whether it holds a text that says so."""
    if not _JOBLIB.search(data):
        return False
    try:
        return tuple(_WRAPPER.rsplit(".", 1)) in scan(data).names
    except ArchiveError:
        return True


def _is_over(data: bytes, at: int) -> bool:
    return at >= len(data) or (is_padding(data[at : at + 1]) and is_padding(data[at:]))


def _read_joblib(path: Path, *, trusted: bool) -> Any:
    if not trusted:
        raise TrustError(
            f"{path.name} was written by joblib, whose files run code, and is not signed by you.",
            hint="Load it with trusted=True if it is from somebody you trust; code in it can do whatever you can do.",
        )
    try:
        return optional("joblib", "reading this file").load(path)
    except (ImportError, AttributeError) as error:
        raise ArchiveError(
            f"{path.name} needs something that is not here: {error}.",
            hint="Install the library, or define what is missing, then load it again.",
        ) from error
