"""What became of memory that was to be released."""

from __future__ import annotations

from dataclasses import dataclass

from colabpanel.services.memory.referring.search import Referrer

__all__ = ["Released", "Step", "StillHeld"]


@dataclass(frozen=True)
class Step:
    """One kind of thing that was released.

    Attributes:
        what: ``variables``, ``history``, ``error``, ``figures``, ``collector``, the name of a library, or ``system``.
        freed: Bytes by which the memory of this process fell meanwhile; None where that cannot be read.
        sentence: What was done.
    """

    what: str
    freed: int | None
    sentence: str


@dataclass(frozen=True)
class StillHeld:
    """A variable that was removed, whose memory is still in use.

    Attributes:
        name: What it was called.
        referrers: What refers to its object, or uses its memory.
    """

    name: str
    referrers: tuple[Referrer, ...]


@dataclass(frozen=True)
class Released:
    """What a release brought.

    Attributes:
        freed: Bytes by which the resident memory of this process fell; None where it cannot be read.
        gpu_freed: Bytes that PyTorch gave back to the GPUs; None where it has not used any.
        steps: What was done, in this order.
        removed: The variables that were removed.
        still_held: Of them, those whose memory is still in use, and by what.
    """

    freed: int | None
    gpu_freed: int | None
    steps: tuple[Step, ...]
    removed: tuple[str, ...]
    still_held: tuple[StillHeld, ...]
