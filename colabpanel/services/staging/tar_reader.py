"""Tar archives, plain or compressed, read forward only."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from colabpanel.errors import ArchiveError, ColabPanelError
from colabpanel.services.sources import LocalSource, SourceFile
from colabpanel.services.staging.archive import Kind, Member, MemberError
from colabpanel.services.staging.forward import DamagedStreamError, ForwardFile, XzFile

__all__ = ["TAR_OPENERS", "TarReader", "holds_tar"]

_CHUNK = 1 << 20
_BLOCK = 512
_MOST_GLOBAL = 1 << 20
_MOST_PADDING = 1 << 20
_VOLUME_LABEL, _DUMP_FOLDER = b"V", b"D"
_DAMAGED = (
    DamagedStreamError,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RecursionError,
)
_WRONG_SUM = "a checksum of the compressed archive does not match: any of its files may be wrong"
_BAD_TAIL = "what follows its end is damaged or not part of it, so its checksum could not be verified"
_MORE_FOLLOWS = "more data follows its end: members may be missing"
_CUT_SHORT = "the archive ends too early or is damaged; members after this point are missing"

TAR_OPENERS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    "tar": lambda raw: raw,
    "tar.gz": lambda raw: cast("IO[bytes]", gzip.GzipFile(fileobj=raw)),
    "tar.bz2": lambda raw: cast("IO[bytes]", bz2.BZ2File(raw)),
    "tar.xz": lambda raw: cast("IO[bytes]", io.BufferedReader(XzFile(raw), _CHUNK)),
}


def holds_tar(block: bytes) -> bool:
    """Whether the first 512 bytes of a file are a tar header, or the end of an empty tar."""
    if len(block) == _BLOCK and not block.strip(b"\0"):
        return True
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class _WatchedInfo(tarfile.TarInfo):
    """Notes how the headers ended, for ``tarfile`` takes a damaged header for the end; and bounds global headers."""

    @classmethod
    def fromtarfile(cls, archive: Any) -> Any:
        try:
            info = super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            archive.last_error = error
            raise
        if sum(len(key) + len(value) for key, value in archive.pax_headers.items()) > _MOST_GLOBAL:
            raise DamagedStreamError("global headers without end")
        return info


class TarReader:
    """A tar archive; its members are read in order, each before the next.

    Args:
        source: The archive.
        kind: A key of `TAR_OPENERS`.
        header_bytes: The largest header accepted.
    """

    size: int | None = None
    encrypted = False
    fingerprint = 0

    def __init__(self, source: LocalSource, kind: str, header_bytes: int) -> None:
        self.format, self.damage = kind, ""
        self._raw = SourceFile(source)
        buffered = cast("IO[bytes]", io.BufferedReader(self._raw, _CHUNK))
        self._stream = ForwardFile(TAR_OPENERS[kind](buffered), largest_read=max(header_bytes, _CHUNK))
        try:
            self._tar = tarfile.TarFile(
                fileobj=cast("IO[bytes]", self._stream),
                mode="r",
                tarinfo=_WatchedInfo,
                encoding="utf-8",
                errors="surrogateescape",
            )
        except ColabPanelError:
            raise
        except _DAMAGED as error:
            raise ArchiveError(
                f"{source.path.name} is damaged at its start, so nothing of it can be unpacked.",
                hint="It may not be completely uploaded or downloaded. Copy it again.",
            ) from error
        self._is_empty = self._tar.firstmember is None  # type: ignore[attr-defined]  # and asking again fails on 3.10
        self._current: tarfile.TarInfo | None = None

    def members(self) -> Iterator[Member]:
        """Yield the members; afterwards `damage` tells whether the archive was whole."""
        index = 0
        try:
            while not self._is_empty and (info := self._tar.next()) is not None:
                self._tar.members.clear()  # type: ignore[attr-defined]  # or every header stays in memory
                if info.type == _VOLUME_LABEL:
                    continue
                self._current = info
                yield _member(index, info)
                index += 1
            self._drain()
        except _DAMAGED as error:
            self.damage = self._diagnose(error)

    @property
    def _ended(self) -> bool:
        """Whether the block of zeros that ends a tar was met."""
        return isinstance(getattr(self._tar, "last_error", None), tarfile.EOFHeaderError)  # type: ignore[attr-defined]

    def _drain(self) -> None:
        """Read to the end of the file, which verifies a checksum; nothing but some zeros may follow."""
        follows = 0
        while chunk := self._stream.read(_CHUNK):
            if chunk.strip(b"\0"):
                self.damage = _MORE_FOLLOWS
            follows += len(chunk)
        if follows > _MOST_PADDING:
            self.damage = _MORE_FOLLOWS
        if not self._ended:
            self.damage = _CUT_SHORT

    def _diagnose(self, error: BaseException) -> str:
        if isinstance(error, lzma.LZMAError) or "CRC" in str(error) or "Incorrect length" in str(error):
            return _WRONG_SUM
        return _BAD_TAIL if self._ended else _CUT_SHORT

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes, holes of sparse files filled with zeros."""
        assert self._current is not None
        try:
            stream = self._tar.extractfile(self._current)
            assert stream is not None
            while chunk := stream.read(_CHUNK):
                yield chunk
        except ColabPanelError:
            raise
        except _DAMAGED as error:
            raise MemberError("the archive is damaged or cut short within it") from error

    def position(self) -> int:
        """Return how far the archive file was read."""
        return self._raw.tell()

    def close(self) -> None:
        """Let go of the stream."""
        self._tar.close()


def _member(index: int, info: tarfile.TarInfo) -> Member:
    return Member(
        number=index,
        name=info.name,
        kind=_kind(info),
        size=info.size,
        modified=float(info.mtime),
        executable=bool(info.mode & 0o100),
        link=info.linkname,
    )


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.isdir() or info.type == _DUMP_FOLDER:
        return Kind.FOLDER
    if info.islnk():
        return Kind.HARDLINK
    if info.issym():
        return Kind.SYMLINK
    return Kind.FILE if info.isreg() else Kind.DEVICE
