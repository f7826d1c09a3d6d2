"""Addresses of files on remotes: ``name:path``, as rclone writes them."""

from __future__ import annotations

from typing import NamedTuple

from colabpanel.errors import PathError
from colabpanel.services.sources.addresses import is_remote_address

__all__ = ["DRIVE", "RemoteAddress", "parse_remote"]

DRIVE = "drive"
"""The name behind which Drive's API stands where the host has credentials for it."""


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
