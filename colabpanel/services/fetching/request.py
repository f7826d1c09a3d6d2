"""What fetching is asked for."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Request"]


class Request(NamedTuple):
    """The arguments of one fetch, in a form that crosses to the child process as JSON.

    Attributes:
        url: The address of the file.
        directory: The folder it goes into.
        root: The folder outside of which nothing is written, or None.
        name: What it shall be called; None leaves that to the server.
        sha256: Its checksum as 64 hexadecimal digits, or None.
        md5: Its checksum as 32 hexadecimal digits, or None.
        overwrite: See `colabpanel.services.staging.request.Overwrite`.
        served: Whether only public addresses may be asked.
        secrets: For each origin the ``Authorization`` it may be sent.
        state_dir: Where receipts are kept.
        key: What it is known by in receipts and unfinished files where its address does not last; else empty.
    """

    url: str
    directory: str
    root: str | None = None
    name: str | None = None
    sha256: str | None = None
    md5: str | None = None
    overwrite: str = "changed"
    served: bool = False
    secrets: dict[str, str] = {}  # noqa: RUF012 - nobody writes into it
    state_dir: str | None = None
    key: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON values."""
        return self._asdict()
