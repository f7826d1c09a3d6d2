"""Tar archives, plain or compressed, read forward only."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Iterator
from typing import IO, Any, cast

from colabpanel.errors import ArchiveError, ColabPanelError
from colabpanel.services.sources import Source, stream_of
from colabpanel.services.staging.archive import Kind, Member, MemberError
from colabpanel.services.staging.streams.codecs import DAMAGED, opened
from colabpanel.services.staging.streams.forward import DamagedStreamError, ForwardFile

__all__ = ["TarReader", "holds_tar"]

_CHUNK = 1 << 20
_BLOCK = 512
_MOST_GLOBAL = 1 << 20
_MOST_PADDING = 1 << 20
_OLD_GNU = b"ustar  \0"
_BAD_MAP = "its header is damaged: its map of holes makes no sense"
_VOLUME_LABEL, _DUMP_FOLDER = b"V", b"D"
_DAMAGED: tuple[type[Exception], ...] = (*DAMAGED, tarfile.TarError)
_WRONG_SUM = "a checksum of the compressed archive does not match: any of its files may be wrong"
_BAD_TAIL = "what follows its end is damaged or not part of it, so its checksum could not be verified"
_MORE_FOLLOWS = "more data follows its end: members may be missing"
_CUT_SHORT = "the archive ends too early or is damaged; members after this point are missing"


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
    """A header, with what ``tarfile`` believes or drops looked at.

    Attributes:
        trouble: What is wrong with the header, or an empty string.
    """

    trouble = ""

    @classmethod
    def fromtarfile(cls, archive: Any) -> Any:
        """Note how the headers ended, for a damaged one is taken for the end; and bound global ones."""
        try:
            info = super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            archive.last_error = error
            raise
        if sum(len(key) + len(value) for key, value in archive.pax_headers.items()) > _MOST_GLOBAL:
            raise DamagedStreamError("global headers without end")
        return info

    @classmethod
    def frombuf(cls, buffer: Any, encoding: str, errors: str) -> Any:
        """Read a header block; where GNU keeps times, ``tarfile`` sees a part of the name."""
        info = super().frombuf(buffer, encoding, errors)
        if buffer[257:265] == _OLD_GNU and info.type not in tarfile.GNU_TYPES:
            name = tarfile.nts(buffer[:100], encoding, errors)  # type: ignore[attr-defined]
            info.name = name.rstrip("/") if info.isdir() else name
        return info

    def _proc_sparse(self, archive: Any) -> Any:
        stored = self.size
        info: Any = super()._proc_sparse(archive)  # type: ignore[misc]
        if sum(size for _, size in info.sparse) != stored:
            self.trouble = _BAD_MAP
        return info


def _trouble(info: tarfile.TarInfo) -> str:
    """Return what is wrong with a member's header, or an empty string."""
    if info.size < 0 or not info.pax_headers.get("size", "0").strip().isdigit():
        return "its header is damaged: it has no size"
    end = 0
    for offset, size in getattr(info, "sparse", None) or ():
        if not size:  # a filler, or the mark of the end
            continue
        if offset < end or size < 0 or offset + size > info.size:
            return _BAD_MAP
        end = offset + size
    return str(getattr(info, "trouble", ""))


class TarReader:
    """A tar archive; its members are read in order, each before the next.

    Args:
        source: The archive.
        compression: ``gz``, ``bz2``, ``xz``, ``zst``, or empty.
        header_bytes: The largest header accepted.
    """

    size: int | None = None
    encrypted = False
    fingerprint = 0

    def __init__(self, source: Source, compression: str, header_bytes: int) -> None:
        self.format, self.damage = f"tar.{compression}".rstrip("."), ""
        self._raw = stream_of(source)
        buffered = cast("IO[bytes]", io.BufferedReader(self._raw, _CHUNK))
        self._stream = ForwardFile(opened(buffered, compression), largest_read=max(header_bytes, _CHUNK))
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
                f"{source.name} is damaged at its start, so nothing of it can be unpacked.",
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
        trouble=_trouble(info),
    )


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.isdir() or info.type == _DUMP_FOLDER:
        return Kind.FOLDER
    if info.islnk():
        return Kind.HARDLINK
    if info.issym():
        return Kind.SYMLINK
    return Kind.FILE if info.isreg() else Kind.DEVICE
