"""Names that a folder takes: which are refused, and which one is free."""

from __future__ import annotations

import os
from pathlib import Path

from colabpanel.errors import PathError

__all__ = ["check_name", "free_name"]

_LONGEST = 255
_NOT_SYNCED = {"desktop.ini", "thumbs.db", ".ds_store"}
_MOST_TRIED = 10_000


def check_name(name: str, *, on_drive: bool = False) -> str:
    """Return a name without the spaces around it, if a file or folder can have it.

    Args:
        name: The name.
        on_drive: Whether it is for Google Drive, whose programs leave some names out of what they sync.

    Raises:
        PathError: It cannot, or Drive would not keep it.
    """
    stripped = name.strip()
    trouble = _trouble(stripped) or (_trouble_on_drive(stripped) if on_drive else "")
    if trouble:
        raise PathError(f"A name cannot {trouble}.", hint="Choose another name.")
    return stripped


def _trouble(name: str) -> str:
    if not name:
        return "be empty"
    if name in {".", ".."}:
        return "be only dots"
    if "/" in name or os.sep in name:
        return "hold a slash"
    if not name.isprintable() and any(letter < " " or letter == "\x7f" for letter in name):
        return "hold control characters"
    if len(os.fsencode(name)) > _LONGEST:
        return f"be longer than {_LONGEST} bytes"
    if name.endswith(".colabpanel-part"):
        return "end in .colabpanel-part, as unfinished copies do"
    return ""


def _trouble_on_drive(name: str) -> str:
    folded = name.casefold()
    if folded in _NOT_SYNCED or folded.startswith("~$") or folded.endswith(".tmp"):
        return f"be {name!r} on Drive, which leaves such files out"
    if name.endswith("."):
        return "end in a dot on Drive, which some computers cannot sync"
    return ""


def free_name(folder: Path, name: str) -> str:
    """Return a name like this one that nothing in the folder has: ``photo (2).jpg``.

    Raises:
        PathError: All that were tried are taken.
    """
    stem, ending = os.path.splitext(name)  # noqa: PTH122 - of a name, not of a path
    if stem.endswith(".tar"):
        stem, ending = stem.removesuffix(".tar"), f".tar{ending}"
    for number in range(2, _MOST_TRIED):
        tried = _fitting(stem, f" ({number}){ending}")
        if not os.path.lexists(folder / tried):
            return tried
    raise PathError(f"There are too many names like {name} in {folder}.", hint="Choose another folder.")


def _fitting(stem: str, ending: str) -> str:
    """Join them, the stem cut so that the name is not too long."""
    while stem and len(os.fsencode(stem + ending)) > _LONGEST:
        stem = stem[:-1]
    return stem + ending
