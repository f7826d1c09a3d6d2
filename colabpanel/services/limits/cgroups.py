"""The limits that Linux sets to groups of processes (cgroups, which containers are made of), of both versions."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["GroupLimit", "memory_limits", "swap_limits"]

_UNLIMITED = 1 << 62
"""What version 1 writes for no limit is a little less than 2 ** 63."""


@dataclass(frozen=True)
class GroupLimit:
    """What one group may use.

    Attributes:
        used: Bytes in use, or None where that cannot be read.
        limit: Bytes that it may use.
    """

    used: int | None
    limit: int


@dataclass(frozen=True)
class _Mount:
    point: Path
    root: str
    version: int


def memory_limits(proc: Path) -> list[GroupLimit]:
    """Return the memory limits of this process's group and of all groups above it.

    What the kernel can drop without writing anything, clean page cache and slabs it can reclaim, counts as not used, as
    it does in what Linux calls available memory. A group without a limit is left out.

    Args:
        proc: Where the proc file system is mounted.
    """
    found = []
    for version, folder in _groups(proc):
        limit, used = _second(folder) if version == 2 else _first(folder)  # noqa: PLR2004 - the versions of cgroups
        if limit is not None and limit < _UNLIMITED:
            found.append(GroupLimit(used, limit))
    return found


def swap_limits(proc: Path) -> list[GroupLimit]:
    """Return the swap limits of these groups; version 1 limits swap only together with memory, so it has none."""
    folders = [folder for version, folder in _groups(proc) if version == 2]  # noqa: PLR2004 - the versions of cgroups
    limits = [(_number(folder / "memory.swap.max"), _number(folder / "memory.swap.current")) for folder in folders]
    return [GroupLimit(used, limit) for limit, used in limits if limit is not None]


def _second(folder: Path) -> tuple[int | None, int | None]:
    limit = _number(folder / "memory.max")
    if limit is None:
        return None, None
    statistics = _statistics(folder)
    cache = statistics.get("active_file", 0) + statistics.get("inactive_file", 0)
    unwritten = statistics.get("file_dirty", 0) + statistics.get("file_writeback", 0)
    droppable = max(cache - unwritten, 0) + statistics.get("slab_reclaimable", 0)
    return limit, _less(_number(folder / "memory.current"), droppable)


def _first(folder: Path) -> tuple[int | None, int | None]:
    limit = _number(folder / "memory.limit_in_bytes")
    if limit is None or limit >= _UNLIMITED:
        return None, None
    statistics = _statistics(folder)
    cache = statistics.get("total_active_file", 0) + statistics.get("total_inactive_file", 0)
    unwritten = statistics.get("total_dirty", 0) + statistics.get("total_writeback", 0)
    return limit, _less(_number(folder / "memory.usage_in_bytes"), max(cache - unwritten, 0))


def _less(used: int | None, droppable: int) -> int | None:
    return None if used is None else max(used - droppable, 0)


def _groups(proc: Path) -> tuple[tuple[int, Path], ...]:
    """Return the version and the folder of the groups that limit this process, the innermost first."""
    return _folders(proc, _text(proc / "self" / "cgroup"))


@functools.lru_cache(maxsize=8)
def _folders(proc: Path, membership: str) -> tuple[tuple[int, Path], ...]:
    return tuple(_found(proc, membership))


def _found(proc: Path, membership: str) -> Iterator[tuple[int, Path]]:
    for version, path in _paths(membership).items():
        mounts = [mount for mount in _mounts(proc) if mount.version == version]
        if mounts:
            mount, below = next(
                ((mount, below) for mount in mounts if (below := _below(mount, path)) is not None),
                (mounts[0], mounts[0].point),  # in a namespace of its own: what is mounted is our part of the tree
            )
            depth = len(below.parts) - len(mount.point.parts)
            above = [folder for folder in below.parents[:depth] if version == 2 or _passes_limits_on(folder)]  # noqa: PLR2004
            yield from ((version, folder) for folder in (below, *above))


def _passes_limits_on(folder: Path) -> bool:
    return _number(folder / "memory.use_hierarchy") != 0


def _below(mount: _Mount, path: str) -> Path | None:
    """Return the folder of a group, or None where it cannot be seen through this mount."""
    root = mount.root.rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]
    below = mount.point / path.lstrip("/")
    return below if ".." not in below.parts and below.is_dir() else None


def _paths(membership: str) -> dict[int, str]:
    """Return the path of this process's group in the tree of each version that may limit memory."""
    found = {}
    for line in membership.splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if number == "0" and not controllers:
            found[2] = path
        elif "memory" in controllers.split(","):
            found[1] = path
    return found


@functools.lru_cache(maxsize=8)
def _mounts(proc: Path) -> tuple[_Mount, ...]:
    """Return where the trees are mounted; read once, for they stay where they are while a kernel lives."""
    found = []
    for line in _text(proc / "self" / "mountinfo").splitlines():
        place, _, system = line.partition(" - ")
        fields, (kind, *_, options) = place.split(" "), (system.split(" ") or [""])
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(",")):
            version = 2 if kind == "cgroup2" else 1
            found.append(_Mount(Path(_plain(fields[4])), _plain(fields[3]), version))
    return tuple(found)


def _plain(name: str) -> str:
    """Return a path as it is; mountinfo writes spaces and the like as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), name)


def _statistics(folder: Path) -> dict[str, int]:
    rows = (line.split(" ") for line in _text(folder / "memory.stat").splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}  # noqa: PLR2004 - name and number


def _text(path: Path) -> str:
    try:
        with path.open("rb", buffering=0) as file:  # a third of the time that read_text takes
            return os.fsdecode(file.read())
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.strip().isdigit() else None
