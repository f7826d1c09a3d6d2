"""What an answer of a range must be: a part, of the same version, that begins where it should."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPResponse
from typing import NamedTuple

from colabpanel.services.web.addresses import Address
from colabpanel.services.web.answers import Version, part_of, version_of
from colabpanel.services.web.lines import Network
from colabpanel.services.web.opening import Opened, Opener, RefusedError

__all__ = ["ChangedError", "DiskError", "NoRangesError", "Source", "end_of_part", "is_same"]


class ChangedError(Exception):
    """The file at the address is another one than before."""


class NoRangesError(Exception):
    """The server gives no parts of this file."""


class DiskError(Exception):
    """The disk refused, which is no matter of the connection."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


class Source(NamedTuple):
    """Where a file is brought from.

    Attributes:
        opened: The answer to the first question, a part that begins at the first byte.
        version: The version that is being brought.
        opener: Knows the headers to send.
        network: How servers are reached.
        find_again: Returns the answer to the first question, asked anew; addresses with a signature expire.
    """

    opened: Opened
    version: Version
    opener: Opener
    network: Network
    find_again: Callable[[], Opened]


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
    if response.status == 200 or part is None or part[0] != position:  # noqa: PLR2004 - all of it
        raise NoRangesError
    return part[1]


def is_same(found: Version, wanted: Version) -> bool:
    """Whether two answers are of one version, as far as they tell."""
    if found.size is not None and found.size != wanted.size:
        return False
    if found.etag and wanted.etag:
        return found.etag == wanted.etag
    return not found.modified or not wanted.modified or found.modified == wanted.modified
