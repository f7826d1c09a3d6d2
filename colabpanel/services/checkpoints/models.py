"""What checkpoints tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "Checkpoint",
    "CheckpointFile",
    "Place",
    "Restored",
    "TensorInfo",
    "VerifiedCheckpoint",
]

Place = Literal["local", "mirror"]


@dataclass(frozen=True)
class CheckpointFile:
    """One file of a checkpoint.

    Attributes:
        name: Within the folder of the checkpoint.
        size: Bytes.
        digest: XXH3-128 of its bytes, as hexadecimal digits.
    """

    name: str
    size: int
    digest: str


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, ours or one that another library wrote.

    Attributes:
        name: Of its folder or file.
        kind: What wrote it: ``colabpanel``, ``keras``, ``lightning``, ``transformers``, ``torch``, ``safetensors``,
            ``tensorflow``, ``dcp`` or ``orbax``.
        path: Where to read it.
        step: Of training, or None where the file does not tell.
        epoch: Of training, or None.
        metrics: Those it was saved with.
        created: Seconds since the epoch of Unix.
        size: Bytes of its files.
        places: Where a verified copy is.
        tags: Words the user gave it.
        is_pinned: Whether it is never deleted by rule.
        is_best: Whether its monitored metric is the best.
        framework: What the model is made with: ``torch``, ``keras``, ``snapshot``; empty where it is not known.
        parameters: Numbers in the model, or None where it is not known.
        files: What it is made of, for ours.
    """

    name: str
    kind: str
    path: Path
    step: int | None
    created: float
    size: int
    epoch: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    places: tuple[Place, ...] = ("local",)
    tags: tuple[str, ...] = ()
    is_pinned: bool = False
    is_best: bool = False
    framework: str = ""
    parameters: int | None = None
    files: tuple[CheckpointFile, ...] = ()


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a checkpoint.

    Attributes:
        name: Within its part.
        part: ``model``, ``optimizer`` or what else the file calls it.
        shape: Its lengths; empty for a single number.
        dtype: As NumPy or PyTorch call it, without ``torch.``.
    """

    name: str
    part: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def numbers(self) -> int:
        """How many numbers it has."""
        total = 1
        for length in self.shape:
            total *= length
        return total


@dataclass(frozen=True)
class Restored:
    """What restoring has done.

    Attributes:
        checkpoint: Which one was restored.
        model: The model: the one that was given, else what the checkpoint holds.
        restored: What was put back, as ``model``, ``optimizer``, ``random numbers of torch``.
        not_restored: What was not, each with the reason.
        extra: What was saved as ``extra``.
        damaged: Newer or better checkpoints that could not be read, each with the reason.
    """

    checkpoint: Checkpoint
    model: Any
    restored: tuple[str, ...]
    not_restored: tuple[tuple[str, str], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    damaged: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class VerifiedCheckpoint:
    """Whether the files of a checkpoint are what was saved.

    Attributes:
        name: Of the checkpoint.
        place: Which copy.
        status: ``ok``, ``damaged``, or ``unreadable`` where the disk does not tell.
        problem: What is wrong.
    """

    name: str
    place: Place
    status: Literal["ok", "damaged", "unreadable"]
    problem: str = ""
