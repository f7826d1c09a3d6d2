"""Telling what a file is by its content, and opening the archives among them."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from typing import IO, cast

from colabpanel.errors import ArchiveError, ColabPanelError
from colabpanel.services.sources import Source, stream_of
from colabpanel.services.staging.archive import StreamReader
from colabpanel.services.staging.request import Limits
from colabpanel.services.staging.zips.reader import ZipReader

__all__ = ["empty", "open_archive"]

_BLOCK = 512
_ZIP_END = b"PK\x05\x06"
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ZIP_END_REACH = 66_000
_MOST_PADDING = 1 << 20
_SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
_KNOWN = {
    b"Rar!": "a RAR archive",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"PAR1": "a Parquet file",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"\x7fELF": "a program",
}
_SUPPORTED = "colabpanel stages zip, tar (also .gz, .bz2, .xz, .zst), 7z, and single .gz, .bz2, .xz and .zst files."
_WEB_PAGE_HINT = "The download probably saved a login or error page instead of the file. Download it again."


def open_archive(
    source: Source, limits: Limits, password: str | None = None, expect: Callable[[int], None] | None = None
) -> ZipReader | StreamReader:
    """Open an archive of any supported format; its content decides, not its name.

    Args:
        source: The archive.
        limits: What it may ask for.
        password: For one that is encrypted.
        expect: Is told how many members a zip archive says it has, before they are looked at.

    Raises:
        ArchiveError: It is no archive, of another format, or damaged.
        PasswordError: It cannot even be listed without its password.
        MissingLibraryError: Its format needs a library that is not installed.
    """
    head = source.read(0, _BLOCK)
    if not head:
        raise empty(source.name)
    if head.startswith(_ZIP_STARTS) and _ends_like_zip(source):
        return ZipReader(source, limits, expect)
    return _open_other(source, head, limits, password)


def empty(name: str) -> ArchiveError:
    """Return the error for a file without a byte."""
    return ArchiveError(f"{name} is empty.", hint="The upload may still be running, or it failed.")


def _open_other(source: Source, head: bytes, limits: Limits, password: str | None) -> ZipReader | StreamReader:
    """Open what does not look like a zip from both ends; only here are the libraries of the others loaded."""
    from colabpanel.services.staging.streams.codecs import MAGIC
    from colabpanel.services.staging.streams.seven_zip import SevenZipReader
    from colabpanel.services.staging.streams.single import SingleFileReader
    from colabpanel.services.staging.streams.tar import TarReader, holds_tar

    compression = next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)
    if compression:
        start = _start_of(source, compression)
        # A short run of zeros is an empty tar, a long one is something else.
        if holds_tar(start[:_BLOCK]) and (start[:_BLOCK].strip(b"\0") or len(start) <= _MOST_PADDING):
            return TarReader(source, compression, limits.header_bytes)
        return SingleFileReader(source, compression)
    if head.startswith(_SEVEN_ZIP):
        return SevenZipReader(source, password)
    if holds_tar(head) and not (source.size > _MOST_PADDING and not head.strip(b"\0")):
        return TarReader(source, "", limits.header_bytes)
    if head.startswith(_ZIP_STARTS) or _ends_like_zip(source):
        return ZipReader(source, limits)
    raise _not_an_archive(source, head)


def _start_of(source: Source, compression: str) -> bytes:
    """Return the first bytes of what is compressed; more than a block only where they are zeros."""
    from colabpanel.services.staging.streams.codecs import opened

    raw = cast("IO[bytes]", io.BufferedReader(stream_of(source)))
    try:
        with closing(opened(raw, compression)) as stream:
            block = stream.read(_BLOCK)
            return block if block.strip(b"\0") else block + stream.read(_MOST_PADDING)
    except ColabPanelError:
        raise
    except Exception as error:
        raise ArchiveError(
            f"{source.name} is damaged at its start, so nothing of it can be unpacked.",
            hint="It may not be completely uploaded or downloaded. Copy it again.",
        ) from error


def _ends_like_zip(source: Source) -> bool:
    return _ZIP_END in source.read(max(source.size - _ZIP_END_REACH, 0), source.size)


def _not_an_archive(source: Source, head: bytes) -> ArchiveError:
    name = source.name
    if not head.strip(b"\0"):
        return ArchiveError(
            f"{name} begins with nothing but zeros.", hint="The download was not finished. Download it again."
        )
    kind = next((kind for magic, kind in _KNOWN.items() if head.lstrip().startswith(magic)), None)
    if kind is None:
        return ArchiveError(f"{name} is not an archive.", hint=_SUPPORTED)
    hint = _WEB_PAGE_HINT if kind == "a web page" else _SUPPORTED
    return ArchiveError(f"{name} is {kind}, which cannot be staged.", hint=hint)
