"""Reading files that are to be packed, which others may change or whose disk may fail meanwhile."""

from __future__ import annotations

import os
from typing import IO

from colabpanel.services.skipped import Skipped
from colabpanel.services.walk import FoundFile

__all__ = ["LARGE", "UnreadableError", "next_bytes", "unreadable", "whole"]

LARGE = 32 << 20
"""Bytes from which a file goes through memory in pieces."""


class UnreadableError(Exception):
    """A large file cannot be read to its end, and a part of it may be in the archive already.

    Attributes:
        file: The file.
        why: What the system said.
    """

    def __init__(self, file: FoundFile, why: OSError) -> None:
        super().__init__(file.name)
        self.file, self.why = file, why


def unreadable(file: FoundFile, error: OSError) -> Skipped:
    """Say that a file was left out."""
    return Skipped(file.name, f"it cannot be read: {error.strerror or error}")


def whole(path: str, size: int) -> bytes:
    """Return a file's bytes, with as few calls as can be: one more byte than expected says where it ends.

    Raises:
        OSError: It cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        data = os.read(handle, size + 1)
        while more := len(data) != size and os.read(handle, 1 << 20):
            data += more
        return data
    finally:
        os.close(handle)


def next_bytes(stream: IO[bytes], file: FoundFile, amount: int) -> bytes:
    """Read on in a large file; fewer bytes than asked for are its last ones.

    Raises:
        UnreadableError: It cannot be read on.
    """
    try:
        return stream.read(amount)
    except OSError as error:
        raise UnreadableError(file, error) from error
