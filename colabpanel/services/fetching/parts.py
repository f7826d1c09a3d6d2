"""Where a file is brought from, and what may go wrong where it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from colabpanel.services.web.answers import Version
from colabpanel.services.web.lines import Network
from colabpanel.services.web.opening import Opened, Opener

__all__ = ["DiskError", "Source"]


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
