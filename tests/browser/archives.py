"""Archives for the browser tests."""

from __future__ import annotations

import os
from pathlib import Path

from tests.archives import TREE, make_tar, make_zip

EVIL = "<img src=x onerror=window.hacked=1>"
HACKED = "() => window.hacked === 1 || document.querySelector('.colabpanel img') !== null"


def evil_zip(folder: Path) -> Path:
    """A zip whose own name and members' names are markup; one member is refused."""
    return make_zip(folder / f"{EVIL}.zip", {**TREE, f"{EVIL}.txt": b"evil", f"../{EVIL}": b"out"})


def slow_tar(folder: Path) -> Path:
    """An archive that takes many seconds to unpack: bz2 of bytes that do not compress."""
    files = {f"part{number}.bin": os.urandom(1_500_000) for number in range(45)}
    return make_tar(folder / "slow.tar.bz2", files, mode="w:bz2")
