"""Indexes that list the files in which a large model is kept."""

from __future__ import annotations

import os
import re
from pathlib import Path

from colabpanel.errors import ArchiveError
from colabpanel.services.checkpoints.found.names import stem_of
from colabpanel.services.checkpoints.found.reading import damaged, is_plain_name, json_of

__all__ = ["INDEXES", "shard_files", "shards_of"]

INDEXES = {".safetensors.index.json": "safetensors", ".bin.index.json": "torch"}
"""How their names end, and of which kind the files are."""


def shards_of(index: Path) -> list[str]:
    """Return the names of the files that an index of shards lists; by their names, where it is malformed.

    Raises:
        OSError: The disk refused.
    """
    found = json_of(index)
    listed = found.get("weight_map") if isinstance(found, dict) else None
    if isinstance(listed, dict):
        return sorted({name for name in listed.values() if is_plain_name(name)})
    suffix = ".safetensors" if index.name.endswith(".safetensors.index.json") else ".bin"
    shard = re.compile(re.escape(stem_of(index.name)) + r"-\d{5}-of-\d{5}" + re.escape(suffix))
    return sorted(name for name in os.listdir(index.parent) if shard.fullmatch(name))  # noqa: PTH208 - names are enough


def shard_files(path: Path) -> list[Path]:
    """Return the files that an index of shards lists; of any other file, only itself.

    Raises:
        ArchiveError: One of them is missing, or it lists none.
        OSError: The disk refused.
    """
    if not path.name.endswith(tuple(INDEXES)):
        return [path]
    shards = [path.with_name(name) for name in shards_of(path)]
    if not shards:
        raise damaged(path, "it lists no files")
    for shard in shards:
        if not shard.is_file():
            raise ArchiveError(f"{path.name} lists {shard.name}, which is not there.", hint="Copy that file, too.")
    return shards
