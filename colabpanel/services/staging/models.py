"""What staging and packing answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from colabpanel.services.skipped import Skipped

__all__ = ["PackedData", "Plan", "StagedData"]


@dataclass(frozen=True)
class StagedData:
    """What became of a staging.

    Attributes:
        status: ``ok``, or ``partial`` when members were skipped.
        directory: The folder the files are in.
        files: Files that are in the folder because of this staging, those kept included.
        size: Their size in bytes.
        kept: Files that were there already and stayed as they were.
        reused: Whether the archive had been staged there before, and all of it was still there.
        skipped: The members left out, each with its reason.
        seconds: How long it took.
        hosts: The machines that hold a replica, when replicas were asked for.
    """

    status: Literal["ok", "partial"]
    directory: Path
    files: int
    size: int
    kept: int
    reused: bool
    skipped: tuple[Skipped, ...]
    seconds: float
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class PackedData:
    """What became of a packing.

    Attributes:
        status: ``ok``, or ``partial`` when files were left out.
        archives: The archives, in order.
        files: Files that are in them.
        size: Bytes of the files.
        packed: Bytes of the archives.
        reused: Files whose packed bytes were taken over from an earlier packing.
        skipped: What was left out, each with its reason.
        seconds: How long it took.
    """

    status: Literal["ok", "partial"]
    archives: tuple[Path, ...]
    files: int
    size: int
    packed: int
    reused: int
    skipped: tuple[Skipped, ...]
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What staging would do. None stands for what cannot be known without unpacking.

    Attributes:
        source: The archive; of one elsewhere, its address without what may be secret in it.
        directory: The target folder.
        format: ``zip``, ``7z``, ``tar``, ``tar.gz`` and its like, or ``gz`` and its like for one file. None for
            an archive elsewhere whose server gives it only whole: then it is brought to the disk first.
        archive_size: Bytes of the archive.
        files: Files that would be unpacked.
        size: Their size in bytes.
        free: Free bytes on the target's disk.
        existing: How many of the files are in the target already.
        target_used: Whether the target folder holds anything.
        resumable: Whether an earlier, interrupted staging would be continued.
        reusable: Whether it was staged there before and all of it is still there: nothing would be unpacked.
        encrypted: Whether a password is needed.
        cache: Bytes of the local disk that the archive itself takes meanwhile: a mounted Drive may keep what is
            read of it, and one that comes only whole lies there.
        seconds: How long it would take, from a short look at the source; None where that is unknown.
        skipped: Members that would be left out for their names or kinds.
        problem: Why staging would be refused, in one sentence, or an empty string.
        hint: What to do about the problem.
    """

    source: Path | str
    directory: Path
    format: str | None
    archive_size: int | None
    files: int | None
    size: int | None
    free: int
    existing: int | None
    target_used: bool
    resumable: bool
    reusable: bool
    encrypted: bool | None
    cache: int
    seconds: float | None
    skipped: tuple[Skipped, ...] = ()
    problem: str = ""
    hint: str = ""

    @property
    def disk(self) -> int | None:
        """Bytes of the local disk it would take, a Drive's cache included."""
        return None if self.size is None else self.size + self.cache
