"""What staging is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

__all__ = ["ClusterMode", "Limits", "Options", "Overwrite", "Request"]

Overwrite = Literal["never", "changed", "always"]
ClusterMode = Literal["shard", "replica"]

_MB = 1024**2


class Limits(NamedTuple):
    """What an archive may ask for before it is refused as a bomb.

    Attributes:
        total_bytes: Unpacked size of all members; None leaves it to the free disk space.
        members: Number of members; of a zip archive, a million need about 0.3 GB of memory.
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


class Request(NamedTuple):
    """The arguments of `stage`, in a form that crosses to the child process as JSON.

    Attributes:
        source: The path of the archive; of one elsewhere, its address without secrets.
        spec: How an archive elsewhere is opened; it may hold secrets. None for a path.
    """

    source: str
    directory: str
    root: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    first_per_folder: int | None = None
    overwrite: Overwrite = "changed"
    password: str | None = None
    resume: bool = True
    limits: Limits = Limits()
    workers: int | None = None
    state_dir: str | None = None
    cluster: dict[str, Any] | None = None
    spec: dict[str, Any] | None = None

    @property
    def wants_everything(self) -> bool:
        """Whether no member is left out by choice."""
        return not (self.include or self.exclude or self.first_per_folder is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON values."""
        return {**self._asdict(), "limits": self.limits._asdict()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Request:
        """Read what `to_json` wrote."""
        limits = Limits(**values["limits"])
        lists = {key: tuple(values[key]) for key in ("include", "exclude")}
        return cls(**{**values, **lists, "limits": limits})

    def choice(self) -> list[Any]:
        """Return what decides which bytes are unpacked; a partial made otherwise is not resumed."""
        return [list(self.include), list(self.exclude), self.first_per_folder]
