"""Writing one tar.zst archive of files, and verifying it."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from colabpanel.errors import StorageError
from colabpanel.progress import Progress
from colabpanel.services.optional import optional
from colabpanel.services.sources import LocalSource
from colabpanel.services.staging.archive import MemberError
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
    """
    zstd = optional("backports.zstd", "a tar.zst archive")
    kinds = zstd.CompressionParameter
    chosen = {
        kinds.compression_level: _DEFAULT_LEVEL if level is None else level,
        kinds.checksum_flag: 1,
        kinds.nb_workers: workers,
    }
    with (
        zstd.ZstdFile(stream, "w", options=chosen) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive,
    ):
        for file in files:
            yield file, _add(archive, folder, file, progress)


def _add(archive: tarfile.TarFile, folder: Path, file: FoundFile, progress: Progress) -> OSError | None:
    info = tarfile.TarInfo(file.name)
    try:
        stream = (folder / file.name).open("rb")
    except OSError as error:
        return error
    with stream:
        info.size, info.mtime, info.mode = os.fstat(stream.fileno()).st_size, file.modified, file.mode
        archive.addfile(info, _Exactly(stream, info.size, progress))  # type: ignore[arg-type]
    return None


class _Exactly:
    """A file that gives the bytes its header told, with zeros for those it lost meanwhile."""

    def __init__(self, stream: Any, size: int, progress: Progress) -> None:
        self._stream, self._left, self._progress = stream, size, progress

    def read(self, amount: int) -> bytes:
        wanted = min(amount, self._left)
        data: bytes = self._stream.read(wanted)
        self._left -= wanted
        self._progress.advance(len(data))
        return data.ljust(wanted, b"\0")


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
