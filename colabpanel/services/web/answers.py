"""What the headers of an answer say."""

from __future__ import annotations

import base64
import binascii
import email.utils
import re
import time
from http.client import HTTPMessage, HTTPResponse
from typing import NamedTuple

__all__ = ["Version", "part_of", "pause_asked", "stated_sums", "version_of"]

_LONGEST_PAUSE = 30.0
_PART = re.compile(r"\s*bytes\s+(\d+)-(\d+)/(\d+|\*)\s*", re.IGNORECASE)


class Version(NamedTuple):
    """What tells one content of an address from another.

    Attributes:
        size: Bytes, or None when the server does not say.
        etag: The entity tag, or an empty string.
        modified: When the server says it was changed, as it says it, or an empty string.
    """

    size: int | None
    etag: str = ""
    modified: str = ""

    @property
    def condition(self) -> dict[str, str]:
        """The header by which a server gives a part of this version only."""
        tag = self._strong or self.modified
        return {"If-Range": tag} if tag else {}

    @property
    def is_told_apart(self) -> bool:
        """Whether a later version would be noticed."""
        return self.size is not None and bool(self._strong or self.modified)

    @property
    def _strong(self) -> str:
        """The tag, unless it is a weak one: that may stay when bytes change."""
        return "" if self.etag.startswith("W/") else self.etag


def part_of(response: HTTPResponse) -> tuple[int, int, int | None] | None:
    """Return first byte, byte after the last, and size of the whole, of an answer that is a part; else None.

    Some servers, as rclone's of S3, call a part 200; it is believed where its length fits.
    """
    found = _PART.fullmatch(response.headers.get("Content-Range", ""))
    if not found or response.status not in {200, 206}:
        return None
    first, last, whole = int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])
    if last < first or (whole is not None and last >= whole):
        return None
    if response.status == 200 and _length(response) != last + 1 - first:  # noqa: PLR2004
        return None
    return first, last + 1, whole


def version_of(response: HTTPResponse) -> Version:
    """Return which version of a file an answer gives, all or a part of."""
    headers = response.headers
    part = part_of(response)
    size = part[2] if part else _length(response) if response.status == 200 else None  # noqa: PLR2004
    return Version(size, headers.get("ETag", "").strip(), headers.get("Last-Modified", "").strip())


def _length(response: HTTPResponse) -> int | None:
    """Return how long a body is said to be; that of the response itself shrinks while it is read."""
    stated = response.headers.get("Content-Length", "").strip()
    return int(stated) if stated.isdecimal() and not response.chunked else None


def stated_sums(headers: HTTPMessage) -> dict[str, str]:
    """Return the checksums of the whole file that a server states, by name, as hexadecimal digits."""
    found = {}
    linked = re.fullmatch(r'"?([0-9a-f]{64})"?', headers.get("X-Linked-ETag", ""))
    if linked:  # Hugging Face, of its large files
        found["sha256"] = linked[1]
    if headers.get("X-Goog-Stored-Content-Encoding", "identity") == "identity":
        found |= _in_hex("md5", re.search(r"\bmd5=([\w+/]{22}==)", ",".join(headers.get_all("X-Goog-Hash", []))))
    return found | _in_hex("sha256", re.search(r"\bsha-256=:([\w+/]{43}=):", headers.get("Repr-Digest", "")))


def _in_hex(name: str, found: re.Match[str] | None) -> dict[str, str]:
    try:
        return {name: base64.b64decode(found[1], validate=True).hex()} if found else {}
    except binascii.Error:
        return {}


def pause_asked(headers: HTTPMessage) -> float:
    """Return the seconds after which a server wants to be asked again, within reason; zero when it does not say."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return min(float(text), _LONGEST_PAUSE)
    date = email.utils.parsedate_tz(text) if text else None
    return 0.0 if date is None else min(max(email.utils.mktime_tz(date) - time.time(), 0.0), _LONGEST_PAUSE)
