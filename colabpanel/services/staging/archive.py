"""What every archive reader offers to the rest of staging."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

__all__ = ["ArchiveReader", "Kind", "Member", "MemberError"]


class Kind(enum.Enum):
    """What a member is."""

    FILE = "file"
    FOLDER = "folder"
    HARDLINK = "hard link"
    SYMLINK = "symbolic link"
    DEVICE = "device or pipe"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an archive.

    Attributes:
        index: Its position in the order of reading.
        name: Its name as the archive gives it.
        kind: What it is.
        size: Unpacked bytes.
        modified: Seconds since the epoch, or None when the archive does not tell.
        executable: Whether its owner may run it.
        link: The name a hard link leads to.
        trouble: Why it must be skipped, as far as the reader can tell.
    """

    index: int
    name: str
    kind: Kind
    size: int
    modified: float | None
    executable: bool = False
    link: str = ""
    trouble: str = ""


class MemberError(Exception):
    """One member cannot be unpacked; the text says why. The rest of the archive may be fine."""


class ArchiveReader(Protocol):
    """An open archive.

    Attributes:
        format: Its name for people, such as ``tar.gz``.
        size: Unpacked bytes of all members, or None when only unpacking tells.
        encrypted: Whether members need a password.
        damage: What is wrong with the archive as a whole, known after the last member.
    """

    format: str
    size: int | None
    encrypted: bool
    damage: str

    def members(self) -> Iterator[Member]:
        """Yield the members in the order in which reading them is quickest."""
        ...

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes, before the next member is asked for.

        Raises:
            MemberError: It is damaged or cannot be decoded.
        """
        ...

    def position(self) -> int:
        """Return how many bytes of the archive have been read."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
