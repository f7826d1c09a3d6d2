"""What staging and planning both stand on: the paths of a request, the identity of an archive, errors in words."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from colabpanel.errors import InputError, PathError, SpaceError
from colabpanel.progress import Progress
from colabpanel.services.mounts import insist_on_drive
from colabpanel.services.paths import real_root, resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources import LocalSource, Source
from colabpanel.services.staging.archive import Listing
from colabpanel.services.staging.partial import Partial
from colabpanel.services.staging.request import Request
from colabpanel.words import size as say_size

__all__ = ["Places", "identity_of", "insist_on_a_match", "no_room"]

_IDENTITY_REACH, _FAR_REACH = 1 << 20, 64 << 10
"""Bytes of both ends of an archive that are looked at; of a far one those that were read already."""


class Places:
    """The paths of a request, checked against its root.

    Attributes:
        source: The archive; None for one elsewhere.
        directory: The target.
        partial: What is beside it.
    """

    def __init__(self, request: Request) -> None:
        root = real_root(request.root)
        self.source = None if request.spec else resolve_inside(root, request.source)
        self.directory = resolve_inside(root, request.directory)
        self.partial = Partial(self.directory, root)
        insist_on_drive(self.directory)
        self._spec = request.spec
        if self.source == self.directory:
            raise PathError("The source and the target are the same path.", hint="Choose another target folder.")

    @contextmanager
    def archive(self, progress: Progress) -> Iterator[Source]:
        """Give the archive, wherever it is.

        Raises:
            InputError: It does not exist, or may not be read.
            SourceLostError: It cannot be reached.
        """
        if self.source is not None:
            with closing(LocalSource(self.source)) as source:
                yield source
            return
        from colabpanel.services.staging.far import far_archive  # what is on the disk needs nothing of it

        assert self._spec is not None
        with far_archive(self._spec, self.partial, progress) as found:
            yield found


def identity_of(source: Source, reader: Listing, request: Request) -> list[Any]:
    """Return what tells one archive, and one choice of its members, from another."""
    reach = _FAR_REACH if source.is_far else _IDENTITY_REACH
    head = source.read(0, min(source.size, reach))
    tail = source.read(max(source.size - reach, 0), source.size)
    content = [zlib.crc32(head), zlib.crc32(tail), reader.fingerprint]
    return [*source.identity, *content, request.choice()]


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
