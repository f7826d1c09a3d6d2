"""Opening a source by what names it: a path, an address, or what another process wrote of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from colabpanel.services.sources.local import LocalSource

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Source", "is_address", "open_source"]

_WRITTEN = '{"remote": '


class Source(Protocol):
    """A file that is read by position, with retries of its own.

    Attributes:
        path: Its path, or its name where it has none.
        size: Its bytes.
        modified_ns: When it was changed, in nanoseconds since 1970; 0 where that is not known.
        place: What `open_source` opens it by in another process.
    """

    path: Path
    size: int
    modified_ns: int

    @property
    def place(self) -> str: ...
    def read(self, start: int, end: int) -> bytes: ...
    def read_into(self, view: memoryview, start: int) -> int: ...
    def again(self, *, tries: int | None = None) -> Self: ...
    def close(self) -> None: ...


def is_address(text: object) -> bool:
    """Whether something names a file of a server."""
    return isinstance(text, str) and text.lower().startswith(("http://", "https://"))


def open_source(place: str | Path, *, public_only: bool = False) -> Source:
    """Open a file.

    Args:
        place: A path, an address, or the ``place`` of a source.
        public_only: Whether only public addresses may be asked.

    Raises:
        InputError: It cannot be used.
        SourceLostError: The server, disk or Drive does not answer.
    """
    text = str(place)
    if not text.startswith(_WRITTEN) and not is_address(text):
        return LocalSource(Path(place))
    from colabpanel.services.sources.http import HttpSource, Remote, find_remote  # takes its time to load

    remote = Remote.from_json(text) if text.startswith(_WRITTEN) else find_remote(text, public_only=public_only)
    return HttpSource(remote)
