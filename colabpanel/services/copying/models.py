"""What copying answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from colabpanel.services.skipped import Skipped

__all__ = ["CopiedData"]


@dataclass(frozen=True)
class CopiedData:
    """What became of a copying.

    Attributes:
        status: ``ok``, or ``partial`` when files were left out.
        target: The file, or the folder, that was copied to.
        files: Files that were copied.
        size: Their bytes.
        unchanged: Files that were there already, as they are.
        skipped: What was left out, each with its reason.
        seconds: How long it took.
    """

    status: Literal["ok", "partial"]
    target: Path
    files: int
    size: int
    unchanged: int
    skipped: tuple[Skipped, ...]
    seconds: float
