"""Files that are fetched from elsewhere than a plain address of the web."""

from __future__ import annotations

from colabpanel.errors import InputError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.sources.addresses import is_address
from colabpanel.services.sources.spec import SourceSpec

__all__ = ["far_file"]

_OF_THE_WEB = ("http://", "https://")


def far_file(url: str, host: Host, progress: Progress) -> SourceSpec | None:
    """Return how a file on a remote or behind WebDAV is asked for, or None for an address of the web.

    Raises:
        InputError: It cannot be fetched.
        StorageError: The remote does not answer.
    """
    if not is_address(url) or url.strip().lower().startswith(_OF_THE_WEB):
        return None
    from colabpanel.services.remotes.resolving import resolve  # takes its time to load

    found = resolve(url, host=host, progress=progress)
    assert isinstance(found, SourceSpec)
    if found.kind != "http":
        scheme = url.strip().partition("://")[0]
        raise InputError(
            f"{scheme}:// addresses are not fetched.",
            hint="An archive is unpacked straight from there: colabpanel.stage. For a file as it is, add a remote.",
        )
    return found
