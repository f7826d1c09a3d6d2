"""A source as a binary file object."""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING

from colabpanel.services.sources.opening import Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["SourceFile"]


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
