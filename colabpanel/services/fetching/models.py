"""What fetching answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.models import StagedData

__all__ = ["Fetched"]


@dataclass(frozen=True)
class Fetched:
    """What became of a fetch.

    Attributes:
        status: ``ok``, or ``partial`` when unpacking left members out, or files of a folder could not be fetched.
        path: The file; of a folder of Drive, the folder.
        files: How many files were fetched.
        size: Their bytes.
        reused: Whether it was there already, as it is.
        resumed: Bytes that an earlier fetch had brought, and that were not brought again.
        checked: What was compared: ``size``, ``sha256``, ``md5``.
        source: The address it came from, without what may be secret in it.
        seconds: How long it took.
        unpacked: What became of unpacking it, if that was asked for.
        skipped: Files of a folder that could not be fetched, each with its reason.
    """

    status: Literal["ok", "partial"]
    path: Path
    files: int
    size: int
    reused: bool
    resumed: int
    checked: tuple[str, ...]
    source: str
    seconds: float
    unpacked: StagedData | None = None
    skipped: tuple[Skipped, ...] = ()
