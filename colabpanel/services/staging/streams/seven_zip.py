"""7z archives, through py7zr, which pushes bytes where the rest of staging pulls them."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Iterator
from typing import Any, cast

from colabpanel.errors import ArchiveError, PasswordError, StorageError
from colabpanel.services.optional import optional
from colabpanel.services.sources import Source, stream_of
from colabpanel.services.staging.archive import Kind, Member, MemberError

__all__ = ["SevenZipReader"]

_AHEAD = 4
_CHUNK = 1 << 20
_END = object()


class SevenZipReader:
    """A 7z archive; its members are read in order, each before the next.

    Args:
        source: The archive.
        password: For an encrypted one.

    Raises:
        ArchiveError: It is damaged.
        PasswordError: It needs a password, or another one.
        MissingLibraryError: py7zr is not installed.
    """

    format = "7z"
    fingerprint = 0

    def __init__(self, source: Source, password: str | None) -> None:
        py7zr = optional("py7zr", "a 7z archive")
        self._io = optional("py7zr.io", "a 7z archive")
        self._raw = stream_of(source)
        self._queue: queue.Queue[Any] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self.damage, self._pulled, self._received = "", 0, False
        try:
            self._archive = py7zr.SevenZipFile(cast("Any", io.BufferedReader(self._raw, _CHUNK)), password=password)
            self.encrypted = bool(self._archive.needs_password())
        except py7zr.exceptions.PasswordRequired:
            raise PasswordError("This archive is encrypted.", hint="Enter its password and stage it again.") from None
        except StorageError:
            raise
        except Exception as error:
            if password is not None:
                raise PasswordError(
                    "The password does not open this archive.", hint="Check it and try again."
                ) from None
            raise ArchiveError(
                f"{source.name} is a damaged 7z archive: its table of contents cannot be read.",
                hint="It may not be completely uploaded or downloaded. Copy it again.",
            ) from error
        self._has_password = password is not None
        self.size = sum(entry.uncompressed for entry in self._archive.files)

    def members(self) -> Iterator[Member]:
        """Yield the members; ``origin`` counts those before it that have bytes."""
        if self.encrypted and not self._has_password:
            raise PasswordError("This archive is encrypted.", hint="Enter its password and stage it again.")
        ordinal = 0
        for number, entry in enumerate(self._archive.files):
            yield _member(number, entry, ordinal)
            ordinal += not entry.is_directory

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes; py7zr verifies their checksum with the last of them."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._push, name="colabpanel-7z", daemon=True)
            self._thread.start()
        while self._pulled < member.origin:
            for _ in self._pull():
                pass
        yield from self._pull()

    def _push(self) -> None:
        """Let py7zr unpack everything, on a thread of its own."""
        try:
            self._archive.extractall(factory=_factory(self._io, self._put))
            self._put(ArchiveError("The archive ended too early."))
        except _ClosedError:
            pass
        except Exception as error:  # noqa: BLE001 - raised again where the bytes are waited for
            self._put(error)

    def _put(self, item: Any) -> None:
        while not self._closed.is_set():
            try:
                return self._queue.put(item, timeout=0.2)
            except queue.Full:
                continue
        raise _ClosedError

    def _pull(self) -> Iterator[bytes]:
        while (item := self._queue.get()) is not _END:
            if isinstance(item, StorageError):
                raise item
            if isinstance(item, Exception):
                if self.encrypted and not self._received:
                    raise PasswordError("The password does not open this archive.", hint="Check it and try again.")
                self._queue.put(item)  # for the members that follow
                raise MemberError("the archive is damaged within it or before it") from item
            self._received = True
            yield item
        self._pulled += 1

    def position(self) -> int:
        """Return how far the archive was read."""
        return self._raw.tell()

    def close(self) -> None:
        """Let go of the archive, and of the thread that unpacks it."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._archive.close()


class _ClosedError(Exception):
    """Nobody wants more bytes."""


def _factory(module: Any, put: Any) -> Any:
    """Return what py7zr asks for a place to write each member to: the bytes, then a mark at its end."""

    class Sink(module.Py7zIO):
        def __init__(self) -> None:
            self._size = 0

        def write(self, data: bytes | bytearray) -> int:
            self._size += len(data)
            put(bytes(data))
            return len(data)

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def flush(self) -> None:
            pass

        def size(self) -> int:
            return self._size

        def close(self) -> None:
            put(_END)

    class Factory(module.WriterFactory):
        def create(self, filename: str, mode: str = "wb") -> Any:
            return Sink()

    return Factory()


def _member(number: int, entry: Any, ordinal: int) -> Member:
    mode = entry.posix_mode
    time = entry.lastwritetime
    return Member(
        number,
        entry.filename,
        _kind(entry),
        entry.uncompressed,
        time.totimestamp() if time is not None else None,
        executable=bool(mode is not None and mode & 0o100),
        origin=ordinal,
    )


def _kind(entry: Any) -> Kind:
    if entry.is_directory:
        return Kind.FOLDER
    if entry.is_symlink or entry.is_junction:
        return Kind.SYMLINK
    return Kind.DEVICE if entry.is_socket else Kind.FILE
