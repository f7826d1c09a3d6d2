"""How checkpoints are noted: one record in the folder of each, and all of them in the manifest of the store."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from colabpanel.services.checkpoints.models import Checkpoint, CheckpointFile, Place

__all__ = ["MANIFEST", "RECORD", "Record", "as_json", "read_manifest", "read_record"]

MANIFEST = "checkpoints.json"
RECORD = "checkpoint.json"
_FORMAT = "colabpanel.checkpoints"
_VERSION = 1
_LARGEST = 64 << 20
_LATEST = 1e11  # seconds since 1970, some thousand years
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Record:
    """What is known of one of our checkpoints; see `Checkpoint` for the attributes."""

    name: str
    step: int
    created: float
    epoch: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    framework: str = ""
    parameters: int | None = None
    tags: tuple[str, ...] = ()
    is_pinned: bool = False
    files: tuple[CheckpointFile, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.size for file in self.files)

    @property
    def identity(self) -> tuple[float, tuple[CheckpointFile, ...]]:
        """What its copies have in common, whatever they are called, and no other checkpoint has."""
        return self.created, self.files

    def pinned(self, value: bool) -> Record:  # noqa: FBT001 - named where it is called
        """Return it kept whatever the policy says, or not."""
        return replace(self, is_pinned=value)

    def tagged(self, tags: Iterable[str]) -> Record:
        """Return it with other tags."""
        return replace(self, tags=tuple(map(str, tags)))

    def checkpoint(self, folder: Path, places: tuple[Place, ...], *, is_best: bool) -> Checkpoint:
        """Return it as it is shown."""
        return Checkpoint(
            kind="colabpanel",
            path=folder / self.name,
            size=self.size,
            places=places,
            is_best=is_best,
            **{name: getattr(self, name) for name in _SHARED},
        )


_SHARED = ("name", "step", "created", "epoch", "metrics", "framework", "parameters", "tags", "is_pinned", "files")


def as_json(records: Record | list[Record]) -> bytes:
    """Return a record, or a manifest of several, as the bytes of a file."""
    found = [_plain(record) for record in ([records] if isinstance(records, Record) else records)]
    body = found[0] if isinstance(records, Record) else {"checkpoints": found}
    return json.dumps({"format": _FORMAT, "version": _VERSION, **body}, indent=1, allow_nan=False).encode()


def _plain(record: Record) -> dict[str, Any]:
    return asdict(replace(record, metrics=dict(record.metrics)))


def read_record(path: Path) -> Record | None:
    """Return what a file notes, or None if it is no record."""
    body = _read(path)
    return None if body is None else _record(body)


def read_manifest(path: Path) -> list[Record]:
    """Return what a manifest lists; nothing where it is missing or not one."""
    body = _read(path) or {}
    listed = body.get("checkpoints")
    found = [_record(one) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [record for record in found if record is not None]


def _read(path: Path) -> dict[str, Any] | None:
    """Return the object in a file of this format, or None; a disk that fails is an error."""
    try:
        with open(os.open(path, _FLAGS), "rb") as file:  # noqa: PTH123 - a pipe must not hold it up
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
                return None
            body = json.loads(file.read(_LARGEST))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError, RecursionError):
        return None
    is_ours = isinstance(body, dict) and body.get("format") == _FORMAT and body.get("version") == _VERSION
    return body if is_ours else None


def _record(body: dict[str, Any]) -> Record | None:
    try:
        name, step, created = body["name"], body["step"], float(body["created"])
        files = tuple(CheckpointFile(str(f["name"]), int(f["size"]), str(f["digest"])) for f in body["files"])
        record = Record(
            name=name,
            step=step,
            created=created,
            epoch=_number(body.get("epoch")),
            metrics={
                str(key): value for key, found in body["metrics"].items() if (value := _number(found)) is not None
            },
            framework=str(body.get("framework", "")),
            parameters=body.get("parameters"),
            tags=tuple(map(str, body.get("tags", ()))),
            is_pinned=body.get("is_pinned") is True,
            files=files,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
    is_fine = isinstance(name, str) and _is_plain(name) and 0 <= created < _LATEST
    is_fine = is_fine and all(_stays_inside(file.name) and _is_count(file.size) for file in files)
    is_fine = is_fine and _is_count(step) and (record.parameters is None or _is_count(record.parameters))
    return record if is_fine else None


def _is_plain(name: str) -> bool:
    """Whether a name is that of something in the folder of the store, and not hidden."""
    return name.isprintable() and bool(name) and not name.startswith(".") and not set(name) & set("/\\:")


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 <= number < 1 << 63


def _stays_inside(name: str) -> bool:
    """Whether a name is that of a file in the folder of a checkpoint."""
    return all(_is_plain(part) for part in name.split("/"))


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
