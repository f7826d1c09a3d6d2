"""Addresses of files on remotes: ``name:path``, as rclone writes them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from colabpanel.errors import PathError
from colabpanel.services.sources.addresses import is_remote_address

__all__ = ["DRIVE", "SHARED_DRIVES", "RemoteAddress", "mounted_address", "parse_remote"]

DRIVE = "drive"
"""The name behind which Drive's API stands where the host has credentials for it."""


SHARED_DRIVES = "Shared drives"
"""The folder at the top of ``drive:`` that holds the drives of teams."""

_MOUNTED = {"MyDrive": "", "My Drive": "", "Shareddrives": f"{SHARED_DRIVES}/"}


class RemoteAddress(NamedTuple):
    """A place on a remote.

    Attributes:
        name: The remote.
        path: The path there; an empty string is its top. A slash in front means something to some remotes.
    """

    name: str
    path: str

    @property
    def text(self) -> str:
        """The address as people write it."""
        return f"{self.name}:{self.path}"

    @property
    def leaf(self) -> str:
        """The last name of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> RemoteAddress | None:
        """The folder above, or None at the top."""
        if not self.path.strip("/"):
            return None
        above, slash, _ = self.path.rpartition("/")
        return self._replace(path=above or ("/" if slash else ""))

    def joined(self, name: str) -> RemoteAddress:
        """Return the address of a name in this folder."""
        if not self.path or self.path.endswith("/"):
            return self._replace(path=self.path + name)
        return self._replace(path=f"{self.path}/{name}")


def parse_remote(text: str) -> RemoteAddress:
    """Check and split an address.

    A remote must have a name: rclone would also take one with all its settings in it, and run what they say.

    Raises:
        PathError: It is none.
    """
    if not is_remote_address(text):
        raise PathError(f"{text!r} is no address on a remote.", hint="Write it as name:folder/file.")
    name, _, path = text.strip().partition(":")
    if any(letter < " " or letter == "\x7f" for letter in path) or ".." in path.split("/"):
        raise PathError("An address cannot hold .. or control characters.", hint="Write it as name:folder/file.")
    front = "/" if path.startswith("/") else ""
    return RemoteAddress(name, front + "/".join(step for step in path.split("/") if step not in {"", "."}))


def mounted_address(path: str, mountpoint: Path) -> str:
    """Return what a path on the Drive that is mounted is called by Drive's API; the path is not looked at.

    Raises:
        PathError: It is not on Drive, or in a part of it that has no address.
    """
    place = Path(path)
    part, *rest = place.relative_to(mountpoint).parts if mountpoint in place.parents else ("",)
    if part not in _MOUNTED:
        raise PathError(f"{path} is not in My Drive or a shared drive.", hint="Write it as drive:folder/file.")
    return f"{DRIVE}:{_MOUNTED[part]}{'/'.join(rest)}"
