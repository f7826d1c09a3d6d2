"""Which texts are addresses of something elsewhere, and how what they name is read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from colabpanel.errors import InputError
from colabpanel.hosts import Host, detect
from colabpanel.services.sources.spec import SourceSpec, without_secrets
from colabpanel.services.web.addresses import parse
from colabpanel.services.web.links import direct
from colabpanel.services.web.secrets import authorization_for, keeper_of

__all__ = ["is_address", "is_remote_address", "is_url", "name_of", "shown_address", "spec_of_url"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_REMOTE = re.compile(r"[\w+@](?:[\w.+@ -]*[\w.+@-])?:(?!//)")
_OF_WINDOWS = re.compile(r"[a-zA-Z]:[\\/]")

_HIDDEN = "?…"
_DAV = {"webdav": "http", "dav": "http", "webdavs": "https", "davs": "https"}
_ON_DISK = {"file", "local"}


def is_url(text: object) -> bool:
    """Whether a text is written like ``scheme://...``; a `Path` never is."""
    return isinstance(text, str) and bool(_URL.match(text.strip()))


def is_remote_address(text: object) -> bool:
    """Whether a text is written like ``name:path``, a place on a remote; a `Path` never is.

    A path with a colon in it needs a ``./`` in front; a letter with a colon and a slash is a disk of Windows.
    """
    return isinstance(text, str) and bool(_REMOTE.match(text.strip())) and not _OF_WINDOWS.match(text.strip())


def is_address(text: object) -> bool:
    """Whether a text names something elsewhere: ``https://...``, ``s3://...``, ``name:path``; a `Path` never does."""
    return is_url(text) or is_remote_address(text)


def shown_address(text: str) -> str:
    """Return an address without what may be secret in it; a path comes back as it is."""
    return without_secrets(text.strip()) if is_url(text) else text


def name_of(text: str) -> str:
    """Return the name of the file that an address or a path ends with, or an empty string."""
    if is_url(text):
        return SourceSpec("http", text.strip()).name
    return Path(text.rpartition(":")[2] if is_address(text) else text).name


def spec_of_url(text: str, *, host: Host | None = None) -> SourceSpec:
    """Return how an address is read.

    Understood are ``https://`` and ``http://`` addresses and share links, ``webdav://`` and ``webdavs://``,
    ``s3://bucket/key``, and whatever file systems fsspec knows, as ``gs://``.

    Args:
        text: What the user typed.
        host: The notebook host; None detects it. In the dashboard only public web addresses are asked, and
            nothing is read with what its operator may read.

    Raises:
        InputError: It cannot be read, or not from here.
    """
    address, host = text.strip(), host or detect()
    if address.endswith(_HIDDEN):
        raise InputError(
            "This address was kept without the part that may be secret.", hint="Paste the whole address again."
        )
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()
    if scheme in {"http", "https"}:
        return _of_web(address, host)
    if scheme in _DAV:
        spec = _of_web(f"{_DAV[scheme]}://{rest}", host, is_link=False)
        return SourceSpec("http", spec.url, spec.headers, {**spec.options, "shown": without_secrets(address)})
    return _of_file_system(scheme, address, host)


def _of_web(address: str, host: Host, *, is_link: bool = True) -> SourceSpec:
    parsed = parse(direct(address) if is_link else address)
    keeper = None if host.is_served else keeper_of(parsed)
    known = authorization_for(keeper).get(parsed.origin) if keeper else None
    headers = {"Authorization": known} if known else {}
    if parsed.authorization:
        headers = {"Authorization": parsed.authorization}
    return SourceSpec("http", parsed.url, headers, {"public_only": host.is_served})


def _of_file_system(scheme: str, address: str, host: Host) -> SourceSpec:
    if host.is_served:
        raise InputError(
            f"{scheme}:// addresses are not read from a dashboard.",
            hint="Give an address that starts with https://, or a path.",
        )
    if scheme in _ON_DISK or "::" in address:
        raise InputError(f"{scheme}:// addresses are not read.", hint="Give the path of the file itself.")
    if scheme == "s3":
        from colabpanel.services.sources.s3 import s3_spec

        return s3_spec(address, os.environ)
    return SourceSpec("fsspec", address)
