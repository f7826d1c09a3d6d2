"""What staging and planning both stand on: the paths of a request, the identity of an archive, errors in words."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, PathError, SpaceError
from colabpanel.services.mounts import insist_on_drive
from colabpanel.services.paths import real_root, resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources import Source, is_address, open_source
from colabpanel.services.staging.archive import Listing
from colabpanel.services.staging.partial import Partial
from colabpanel.services.staging.request import Request
from colabpanel.words import size as say_size

__all__ = ["Places", "identity_of", "insist_on_a_match", "no_room"]

_IDENTITY_REACH = 1 << 20


class Places:
    """The two paths of a request, checked against its root."""

    def __init__(self, request: Request) -> None:
        root = real_root(request.root)
        self.source: Path | str = request.source if is_address(request.source) else resolve_inside(root, request.source)
        self._public_only = root is not None
        self.directory = resolve_inside(root, request.directory)
        self.partial = Partial(self.directory, root)
        insist_on_drive(self.directory)
        if self.source == self.directory:
            raise PathError("The source and the target are the same path.", hint="Choose another target folder.")

    @property
    def archive(self) -> Path | None:
        """The archive, where it is a file of this machine."""
        return self.source if isinstance(self.source, Path) else None

    def open_source(self) -> Source:
        """Open the archive; under a root only public addresses are asked.

        Raises:
            InputError: It cannot be used.
            SourceLostError: Its server does not answer.
        """
        return open_source(self.source, public_only=self._public_only)


def identity_of(source: Source, reader: Listing, request: Request) -> list[Any]:
    """Return what tells one archive, and one choice of its members, from another."""
    head = source.read(0, min(source.size, _IDENTITY_REACH))
    tail = source.read(max(source.size - _IDENTITY_REACH, 0), source.size)
    content = [zlib.crc32(head), zlib.crc32(tail), reader.fingerprint]
    return [source.size, source.modified_ns, *content, request.choice()]


def insist_on_a_match(wanted: Request, skipped: Sequence[Skipped], partial: Partial | None = None) -> None:
    """Refuse patterns that nothing matches, once no file was found; an empty partial is removed."""
    if skipped or not (wanted.include or wanted.exclude):
        return
    if partial:
        partial.remove()
    raise InputError(
        "No file of the archive matches the patterns.",
        hint="A pattern with a slash is matched against the whole path, one without against the file name.",
    )


def no_room(total: int, free: int) -> SpaceError:
    """Return the error for files that do not fit."""
    return SpaceError(
        f"The files need {say_size(total)}, and {say_size(free)} are free.",
        hint="Free some space, choose another target, or stage a part with include or first_per_folder.",
    )
