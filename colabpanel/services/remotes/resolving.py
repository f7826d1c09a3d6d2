"""How a file is read, whatever names it: a path, an address, or a place on a remote."""

from __future__ import annotations

from pathlib import Path

from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.remotes.service import remote_source
from colabpanel.services.sources.addresses import is_remote_address, is_url, spec_of_url
from colabpanel.services.sources.spec import SourceSpec

__all__ = ["resolve"]


def resolve(text: str | Path, *, host: Host | None = None, progress: Progress | None = None) -> SourceSpec | Path:
    """Return how a file is read; a path comes back as a path.

    Args:
        text: A path, an address such as ``https://...`` or ``s3://...``, or ``name:path`` on a remote.
        host: The notebook host; None detects it. In the dashboard only public web addresses are asked, and
            nothing is read with what its operator may read, but for remotes that were named for it.
        progress: May cancel the waiting for a remote.

    Raises:
        InputError: It cannot be read, or not from here.
        StorageError: The remote does not answer.
    """
    if is_url(text):
        return spec_of_url(str(text), host=host)
    if not is_remote_address(text):
        return Path(text)
    return remote_source(str(text), host=host, progress=progress)
