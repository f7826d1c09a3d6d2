"""What an answer of a range must be: a part, of the same version, that begins where it should."""

from __future__ import annotations

from http.client import HTTPResponse

from colabpanel.services.web.addresses import Address
from colabpanel.services.web.answers import Version, part_of, version_of
from colabpanel.services.web.opening import RefusedError

__all__ = ["ChangedError", "NoRangesError", "end_of_part", "is_same"]


class ChangedError(Exception):
    """The file at the address is another one than before."""


class NoRangesError(Exception):
    """The server gives no parts of this file."""


def end_of_part(response: HTTPResponse, position: int, version: Version, address: Address) -> int:
    """Return where a part ends, if it is the one that was asked for.

    Args:
        response: The answer.
        position: The first byte that was asked for.
        version: The version that is being brought.
        address: What was asked.

    Raises:
        ChangedError: It is of another version.
        NoRangesError: It is no part, or another one.
        RefusedError: The server does not give it.
    """
    found = version_of(response)
    if response.status == 416:  # noqa: PLR2004 - it is shorter now
        raise ChangedError
    if response.status not in {200, 206}:
        raise RefusedError(response.status, address)
    if not is_same(found, version):
        raise ChangedError
    part = part_of(response)
    if part is None or part[0] != position:
        raise NoRangesError
    return part[1]


def is_same(found: Version, wanted: Version) -> bool:
    """Whether two answers are of one version, as far as they tell."""
    if found.size is not None and found.size != wanted.size:
        return False
    if found.etag and wanted.etag:
        return found.etag == wanted.etag
    return not found.modified or not wanted.modified or found.modified == wanted.modified
