"""Bringing a file whole, where its server gives no ranges of it."""

from __future__ import annotations

from pathlib import Path

from colabpanel.errors import SpaceError
from colabpanel.progress import Progress
from colabpanel.services.files import free_bytes
from colabpanel.services.sources.http import Place
from colabpanel.services.sources.local import LocalSource
from colabpanel.services.sources.spec import SourceSpec
from colabpanel.services.web.answers import version_of
from colabpanel.services.web.opening import Opened
from colabpanel.services.web.stream import bring_in_one
from colabpanel.words import size as say_size

__all__ = ["fetch_whole", "size_of_whole"]


def fetch_whole(spec: SourceSpec, target: Path, progress: Progress) -> LocalSource:
    """Write the file to a place on the disk, and return it as a source; what stood there is replaced.

    Args:
        spec: What to open.
        target: Where the file goes.
        progress: Is told the bytes, and may cancel.

    Raises:
        InputError: The server does not give it, or it is no file.
        SpaceError: It does not fit.
        SourceLostError: It broke off too often.
        OSError: The disk refused.
    """
    place = Place(spec, progress)
    opened = place.ask({})
    size, free = version_of(opened.response).size, free_bytes(target.parent)
    if size is not None and size > free:
        opened.line.close()
        raise SpaceError(
            f"{spec.shown} comes only whole and needs {say_size(size)}, and {say_size(free)} are free.",
            hint="Free some space, or choose another target.",
        )
    latest = opened

    def open_anew() -> Opened:
        nonlocal latest
        latest = place.ask({})
        return latest

    bring_in_one(opened, target, open_anew, progress, doing="Fetching it whole, for no parts are given, from")
    version, source = version_of(latest.response), LocalSource(target)
    source.name, source.shown = spec.name, spec.shown
    source.identity = spec.options.get("identity") or [source.size, version.etag, version.modified]
    return source


def size_of_whole(spec: SourceSpec, progress: Progress) -> int | None:
    """Return the bytes of the file as its server tells them, or None where it does not.

    Raises:
        InputError: The server does not give it, or it is no file.
        SourceLostError: The server does not answer.
    """
    opened = Place(spec, progress).ask({})
    opened.line.close()
    return version_of(opened.response).size
