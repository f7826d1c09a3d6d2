"""What stands behind the name of a remote: the protocol, and which one it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.remotes.addresses import DRIVE
from colabpanel.services.remotes.models import Carried, GotFile, PutFile, RemoteEntry, RemoteQuota
from colabpanel.services.remotes.permission import insist_on_permission
from colabpanel.services.sources.spec import SourceSpec

__all__ = ["Store", "opened_store"]


class Store(Protocol):
    """Something that holds files at a distance. Paths are those of an address, without the name.

    Every method may take long, and raises `ColabPanelError` for what goes wrong; ``progress`` may cancel it.
    """

    def close(self) -> None:
        """Let its connection go."""
        ...

    def entries(self, path: str, progress: Progress) -> Sequence[RemoteEntry]:
        """Return all that is in a folder."""
        ...

    def find(self, path: str, progress: Progress) -> RemoteEntry | None:
        """Return what is at a path, or None."""
        ...

    def quota(self, progress: Progress) -> RemoteQuota:
        """Return how much room there is."""
        ...

    def put(self, file: Path, path: str, progress: Progress, *, overwrite: bool) -> PutFile:
        """Copy a file there under a temporary name where it can, verify it, and give it its name."""
        ...

    def get(self, path: str, target: Path, progress: Progress) -> GotFile:
        """Copy a file to a path here, and verify it; an existing one is replaced."""
        ...

    def get_folder(self, path: str, target: Path, progress: Progress) -> Carried:
        """Copy a folder here with all that is in it, into one that may be there."""
        ...

    def put_folder(self, folder: Path, path: str, progress: Progress) -> Carried:
        """Copy a folder there with all that is in it, into one that may be there."""
        ...

    def measure(self, path: str, progress: Progress) -> Carried:
        """Return how many files are in a folder and those below, and their bytes; of a file, its own."""
        ...

    def make_folder(self, path: str, progress: Progress) -> None:
        """Make a folder."""
        ...

    def source(self, path: str, progress: Progress) -> SourceSpec:
        """Return where parts of a file can be read."""
        ...

    def link(self, path: str, progress: Progress) -> str:
        """Return the address of a page that shows it to its owner; nothing is made public by it."""
        ...


def opened_store(name: str, host: Host, *, writing: bool = False) -> Store:
    """Return what stands behind a name: Drive's API for ``drive`` where the host gives tokens, else one of rclone's.

    Args:
        name: The remote.
        host: The notebook host.
        writing: Whether something shall be put there.

    Raises:
        InputError: It may not be used here.
    """
    insist_on_permission(name, is_served=host.is_served, writing=writing)
    if name == DRIVE and host.google_token is not None:
        from colabpanel.services.remotes.drive_api.store import DriveStore

        host.google_token()  # on this thread: it may be the main one, on which the user is asked, and wait for others
        return DriveStore(host.google_token)
    from colabpanel.services.remotes.rclone.store import RcloneStore

    return RcloneStore(name)
