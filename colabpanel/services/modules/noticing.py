"""Noticing what is about to be imported from a folder, so that it is known which version of its file was loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

__all__ = ["ImportNotes"]


class ImportNotes(MetaPathFinder):
    """Stands among the finders of Python, finds nothing itself, and tells what another one will find in some folders.

    Args:
        folders: Returns the folders.
        told: Is given the name of a module and its .py file before it is loaded.
    """

    def __init__(self, folders: Callable[[], list[Path]], told: Callable[[str, str], None]) -> None:
        self._folders, self._told = folders, told

    def start(self) -> None:
        """Notice from now on."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Notice no more."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return None, whatever is looked for."""
        places = [str(folder) for folder in self._folders()]
        if path is not None:
            places = [one for one in path if any(one == place or one.startswith(f"{place}/") for place in places)]
        spec = PathFinder.find_spec(name, places, target) if places else None
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            self._told(name, spec.origin)
        return None
