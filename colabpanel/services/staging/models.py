"""What staging is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

__all__ = ["Limits", "Options", "Overwrite", "PackedData", "Plan", "Request", "Skipped", "StagedData"]

Overwrite = Literal["never", "changed", "always"]

_MB = 1024**2


@dataclass(frozen=True)
class Limits:
    """What an archive may ask for before it is refused as a bomb.

    Attributes:
        total_bytes: Unpacked size of all members; None leaves it to the free disk space.
        members: Number of members; of a zip archive, a million need about 0.8 GB of memory.
        ratio: Unpacked size over archive size, looked at once more than ``ratio_from`` bytes
            are unpacked; None looks at none.
        ratio_from: See ``ratio``.
        depth: Folders above a member.
        header_bytes: Bytes of one header of a tar archive.
    """

    total_bytes: int | None = None
    members: int = 750_000
    ratio: float | None = 250.0
    ratio_from: int = 256 * _MB
    depth: int = 100
    header_bytes: int = 4 * _MB


class Skipped(NamedTuple):
    """A member that was left out, by its full name, and why."""

    member: str
    reason: str


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
    """

    status: Literal["ok", "partial"]
    directory: Path
    files: int
    size: int
    kept: int
    reused: bool
    skipped: tuple[Skipped, ...]
    seconds: float


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
        source: The archive.
        directory: The target folder.
        format: ``zip``, ``7z``, ``tar``, ``tar.gz`` and its like, or ``gz`` and its like for one file.
        archive_size: Bytes of the archive.
        files: Files that would be unpacked.
        size: Their size in bytes.
        free: Free bytes on the target's disk.
        existing: How many of the files are in the target already.
        target_used: Whether the target folder holds anything.
        resumable: Whether an earlier, interrupted staging would be continued.
        reusable: Whether it was staged there before and all of it is still there: nothing would be unpacked.
        encrypted: Whether a password is needed.
        cache: Bytes that a mounted Drive may keep of the archive on the local disk while it is read.
        seconds: How long it would take, from a short look at the source; None where that is unknown.
        skipped: Members that would be left out for their names or kinds.
        problem: Why staging would be refused, in one sentence, or an empty string.
        hint: What to do about the problem.
    """

    source: Path
    directory: Path
    format: str
    archive_size: int
    files: int | None
    size: int | None
    free: int
    existing: int | None
    target_used: bool
    resumable: bool
    reusable: bool
    encrypted: bool
    cache: int
    seconds: float | None
    skipped: tuple[Skipped, ...] = ()
    problem: str = ""
    hint: str = ""

    @property
    def disk(self) -> int | None:
        """Bytes of the local disk it would take, a Drive's cache included."""
        return None if self.size is None else self.size + self.cache


class Options(TypedDict, total=False):
    """The options that `stage` and `plan` share; `stage` tells their meaning."""

    include: Sequence[str]
    exclude: Sequence[str]
    first_per_folder: int | None
    overwrite: Overwrite
    password: str | None
    resume: bool
    limits: Limits | None
    workers: int | None
    root: str | Path | None


@dataclass(frozen=True)
class Request:
    """The arguments of `stage`, in a form that crosses to the child process as JSON."""

    source: str
    directory: str
    root: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    first_per_folder: int | None = None
    overwrite: Overwrite = "changed"
    password: str | None = None
    resume: bool = True
    limits: Limits = field(default_factory=Limits)
    workers: int | None = None
    state_dir: str | None = None

    @property
    def wants_everything(self) -> bool:
        """Whether no member is left out by choice."""
        return not (self.include or self.exclude or self.first_per_folder is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Request:
        """Read what `to_json` wrote."""
        limits = Limits(**values["limits"])
        lists = {key: tuple(values[key]) for key in ("include", "exclude")}
        return cls(**{**values, **lists, "limits": limits})

    def choice(self) -> list[Any]:
        """Return what decides which bytes are unpacked; a partial made otherwise is not resumed."""
        return [list(self.include), list(self.exclude), self.first_per_folder]
