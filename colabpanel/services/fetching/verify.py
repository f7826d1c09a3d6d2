"""Looking at a fetched file again, with the checksums that were given or stated."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from colabpanel.errors import InputError
from colabpanel.progress import Progress

__all__ = ["differing", "insist_on_sums"]

_DIGITS = {"sha256": 64, "md5": 32}
_CHUNK = 1 << 20


def insist_on_sums(**sums: str | None) -> dict[str, str]:
    """Return the checksums that were given, in small letters.

    Raises:
        InputError: One of them is none.
    """
    found = {name: text.strip().lower() for name, text in sums.items() if text is not None}
    for name, text in found.items():
        if not re.fullmatch(f"[0-9a-f]{{{_DIGITS[name]}}}", text):
            raise InputError(
                f"{name} is no such checksum.", hint=f"It has {_DIGITS[name]} digits from 0 to 9 and from a to f."
            )
    return found


def differing(path: Path, sums: Mapping[str, str], progress: Progress) -> list[str]:
    """Return the names of the checksums that a file does not have.

    Raises:
        OSError: It cannot be read.
    """
    if not sums:
        return []
    makers = {name: hashlib.new(name, usedforsecurity=False) for name in sums}
    progress.start(path.stat().st_size, "Checking the checksum")
    with path.open("rb") as stream:
        while data := stream.read(_CHUNK):
            for maker in makers.values():
                maker.update(data)
            progress.advance(len(data))
    return [name for name, maker in makers.items() if maker.hexdigest() != sums[name]]
