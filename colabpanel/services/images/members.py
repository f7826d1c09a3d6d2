"""The bytes of images: files of a folder, and members of archives, which are not unpacked."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from colabpanel import words
from colabpanel.errors import InputError, PasswordError
from colabpanel.services.paths import resolve_inside
from colabpanel.services.sources import LocalSource, SourceFile
from colabpanel.services.staging.archive import Kind, Member, MemberError, StreamReader
from colabpanel.services.staging.formats import open_archive
from colabpanel.services.staging.request import Limits
from colabpanel.services.staging.zips.decode import DAMAGED, checked, method_of, unpacked
from colabpanel.services.staging.zips.entries import ENCRYPTED
from colabpanel.services.staging.zips.reader import ZipReader

__all__ = ["Archives", "is_shown_member", "opened_file"]

_MOST_BYTES = 256 << 20
_FEW_TRIES = 3


@contextmanager
def opened_file(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """Open a file that may lie on Drive; gives its stream and its bytes.

    Raises:
        PathError: There is no such file, or it may not be read.
        StorageError: The disk does not answer.
    """
    source = LocalSource(path, tries=_FEW_TRIES)
    try:
        yield cast("IO[bytes]", io.BufferedReader(SourceFile(source), 1 << 16)), source.size
    finally:
        source.close()


def is_shown_member(member: Member, suffixes: frozenset[str]) -> bool:
    """Whether a member is a file of these suffixes that can be read; what macOS adds beside files is not."""
    name = member.name
    return (
        member.kind is Kind.FILE
        and not member.trouble
        and os.path.splitext(name)[1].lower() in suffixes  # noqa: PTH122 - a name in an archive, a hundred thousand times
        and not name.startswith("__MACOSX/")
    )


class Archives:
    """Reads members of one archive after another; the last one stays open.

    Members of a tar are found by reading it from its start, so ask in the order of their numbers.
    """

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._source: LocalSource | None = None
        self._reader: ZipReader | StreamReader | None = None
        self._walk: Iterator[Member] = iter(())
        self._next = 0

    def member(self, path: Path, number: int) -> bytes:
        """Return the bytes of a member.

        Raises:
            InputError: There is no such archive or member, or it is damaged or too large.
            StorageError: The disk does not answer.
        """
        self._open(path)
        reader = self._reader
        try:
            if isinstance(reader, ZipReader):
                return _of_zip(reader, number)
            return self._of_stream(path, number)
        except MemberError as error:
            raise InputError(f"This member cannot be read: {error}.") from None

    def _open(self, path: Path) -> None:
        status = resolve_inside(None, path).stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key != self._key:
            self.close()
            self._source = LocalSource(path)
            self._key, self._reader = key, open_archive(self._source, Limits())
            self._walk, self._next = self._reader.members(), 0

    def _of_stream(self, path: Path, number: int) -> bytes:
        if number < self._next:
            self.close()
            self._open(path)
        reader = cast("StreamReader", self._reader)
        for member in self._walk:
            self._next = member.number + 1
            if member.number == number:
                return _joined(reader.chunks(member))
        raise InputError("The archive ends before this member.", hint="List it again: it may have changed.")

    def close(self) -> None:
        """Let go of the archive."""
        if self._reader is not None:
            self._reader.close()
        if self._source is not None:
            self._source.close()
        self._key, self._reader, self._source = (), None, None


def _of_zip(reader: ZipReader, number: int) -> bytes:
    if not 0 <= number < len(reader):
        raise InputError("The archive has no such member.", hint="List it again: it may have changed.")
    entry = reader.entry(number)
    if entry.flags & ENCRYPTED:
        raise PasswordError("This member is encrypted.", hint="Stage the archive with its password, then look at it.")
    try:
        return _joined(checked(unpacked(method_of(entry), reader.pieces(entry)), entry))
    except DAMAGED as error:
        raise MemberError("it is damaged") from error


def _joined(chunks: Iterator[Any]) -> bytes:
    found = bytearray()
    for chunk in chunks:
        found += chunk
        if len(found) > _MOST_BYTES:
            raise InputError(f"This member is larger than {words.size(_MOST_BYTES)}.", hint="Stage the archive first.")
    return bytes(found)
