"""The end of a zip archive, looked at before its table of contents is read into memory."""

from __future__ import annotations

import struct

from colabpanel.errors import LimitError
from colabpanel.services.sources import LocalSource
from colabpanel.services.staging.models import Limits
from colabpanel.words import count

__all__ = ["refuse_large_contents"]

_REACH = 66_000
_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_PER_MEMBER = 1024


def refuse_large_contents(source: LocalSource, limits: Limits) -> None:
    """Refuse an archive whose table of contents holds more members than the limits allow.

    Raises:
        LimitError: It does, or says that it takes more than a kilobyte for each allowed member.
    """
    start = max(source.size - _REACH, 0)
    tail = source.read(start, source.size)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        return
    members, size = _contents(source, tail, at)
    if members > limits.members or size > limits.members * _PER_MEMBER:
        raise LimitError(
            f"The archive holds more than {count(limits.members)} members.",
            hint="Pass limits=Limits(members=...) if that is what you expect; a million need about 0.8 GB of memory.",
        )


def _contents(source: LocalSource, tail: bytes, at: int) -> tuple[int, int]:
    """Return the number of members and the bytes of the table of contents, as the archive tells."""
    _, _, _, _, members, size, _, _ = _END.unpack_from(tail, at)
    locator = at - _LOCATOR.size
    if locator < 0 or not tail.startswith(b"PK\x06\x07", locator):
        return members, size
    place = _LOCATOR.unpack_from(tail, locator)[2]
    record = source.read(place, place + _END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        return members, size
    fields = _END64.unpack(record)
    return fields[7], fields[8]
