"""Names of modules that something else has, too."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

from colabpanel.services.modules.models import FoundModules
from colabpanel.services.modules.versions import INSTALLED

__all__ = ["conflicts_of", "installed_at", "is_from", "shadows_python"]


def shadows_python(names: Iterable[str]) -> list[str]:
    """Return the names that Python's own library has; those would break whatever imports them."""
    return sorted(set(names) & sys.stdlib_module_names)


def conflicts_of(found: FoundModules, others: dict[Path, tuple[str, ...]]) -> tuple[str, ...]:
    """Say which names are taken, each in a sentence.

    Args:
        found: The folder that goes onto the import path, and what can be imported from it.
        others: The folders that were added before, with what can be imported from each.
    """
    entry, names = found.entry, set(found.importable)
    told = [
        f"{name} is a module of Python itself, so this one is not imported; rename it."
        for name in shadows_python(names)
    ]
    hidden = [
        name
        for name in sorted(names - sys.stdlib_module_names)
        if _is_installed(name) and not _is_below(installed_at(name), entry)
    ]
    packages = packages_distributions() if hidden else {}  # which reads about every package there is
    told += [f"{name} hides the installed package {packages.get(name, [name])[0]}." for name in hidden]
    for other, theirs in others.items():
        if other != entry:
            told += [
                f"{name} is in {other}, too; the one that was added last is imported." for name in names & {*theirs}
            ]
    return tuple(told)


def _is_installed(name: str) -> bool:
    """Whether a module is where pip puts packages."""
    places = [place for place in sys.path if Path(place).name in INSTALLED]
    return PathFinder.find_spec(name, places) is not None


def is_from(module: ModuleType, entry: Path) -> bool:
    """Whether a module was loaded from a folder, itself or as a package without a file of its own."""
    file = getattr(module, "__file__", None)
    places = [file] if file else list(getattr(module, "__path__", ()))
    return any(_is_below(Path(place), entry) for place in places)


def installed_at(name: str) -> Path | None:
    """Return the file of a module that is loaded, or None."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    return None if file is None else Path(file)


def _is_below(path: Path | None, folder: Path) -> bool:
    return path is not None and folder in path.parents
