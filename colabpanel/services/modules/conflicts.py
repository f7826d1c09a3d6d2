"""Names of modules that something else has, too."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

__all__ = ["conflicts_of", "shadows_python"]


def shadows_python(names: Iterable[str]) -> list[str]:
    """Return the names that Python's own library has; those would break whatever imports them."""
    return sorted(set(names) & sys.stdlib_module_names)


def conflicts_of(entry: Path, names: Iterable[str], others: dict[Path, tuple[str, ...]]) -> tuple[str, ...]:
    """Say which names are taken, each in a sentence.

    Args:
        entry: The folder that goes onto the import path.
        names: What can be imported from it.
        others: The folders that were added before, with what can be imported from each.
    """
    names = set(names)
    told = [
        f"{name} is a module of Python itself, so this one is not imported; rename it."
        for name in shadows_python(names)
    ]
    installed = packages_distributions()
    told += [
        f"{name} hides the installed package {installed[name][0]}."
        for name in sorted(names - sys.stdlib_module_names)
        if name in installed and not _is_below(installed_at(name), entry)
    ]
    for other, theirs in others.items():
        if other != entry:
            told += [
                f"{name} is in {other}, too; the one that was added last is imported." for name in names & {*theirs}
            ]
    for name in sorted(names - sys.stdlib_module_names):
        loaded = installed_at(name)
        if loaded is not None and not _is_below(loaded, entry):
            told.append(f"{name} is loaded from {loaded} already; restart the kernel to get this one.")
    return tuple(told)


def installed_at(name: str) -> Path | None:
    """Return the file of a module that is loaded, or None."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    return None if file is None else Path(file)


def _is_below(path: Path | None, folder: Path) -> bool:
    return path is not None and folder in path.parents
