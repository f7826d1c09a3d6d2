"""Local and mounted files, read by position and patient with Drive's passing errors."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colabpanel.errors import PathError, SourceLostError, UnreadableError
from colabpanel.services.sources.source import Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["LocalSource", "SourceFile", "read_at"]

_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR}
_GONE = {errno.ENOTCONN, errno.EHOSTDOWN, errno.ENODEV, errno.ENXIO, errno.ENOENT}
_NO_SUCH = {errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
_OPEN = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_TRIES = 9
_REOPEN_AFTER = 2
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class LocalSource:
    """A file that is read by position, with retries.

    Args:
        path: The file.
        pause: Waits between tries, in seconds; tests pass one that does not.
        tries: How often a read is tried before it counts as failed.

    Raises:
        PathError: There is no such file, or it may not be read.
    """

    is_far = False

    def __init__(self, path: Path, *, pause: Callable[[float], None] = time.sleep, tries: int = _TRIES) -> None:
        self.path, self._pause, self._tries = path, pause, tries
        try:
            self._handle = os.open(path, _OPEN)
        except FileNotFoundError:
            raise PathError(
                f"{path} does not exist.", hint="Check the spelling, or whether Drive is mounted."
            ) from None
        except PermissionError:
            raise PathError(
                f"You may not read {path}.", hint="Change its permissions, or copy it to a place you own."
            ) from None
        except OSError as error:
            if error.errno in _NO_SUCH:
                raise PathError(f"{path} is no file ({os.strerror(error.errno)}).", hint="Check the path.") from None
            raise _lost(path, error) from error
        status = os.fstat(self._handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._handle)
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
            raise PathError(f"{path} is {kind}, not an archive.", hint="Choose an archive file.")
        self.size, self.modified_ns, self.inode = status.st_size, status.st_mtime_ns, status.st_ino
        self.name, self.shown = path.name, str(path)
        self.modified: float | None = status.st_mtime_ns / 1e9
        self.identity: list[Any] = [status.st_size, status.st_mtime_ns]

    @property
    def reference(self) -> str:
        """The path."""
        return str(self.path)

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` up to ``end``; fewer only at the end of the file.

        Raises:
            SourceLostError: The file went away, or this part stayed unreadable through every try.
        """
        buffer = bytearray(max(min(end, self.size) - start, 0))
        return bytes(memoryview(buffer)[: self.read_into(memoryview(buffer), start)])

    def read_into(self, view: memoryview, start: int) -> int:
        """Fill a buffer with the bytes from ``start`` on; returns how many there were before the end.

        Raises:
            SourceLostError: As for `read`.
        """
        done = 0
        while done < len(view):
            amount = self._read_once(view[done:], start + done)
            if not amount:
                break
            done += amount
        return done

    def _read_once(self, view: memoryview, start: int) -> int:
        for attempt in range(self._tries):
            try:
                return read_at(self._handle, view, start)
            except OSError as error:
                if error.errno not in _PASSING or attempt == self._tries - 1:
                    raise _lost(self.path, error) from error
            self._pause(_pause_after(attempt))
            self._forget(start, len(view))
            if attempt >= _REOPEN_AFTER:
                self._reopen()
        raise AssertionError

    def _forget(self, start: int, length: int) -> None:
        """Drop the pages that could not be read: the system would try them again one by one, slowly."""
        if hasattr(os, "posix_fadvise"):
            with contextlib.suppress(OSError):
                os.posix_fadvise(self._handle, start, length, os.POSIX_FADV_DONTNEED)

    def _reopen(self) -> None:
        """Open the file anew, for a handle may stay broken; the old one is kept where that fails."""
        with contextlib.suppress(OSError):
            fresh = os.open(self.path, _OPEN)
            os.close(self._handle)
            self._handle = fresh

    def again(self, *, tries: int | None = None) -> LocalSource:
        """Return the same file with a handle of its own, for another thread."""
        return LocalSource(self.path, pause=self._pause, tries=tries or self._tries)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def read_at(handle: int, view: memoryview, start: int) -> int:
    """Read once into a buffer, from a position of an open file; returns how many bytes came."""
    if hasattr(os, "preadv"):
        return os.preadv(handle, [view], start)
    if hasattr(os, "pread"):
        data = os.pread(handle, len(view), start)
    else:  # Windows, where no two threads read from one handle
        os.lseek(handle, start, os.SEEK_SET)
        data = os.read(handle, len(view))
    view[: len(data)] = data
    return len(data)


def _pause_after(attempt: int) -> float:
    """Return seconds to wait, scattered so that readers that failed together do not come back together."""
    import random  # takes its time to load, and is rarely needed

    pause: float = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
    return pause * random.Random().uniform(0.5, 1.5)  # noqa: S311 - no secret, and not of the user's seed


def _lost(path: Path, error: OSError) -> SourceLostError:
    reason = os.strerror(error.errno or 0)
    if error.errno in _GONE:
        return SourceLostError(
            f"{path} went away while it was read ({reason}).",
            hint="Mount Drive again, then stage again: it goes on where it stopped.",
        )
    return UnreadableError(
        f"{path} cannot be read ({reason}).",
        hint="Wait a minute and stage again: it goes on where it stopped.",
    )


class SourceFile(io.RawIOBase):
    """A source as a binary file object, for readers that want one."""

    def __init__(self, source: Source) -> None:
        self._source, self._position = source, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of the next read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read as much as the buffer holds."""
        amount = self._source.read_into(memoryview(buffer).cast("B"), self._position)
        self._position += amount
        return amount
