"""What all readers of foreign checkpoints need: JSON that may be anything, libraries, and words for damage."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colabpanel.errors import ArchiveError, ColabPanelError

__all__ = [
    "LARGEST_JSON",
    "damage_in_words",
    "damaged",
    "finite",
    "head_of",
    "is_plain_name",
    "json_of",
    "plain_dtype",
]

LARGEST_JSON = 64 << 20
_HEAD = 512
_KINDS = {"f": "float", "i": "int", "u": "uint", "c": "complex"}


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file, which tell what it is.

    Raises:
        OSError: The disk refused.
    """
    with path.open("rb") as file:
        return file.read(_HEAD)


def json_of(path: Path) -> Any:
    """Return what a JSON file holds, or None where it is missing, malformed or too large."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_JSON + 1)
        return json.loads(data) if len(data) <= LARGEST_JSON else None
    except (OSError, ValueError, RecursionError):
        return None


def finite(value: Any) -> float | None:
    """Return a number that JSON gave as a plain one, or None where it is none or not finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def damaged(path: Path, why: str = "") -> ArchiveError:
    """Return the error for a file that is not what its name says."""
    said = f"{path.name} cannot be read: {why}." if why else f"{path.name} is damaged or cut short."
    return ArchiveError(said, hint="Use another copy of it.")


@contextmanager
def damage_in_words(path: Path) -> Iterator[None]:
    """Turn what a library says of a damaged file into a sentence; errors of the disk stay what they are."""
    try:
        yield
    except ColabPanelError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        first = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise damaged(path, first.rstrip(".")) from error


def plain_dtype(text: str) -> str:
    """Return a type such as ``<f4``, as Zarr writes it, the way NumPy calls it."""
    plain = text.lstrip("<>|=")
    if plain == "b1":
        return "bool"
    kind, digits = plain[:1], plain[1:]
    return f"{_KINDS[kind]}{int(digits) * 8}" if kind in _KINDS and digits in {"1", "2", "4", "8", "16"} else text


def is_plain_name(name: object) -> bool:
    """Whether something is the name of a file in a folder, and leads nowhere else."""
    return isinstance(name, str) and name not in {"", ".", ".."} and not set(name) & {"/", "\\", "\0"}
