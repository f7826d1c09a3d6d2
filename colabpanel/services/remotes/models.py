"""What remotes are asked, and what they answer. Figures that a remote does not tell are None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from colabpanel.services.skipped import Skipped

__all__ = ["Carried", "GotFile", "NamedRemote", "PutFile", "RemoteEntry", "RemoteFolder", "RemoteQuota"]

Checked = Literal["size", "hash"]
"""What a copy was compared by: its size, or also a checksum of the remote's own."""


@dataclass(frozen=True)
class NamedRemote:
    """A remote that can be used.

    Attributes:
        name: What addresses call it.
        kind: What is behind it, as rclone names it ("drive", "dropbox", "s3").
        read_only: Whether nothing may be put there.
    """

    name: str
    kind: str
    read_only: bool = False


@dataclass(frozen=True)
class RemoteEntry:
    """A name in a folder of a remote.

    Attributes:
        name: Its name.
        address: What to call it by.
        is_folder: Whether it can be listed.
        size: Bytes; None for a folder, and where it is not known.
        modified: Seconds since the epoch, or None.
    """

    name: str
    address: str
    is_folder: bool
    size: int | None = None
    modified: float | None = None


@dataclass(frozen=True)
class RemoteFolder:
    """A folder of a remote, with all that is in it.

    Attributes:
        address: The folder.
        entries: What is in it, folders first, by name.
    """

    address: str
    entries: tuple[RemoteEntry, ...]


@dataclass(frozen=True)
class RemoteQuota:
    """How much room there is.

    Attributes:
        address: The remote.
        used: Bytes that are taken, the trash included.
        free: Bytes that are left.
        total: Bytes in all; None also where there is no limit.
        trash: Bytes that lie in the trash.
    """

    address: str
    used: int | None = None
    free: int | None = None
    total: int | None = None
    trash: int | None = None


@dataclass(frozen=True)
class PutFile:
    """A file that was put on a remote.

    Attributes:
        address: Where it is.
        size: Its bytes.
        checked: What it was compared by.
        seconds: How long it took.
    """

    address: str
    size: int
    checked: Checked
    seconds: float = 0.0


@dataclass(frozen=True)
class GotFile:
    """A file that was brought from a remote.

    Attributes:
        path: Where it is.
        size: Its bytes.
        checked: What it was compared by.
    """

    path: str
    size: int
    checked: Checked


@dataclass(frozen=True)
class Carried:
    """A folder that was copied or counted, with all that is in it.

    Attributes:
        files: How many files it has.
        size: Their bytes.
        skipped: What was left out, each with its reason.
    """

    files: int
    size: int
    skipped: tuple[Skipped, ...] = ()
