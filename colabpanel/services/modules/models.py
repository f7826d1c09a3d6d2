"""What calls about modules return."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from colabpanel.services.skipped import Skipped

__all__ = ["AddedModules", "FoundModules", "LoadedModule", "ModulePath"]


@dataclass(frozen=True)
class FoundModules:
    """What can be imported from a place.

    Attributes:
        entry: The folder that goes onto the import path.
        names: What can be imported from it, sorted.
        beside: What else can, where one module of a folder was chosen: that folder as a whole goes onto the path.
    """

    entry: Path
    names: tuple[str, ...]
    beside: tuple[str, ...] = ()

    @property
    def importable(self) -> tuple[str, ...]:
        """All that can be imported from the folder."""
        return (*self.names, *self.beside)


@dataclass(frozen=True)
class AddedModules:
    """What was put onto the import path.

    Attributes:
        status: ``ok``, or ``partial`` where something could not be imported.
        source: Where it came from, as it was given.
        entry: The folder on the import path: the place itself, or a copy of it on the local disk.
        names: What can be imported from it.
        imported: What was imported, by the names it has in the notebook.
        conflicts: Sentences about names that something else has, too.
        failed: What could not be imported, and why.
        skipped: Files that were not copied to the local disk, and why.
    """

    status: Literal["ok", "partial"]
    source: str
    entry: Path
    names: tuple[str, ...]
    imported: tuple[str, ...]
    conflicts: tuple[str, ...]
    failed: tuple[Skipped, ...]
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class LoadedModule:
    """A module that is loaded.

    Attributes:
        name: Its full name.
        path: The file it was loaded from.
        version: The first eight hexadecimal digits of the SHA-256 of the file as it was loaded.
        changed: Whether the file is another one by now.
    """

    name: str
    path: Path
    version: str
    changed: bool


@dataclass(frozen=True)
class ModulePath:
    """A place that was added in this session.

    Attributes:
        source: Where it came from, as it was given.
        entry: The folder on the import path.
        names: What can be imported from it.
        loaded: What of it is loaded.
    """

    source: str
    entry: Path
    names: tuple[str, ...]
    loaded: tuple[LoadedModule, ...]
