"""Files in which several things lie one after another, as whoever appends to them writes them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from colabpanel.errors import ArchiveError
from colabpanel.services.snapshots.models import SavedVariable

__all__ = ["after_whole_ones", "damaged_part", "is_padding", "numbered", "unreadable"]

_SHOWN = 20
_PADDING = b"\0\t\n\r "


def numbered(stem: str, number: int) -> str:
    """Return the name of one of them: the file's own for the first, which is mostly the only one."""
    return stem if number == 1 else f"{stem}_{number}"


def is_padding(rest: bytes) -> bool:
    """Return whether what is left of a file is none of them."""
    return not rest or (rest[0] in _PADDING and not rest.strip(_PADDING))


def damaged_part(name: str, size: int, kind: str) -> SavedVariable:
    """Return what is told of one that is not whole, behind others that are."""
    return SavedVariable(name, "skipped", kind, "", size, "This is damaged or cut short.")


def after_whole_ones(error: ArchiveError, before: Collection[str]) -> ArchiveError:
    """Return an error about one of them that also tells how those before it are loaded."""
    if not before:
        return error
    names = list(before)
    shown = f"{names[:_SHOWN]} and so on" if len(names) > _SHOWN else f"{names}"
    return ArchiveError(error.message, hint=f"{error.hint} What is whole loads with names={shown}.")


def unreadable(path: Path, error: Exception) -> ArchiveError:
    """Return an error with what a library says of a file."""
    said = str(error).rstrip(".") or type(error).__name__
    return ArchiveError(f"{path.name} cannot be read: {said}.", hint="Use another copy of it.")
