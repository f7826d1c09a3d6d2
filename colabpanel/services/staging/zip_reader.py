"""Zip archives, through the standard library."""

from __future__ import annotations

import contextlib
import io
import lzma
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator

from colabpanel.errors import ArchiveError, ColabPanelError, PasswordError
from colabpanel.services.sources import LocalSource, SourceFile
from colabpanel.services.staging.archive import Kind, Member, MemberError
from colabpanel.services.staging.models import Limits
from colabpanel.services.staging.zip_contents import refuse_large_contents
from colabpanel.services.staging.zip_member import METHODS, decoded

__all__ = ["ZipReader"]

_CHUNK = 1 << 20
_LOCAL_HEADER = 30
_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 0x1
_AES = 99
_UNIX = 3
_TRIAL = 64 << 20
_LOCKED_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # zipfile decodes these with bounds
_METHOD_NAMES = {9: "Deflate64", 93: "Zstandard", 95: "xz", 98: "PPMd"}
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)


class ZipReader:
    """A zip archive, read in the order in which its members lie in the file."""

    format = "zip"

    def __init__(self, source: LocalSource, password: str | None, limits: Limits) -> None:
        refuse_large_contents(source, limits)
        self._source, self._file = source, SourceFile(source)
        try:
            self._zip = zipfile.ZipFile(io.BufferedReader(self._file, _CHUNK))
        except ColabPanelError:
            raise
        except Exception as error:
            raise _unreadable(source) from error
        self._infos = sorted(self._zip.infolist(), key=lambda info: info.header_offset)
        self.damage = ""
        self.size: int | None = sum(info.file_size for info in self._infos)
        self.encrypted = any(info.flag_bits & _ENCRYPTED_FLAG for info in self._infos)
        _refuse_overlaps(self._infos, self._zip.start_dir)
        if any(info.compress_type == _AES for info in self._infos):
            raise ArchiveError(
                "This zip archive is encrypted with AES, which is not supported.",
                hint="Unpack it with 7-Zip and zip it again without AES.",
            )
        if self.encrypted and password is not None:
            self._unlock(password)

    def _unlock(self, password: str) -> None:
        """Try the password on the smallest member: its check value alone fits one wrong password in 256."""
        self._zip.setpassword(password.encode())
        locked = [info for info in self._infos if info.flag_bits & _ENCRYPTED_FLAG and info.file_size <= _TRIAL]
        try:
            if locked:
                self._zip.read(min(locked, key=lambda info: info.file_size))
        except (RuntimeError, zipfile.BadZipFile, zlib.error):
            raise PasswordError("The password does not open this archive.", hint="Check it and try again.") from None

    def members(self) -> Iterator[Member]:
        """Yield the members in the order in which they lie in the file."""
        last = {_name(info): index for index, info in enumerate(self._infos)}
        for index, info in enumerate(self._infos):
            name = _name(info)
            yield Member(
                index=index,
                name=name,
                kind=_kind(info),
                size=info.file_size,
                modified=_modified(info),
                executable=info.create_system == _UNIX and bool(info.external_attr >> 16 & stat.S_IXUSR),
                trouble=_trouble(info, repeated=last[name] != index and not name.endswith("/")),
            )

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes; its length and checksum are verified with the last of them."""
        info = self._infos[member.index]
        try:
            yield from self._decrypted(info) if info.flag_bits & _ENCRYPTED_FLAG else decoded(self._source, info)
        except _DAMAGED as error:
            raise MemberError(_damage_in_words(error)) from error

    def _decrypted(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        with self._zip.open(info) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    def position(self) -> int:
        """Return the position of the last read."""
        return self._file.tell()

    def close(self) -> None:
        """Let go of the central directory."""
        self._zip.close()


def _unreadable(source: LocalSource) -> ArchiveError:
    return ArchiveError(
        f"{source.path.name} is a damaged zip archive: its table of contents cannot be read.",
        hint="It may not be completely uploaded or downloaded. Compare its size with the original and copy it again.",
    )


def _refuse_overlaps(infos: list[zipfile.ZipInfo], end: int) -> None:
    """Refuse archives in which members share bytes: only bombs are made so."""
    starts = [*(info.header_offset for info in infos), end]
    for info, following in zip(infos, starts[1:], strict=True):
        if info.header_offset + _LOCAL_HEADER + info.compress_size > following:
            raise ArchiveError(
                "This zip archive is refused: its members overlap, as they do in a zip bomb.",
                hint="If you trust where it comes from, unpack it there and zip it again.",
            )


def _name(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    if not info.flag_bits & _UTF8_FLAG:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _kind(info: zipfile.ZipInfo) -> Kind:
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if stat.S_ISLNK(mode):
        return Kind.SYMLINK
    if stat.S_IFMT(mode) in {stat.S_IFBLK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK}:
        return Kind.DEVICE
    return Kind.FOLDER if _name(info).endswith("/") else Kind.FILE


def _modified(info: zipfile.ZipInfo) -> float | None:
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return None


def _trouble(info: zipfile.ZipInfo, *, repeated: bool) -> str:
    supported = _LOCKED_METHODS if info.flag_bits & _ENCRYPTED_FLAG else METHODS
    if info.compress_type not in supported:
        name = _METHOD_NAMES.get(info.compress_type, f"number {info.compress_type}")
        return f"its compression method ({name}) is not supported"
    return "a later member has the same name" if repeated else ""


def _damage_in_words(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile) and "CRC" in str(error):
        return "it is damaged: its checksum does not match"
    if isinstance(error, RuntimeError | NotImplementedError):
        return f"it cannot be decoded: {error}"
    return "it is damaged"
