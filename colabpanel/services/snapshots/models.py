"""What dumping and loading tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["Contents", "SavedVariable", "Snapshot", "VariableStatus"]

VariableStatus = Literal["saved", "import", "skipped"]


@dataclass(frozen=True)
class SavedVariable:
    """What became of one variable.

    Attributes:
        name: Its name in the notebook.
        status: ``saved``; ``import`` for a module, of which the import is noted; or ``skipped``.
        type: Its type, as ``numpy.ndarray``.
        shape: Its shape or length as people write it, or empty.
        size: Bytes it takes in the file; what variables share counts for the first of them.
        note: Why it was skipped, or what to know of it.
        needs: What loading it would run that is not known to be safe; None where that is told when it is loaded.
    """

    name: str
    status: VariableStatus
    type: str
    shape: str = ""
    size: int = 0
    note: str = ""
    needs: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class Snapshot:
    """What a dump has done.

    Attributes:
        path: The file.
        status: ``ok``, or ``partial`` when any variable was skipped.
        variables: What became of each, in the order they were given.
        size: Bytes of the file.
        reused: Bytes that were not written because the base has them.
        seconds: How long it took.
    """

    path: Path
    status: Literal["ok", "partial"]
    variables: tuple[SavedVariable, ...]
    size: int
    reused: int
    seconds: float

    @property
    def saved(self) -> tuple[str, ...]:
        """The names of what is in the file."""
        return tuple(variable.name for variable in self.variables if variable.status == "saved")

    @property
    def skipped(self) -> tuple[SavedVariable, ...]:
        """What could not be saved, each with its reason in ``note``."""
        return tuple(variable for variable in self.variables if variable.status == "skipped")


@dataclass(frozen=True)
class Contents:
    """What a file of variables holds, told without loading any.

    Attributes:
        path: The file.
        kind: ``snapshot``, ``pickle``, ``npy``, ``npz``, ``parquet`` or ``safetensors``.
        size: Bytes of the file.
        variables: What is in it.
        created: Seconds since the epoch, or None where the file does not tell.
        versions: Of Python and libraries when it was written.
        bases: Names of the snapshots beside it that hold a part of it.
        signed: Whether this user wrote it, so that loading may run what it needs.
    """

    path: Path
    kind: str
    size: int
    variables: tuple[SavedVariable, ...]
    created: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    bases: tuple[str, ...] = ()
    signed: bool = False
