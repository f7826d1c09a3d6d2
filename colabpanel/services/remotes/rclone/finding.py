"""Which rclone is used: the one on the PATH, else the one that the extra ``remote`` brings."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from colabpanel.errors import MissingLibraryError

__all__ = ["NEEDED", "find_rclone"]

NEEDED = (1, 68)
"""The oldest version that is used: with those before it, S3 or the environment did not work. Debian 12 has 1.60."""

_HINT = 'Run: pip install "colabpanel[remote]"'
_TO_ANSWER = 20.0


def find_rclone() -> Path:
    """Return the program.

    Raises:
        MissingLibraryError: There is none, or only one that is too old.
    """
    found: dict[str, tuple[int, int] | None] = {}
    for place in (None, sysconfig.get_path("scripts")):
        path = shutil.which("rclone", path=place or os.environ.get("PATH", os.defpath))
        if path is None or path in found:
            continue
        found[path] = version = _version(path, Path(path).stat().st_mtime_ns)
        if version is not None and version >= NEEDED:
            return Path(path)
    needed = ".".join(map(str, NEEDED))
    if not found:
        raise MissingLibraryError(f"This needs rclone, {needed} or later, and there is none.", hint=_HINT)
    path, version = next(iter(found.items()))
    said = "does not tell its version" if version is None else f"is {'.'.join(map(str, version))}"
    raise MissingLibraryError(f"{path} {said}; rclone {needed} or later is needed.", hint=_HINT)


@functools.cache
def _version(path: str, _changed: int) -> tuple[int, int] | None:
    try:
        said = subprocess.run(
            [path, "version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_TO_ANSWER, check=False
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    numbers = re.match(r"rclone v(\d+)\.(\d+)", said)
    return (int(numbers[1]), int(numbers[2])) if numbers else None
