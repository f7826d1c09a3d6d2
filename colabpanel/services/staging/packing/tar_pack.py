"""Writing one tar.zst archive of files, and verifying it."""

from __future__ import annotations

import errno
import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

from colabpanel.errors import StorageError
from colabpanel.progress import Progress
from colabpanel.services.optional import optional
from colabpanel.services.sources import LocalSource
from colabpanel.services.staging.archive import MemberError
from colabpanel.services.staging.packing.reading import LARGE, UnreadableError, next_bytes, whole
from colabpanel.services.staging.streams.tar import TarReader
from colabpanel.services.walk import FoundFile

__all__ = ["verify_tar", "write_tar"]

_HEADER_BYTES = 4 << 20
_DEFAULT_LEVEL = 3


def write_tar(
    stream: IO[bytes], folder: Path, files: Sequence[FoundFile], *, level: int | None, workers: int, progress: Progress
) -> Iterator[tuple[FoundFile, OSError | None]]:
    """Write an archive; yields each file as it is done, with the error that left it out.

    Raises:
        MissingLibraryError: Zstandard is not installed.
        UnreadableError: A large file cannot be read to its end: the archive must be begun anew without it.
    """
    zstd = optional("backports.zstd", "a tar.zst archive")
    kinds = zstd.CompressionParameter
    chosen = {
        kinds.compression_level: _level(level, least=kinds.compression_level.bounds()[0]),
        kinds.checksum_flag: 1,
        kinds.nb_workers: workers,
    }
    with (
        zstd.ZstdFile(stream, "w", options=chosen) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive,
    ):
        for file in files:
            yield file, _add(archive, folder, file, progress)


def _level(level: int | None, *, least: int) -> int:
    if level is None:
        return _DEFAULT_LEVEL
    return level or least  # for Zstandard 0 is its default, and only the least of all levels stores


def _add(archive: tarfile.TarFile, folder: Path, file: FoundFile, progress: Progress) -> OSError | None:
    info = tarfile.TarInfo(file.name)
    info.mtime, info.mode = file.modified, file.mode
    try:
        if file.size >= LARGE:
            _add_large(archive, folder, file, info, progress)
            return None
        data = whole(f"{folder}/{file.name}", file.size)
    except OSError as error:
        return error
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
    progress.advance(len(data))
    return None


def _add_large(
    archive: tarfile.TarFile, folder: Path, file: FoundFile, info: tarfile.TarInfo, progress: Progress
) -> None:
    with (folder / file.name).open("rb") as stream:
        info.size = os.fstat(stream.fileno()).st_size
        archive.addfile(info, _Announced(stream, file, progress))  # type: ignore[arg-type]


class _Announced:
    """A large file that gives the bytes its header told, or an error."""

    def __init__(self, stream: IO[bytes], file: FoundFile, progress: Progress) -> None:
        self._stream, self._file, self._progress = stream, file, progress

    def read(self, amount: int) -> bytes:
        data = b""
        while len(data) < amount:
            more = next_bytes(self._stream, self._file, amount - len(data))
            if not more:
                raise UnreadableError(self._file, OSError(errno.EIO, "it became shorter meanwhile"))
            data += more
        self._progress.advance(len(data))
        return data


def verify_tar(path: Path, expected: int, progress: Progress) -> None:
    """Read an archive back to its end, past its checksum.

    Raises:
        StorageError: The disk did not keep what was written.
    """
    found = 0
    with closing(LocalSource(path)) as source:
        reader = TarReader(source, "zst", _HEADER_BYTES)
        try:
            for member in reader.members():
                for _ in reader.chunks(member):
                    progress.advance(0)
                found += 1
        except MemberError:
            found = -1
        if found != expected or reader.damage:
            raise StorageError(
                f"{path.name} does not read back as it was written.", hint="Check the disk, and pack again."
            )
