"""Which disk a path lies on."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["is_remote", "mount_of"]

_REMOTE = ("fuse", "drive", "nfs", "cifs", "smb", "9p", "sshfs", "davfs")


def mount_of(path: Path) -> tuple[str, str]:
    """Return the mount point of a path and the kind of its file system; empty where the system does not tell."""
    real, best, kind = os.path.realpath(path), "", ""
    try:
        with open("/proc/mounts", encoding="utf-8", errors="surrogateescape") as mounts:  # noqa: PTH123
            for line in mounts:
                _, point, found, *_ = line.split(" ")
                point = point.replace("\\040", " ")
                if len(point) > len(best) and (real == point or real.startswith(point.rstrip("/") + "/")):
                    best, kind = point, found
    except OSError:
        return "", ""
    return best, kind


def is_remote(path: Path) -> bool:
    """Whether a path lies on Drive, on a network, or on anything else that is mounted by a program."""
    return mount_of(path)[1].startswith(_REMOTE)
