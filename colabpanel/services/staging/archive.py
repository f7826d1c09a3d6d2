"""What every archive reader offers to the rest of staging."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

__all__ = ["UNKNOWN_SIZE", "Kind", "Listing", "Member", "MemberError", "StreamReader"]


UNKNOWN_SIZE = -1
"""The size of a member that only unpacking tells."""


class Kind(enum.Enum):
    """What a member is."""

    FILE = "file"
    FOLDER = "folder"
    HARDLINK = "hard link"
    SYMLINK = "symbolic link"
    DEVICE = "device or pipe"


class Member(NamedTuple):
    """One member of an archive.

    Attributes:
        number: Its position in the order of reading.
        name: Its name as the archive gives it.
        kind: What it is.
        size: Unpacked bytes, or `UNKNOWN_SIZE`.
        modified: Seconds since the epoch, or None when the archive does not tell; a zip's are in its entries.
        executable: Whether its owner may run it; a zip's are in its entries.
        link: The name a hard link leads to.
        trouble: Why it must be skipped, as far as the reader can tell.
        origin: What its reader needs to find it again.
    """

    number: int
    name: str
    kind: Kind
    size: int
    modified: float | None = None
    executable: bool = False
    link: str = ""
    trouble: str = ""
    origin: Any = None


class MemberError(Exception):
    """One member cannot be unpacked; the text says why. The rest of the archive may be fine."""


class Listing(Protocol):
    """An open archive, as far as its table of contents goes.

    Attributes:
        format: Its name for people, such as ``tar.gz``.
        size: Unpacked bytes of all members, or None when only unpacking tells.
        encrypted: Whether members need a password.
        fingerprint: Tells its table of contents from another's; 0 where there is none.
    """

    format: str
    encrypted: bool
    fingerprint: int

    @property
    def size(self) -> int | None: ...
    def members(self) -> Iterator[Member]:
        """Yield the members in the order in which reading them is quickest."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class StreamReader(Listing, Protocol):
    """An archive that is read from front to back.

    Attributes:
        damage: What is wrong with the archive as a whole, known after the last member.
    """

    damage: str

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes, before the next member is asked for.

        Raises:
            MemberError: It is damaged or cannot be decoded.
        """
        ...

    def position(self) -> int:
        """Return how many bytes of the archive have been read."""
        ...
