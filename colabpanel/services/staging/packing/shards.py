"""Spreading files over shards of a chosen size, and the index that tells which holds what.

Files stay in the shard they were put into, so that a later packing rewrites only the
shards whose files have changed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from colabpanel.errors import PathError
from colabpanel.services.files import write_atomic
from colabpanel.services.walk import FoundFile

__all__ = ["Index", "Shard", "spread"]

_VERSION = 1


class Shard(NamedTuple):
    """One archive of several.

    Attributes:
        path: Where it is, or will be.
        files: The files it shall hold.
        is_current: Whether it holds just these already.
    """

    path: Path
    files: list[FoundFile]
    is_current: bool


class Index:
    """Which shard holds which file, kept beside the shards as ``NAME.index.json``.

    Args:
        archive: The path that names the shards: ``data.zip`` for ``data-00001.zip`` and so on.
    """

    def __init__(self, archive: Path) -> None:
        name = archive.name
        self._suffix = next((end for end in (".tar.zst", ".zip") if name.lower().endswith(end)), archive.suffix)
        self._stem = name[: len(name) - len(self._suffix)]
        self._folder = archive.parent
        self.path = self._folder / f"{self._stem}.index.json"

    def shard_path(self, number: int) -> Path:
        """Return the path of a shard, numbered from 1."""
        return self._folder / f"{self._stem}-{number:05}{self._suffix}"

    def number_of(self, name: str) -> int:
        """Return the number of a shard, or 0 for what is none of this index's."""
        found = re.fullmatch(re.escape(self._stem) + r"-(\d{5,})" + re.escape(self._suffix), name)
        return int(found[1]) if found else 0

    def names(self) -> list[str]:
        """Return what lies in the folder of the archive."""
        return os.listdir(self._folder) if self._folder.is_dir() else []  # noqa: PTH208 - names are all that is wanted

    def ours(self) -> set[Path]:
        """Return what lies beside the archive and belongs to it: listed shards, the index, and beginnings of these."""
        listed, found = {path.name for path, _, _ in self.read()}, set()
        for name in self.names():
            bare = re.sub(r"\.part$", "", name.removeprefix("."))
            is_beginning = name != bare and self.number_of(bare) > 0
            if name in listed or is_beginning or bare.startswith(self.path.name):
                found.add(self._folder / name)
        return found

    def insist_on_being_ours(self) -> None:
        """Refuse a file of the name of the index that is none.

        Raises:
            PathError: There is one.
        """
        if self.path.exists() and not isinstance(self._told().get("shards"), list):
            raise PathError(f"{self.path} is there, and is no index of shards.", hint="Choose another name.")

    def announce(self, paths: Iterable[Path]) -> None:
        """List shards that are about to be made, so that they are known for ours whatever happens."""
        rows = self._rows()
        known = {row.get("name") for row in rows}
        rows += [{"name": path.name, "bytes": 0, "files": []} for path in paths if path.name not in known]
        write_atomic(self.path, json.dumps({"version": _VERSION, "shards": rows}).encode())

    def read(self) -> list[tuple[Path, set[FoundFile], int]]:
        """Return what an earlier packing noted: shards, their files and bytes; nothing where it makes no sense."""
        try:
            return [
                (self._folder / row["name"], {FoundFile(*file) for file in row["files"]}, row["bytes"])
                for row in self._rows()
                if self.number_of(row["name"])
            ]
        except (KeyError, TypeError):
            return []

    def _rows(self) -> list[dict[str, Any]]:
        found = self._told()
        try:
            return list(found["shards"]) if found["version"] == _VERSION else []
        except (KeyError, TypeError):
            return []

    def _told(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, shards: Sequence[Shard], retired: Iterable[Path] = ()) -> None:
        """Replace the index; rows of another kind of archive stay.

        Args:
            shards: What there is now.
            retired: Shards that are about to be removed: listed without files, they are not forgotten.
        """
        others = [row for row in self._rows() if not self.number_of(str(row.get("name", "")))]
        rows = [
            {"name": shard.path.name, "bytes": shard.path.stat().st_size, "files": [list(file) for file in shard.files]}
            for shard in shards
        ]
        rows += [{"name": path.name, "bytes": 0, "files": []} for path in retired]
        write_atomic(self.path, json.dumps({"version": _VERSION, "shards": [*others, *rows]}).encode())


def spread(files: Sequence[FoundFile], index: Index, shard_size: int) -> list[Shard]:
    """Return the shards of a packing: those that were there, as far as they have files, and new ones."""
    by_name = {file.name: file for file in files}
    shards, taken = [], set[str]()
    listed = index.read()
    others = set(index.names()) - {path.name for path, _, _ in listed}
    number = max(map(index.number_of, others), default=0)
    for path, earlier, length in listed:
        kept = [by_name[old.name] for old in sorted(earlier) if old.name in by_name and old.name not in taken]
        taken.update(file.name for file in kept)
        if earlier:  # else it was only announced, and its number is free
            number = max(number, index.number_of(path.name))
        if kept:
            shards.append(Shard(path, kept, is_current=set(kept) == earlier and _length(path) == length))
    group: list[FoundFile] = []
    size = 0
    for file in (file for file in files if file.name not in taken):
        if group and size + file.size > shard_size:
            number += 1
            shards.append(Shard(index.shard_path(number), group, is_current=False))
            group, size = [], 0
        group.append(file)
        size += file.size
    if group:
        shards.append(Shard(index.shard_path(number + 1), group, is_current=False))
    return shards


def _length(path: Path) -> int:
    """Return the bytes of a file, or -1 for none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
