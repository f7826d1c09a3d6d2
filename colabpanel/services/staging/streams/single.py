"""A single compressed file, as in ``model.pt.gz``: an archive with one member."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePath
from typing import IO, cast

from colabpanel.errors import ColabPanelError
from colabpanel.services.sources import Source, stream_of
from colabpanel.services.staging.archive import UNKNOWN_SIZE, Kind, Member, MemberError
from colabpanel.services.staging.streams.codecs import DAMAGED, opened

__all__ = ["SingleFileReader"]

_CHUNK = 1 << 20


class SingleFileReader:
    """Lists one member, named like the file without its last suffix.

    Args:
        source: The compressed file.
        compression: ``gz``, ``bz2``, ``xz`` or ``zst``.
    """

    size: int | None = None
    encrypted = False
    fingerprint = 0
    damage = ""

    def __init__(self, source: Source, compression: str) -> None:
        self.format = compression
        path = PurePath(source.name)
        self._name = path.stem if path.suffix.lower() == f".{compression}" else f"{path.name}.unpacked"
        self._modified = source.modified
        self._raw = stream_of(source)
        self._stream = opened(cast("IO[bytes]", io.BufferedReader(self._raw, _CHUNK)), compression)

    def members(self) -> Iterator[Member]:
        """Yield the one member."""
        yield Member(0, self._name, Kind.FILE, UNKNOWN_SIZE, self._modified)

    def chunks(self, _member: Member) -> Iterator[bytes]:
        """Yield its bytes; a checksum that does not match, or a missing end, is damage."""
        try:
            while chunk := self._stream.read(_CHUNK):
                yield chunk
        except ColabPanelError:
            raise
        except DAMAGED as error:
            raise MemberError("it is damaged or cut short") from error

    def position(self) -> int:
        """Return how far the file was read."""
        return self._raw.tell()

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()
