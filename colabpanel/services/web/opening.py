"""Finding the file behind an address: redirects, refusals, and servers that want to be asked later."""

from __future__ import annotations

import http.client
import random
import socket
import ssl
import string
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote

from colabpanel.errors import InputError, SourceLostError
from colabpanel.progress import Progress
from colabpanel.services.web.addresses import Address
from colabpanel.services.web.answers import pause_asked, stated_sums
from colabpanel.services.web.lines import Body, Line, Network

__all__ = ["LOOK_FIRST", "PASSING", "Opened", "Opener", "Pauses", "RefusedError", "Says", "is_busy", "wait"]

_REDIRECTS = {301, 302, 303, 307, 308}
_BUSY = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
_MOST_HOPS = 10
_MOST_TRIES = 7
_jitter = random.Random()  # noqa: S311 - so that not all ask at once; the user's own seed stays as it is
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 8.0
_LOOK = 0.1
TO_BEGIN = 60.0
"""Seconds a server may take to begin: some make an archive first."""

LOOK_FIRST = 512
"""Bytes of a file that an opened answer has at hand."""

_NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}

Says = Callable[[Address], Mapping[str, str]]
"""Returns headers for an address."""

PASSING = (OSError, http.client.HTTPException)
"""What goes wrong with connections, and may go right the next time."""


class RefusedError(Exception):
    """A server will not give the file.

    Args:
        status: The number of its answer.
        address: What was asked.
    """

    def __init__(self, status: int, address: Address) -> None:
        super().__init__(status)
        self.status, self.address = status, address


class Opened(NamedTuple):
    """The answer of a server that has the file.

    Attributes:
        address: Where the file is, all redirects followed.
        line: The connection it comes over.
        response: The answer.
        body: What of it is still to be read.
        sums: Checksums of the whole file that were stated on the way.
    """

    address: Address
    line: Line
    response: http.client.HTTPResponse
    body: Body
    sums: dict[str, str]

    def beginning(self, most: int) -> bytes:
        """Return the first bytes of what is still to be read, as many as come; they are still to come."""
        try:
            return self.body.peek(most)
        except PASSING:
            return self.body.at_hand


class Pauses:
    """How long to wait before a server is asked again; starts anew after any success."""

    def __init__(self) -> None:
        self._failures = 0

    @property
    def spent(self) -> bool:
        """Whether it was tried often enough."""
        return self._failures >= _MOST_TRIES

    def after_failure(self, asked: float = 0.0) -> float:
        """Count a failure; returns the seconds to wait, at least as many as the server asked for."""
        self._failures += 1
        pause: float = min(_FIRST_PAUSE * 2.0 ** (self._failures - 1), _LONGEST_PAUSE)
        return max(asked, pause * _jitter.uniform(0.7, 1.3))

    def after_success(self) -> None:
        """Forget the failures."""
        self._failures = 0


def is_busy(status: int) -> bool:
    """Whether a server may give later what it refuses now."""
    return status in _BUSY


def wait(seconds: float, progress: Progress) -> None:
    """Wait so long, unless ``progress`` cancels it."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        progress.advance(0)
        time.sleep(min(left, _LOOK))


class Opener:
    """Asks for a file, and follows where the answers lead.

    Args:
        network: How servers are reached.
        secrets: For each origin the ``Authorization`` it may be sent.
        progress: May cancel the waiting.
        says: Returns further headers for an address, made anew for each question.
    """

    def __init__(
        self, network: Network, secrets: Mapping[str, str], progress: Progress, says: Says = lambda _address: {}
    ) -> None:
        self._network, self._secrets, self._progress, self._says = network, secrets, progress, says

    def headers_for(self, address: Address) -> dict[str, str]:
        """Return what proves who asks, to the one host it is meant for."""
        authorization = address.authorization or self._secrets.get(address.origin, "")
        return {**({"Authorization": authorization} if authorization else {}), **self._says(address)}

    def open(self, address: Address, headers: Mapping[str, str]) -> Opened:
        """Ask, and ask again where that can help.

        Raises:
            InputError: There is no such host, or it may not be asked.
            RefusedError: The server will not give it.
            SourceLostError: The server does not answer.
        """
        pauses, reason = Pauses(), ""
        while not pauses.spent:
            asked = 0.0
            try:
                opened = self._follow(address, headers)
                if not is_busy(opened.response.status):
                    return opened
                reason, asked = f"it answers {opened.response.status}", pause_asked(opened.response.headers)
                opened.line.close()
            except PASSING as error:
                reason = _in_words(error, address)
            wait(pauses.after_failure(asked), self._progress)
        raise SourceLostError(
            f"{address.host} does not give the file: {reason}.",
            hint="Try again later.",
        )

    def _follow(self, address: Address, headers: Mapping[str, str]) -> Opened:
        line, sums = Line(self._network), dict[str, str]()
        line.patience = TO_BEGIN
        try:
            for _ in range(_MOST_HOPS):
                self._progress.advance(0)
                response, body = line.ask(address, {**headers, **self.headers_for(address)})
                sums |= stated_sums(response.headers)
                further = response.headers.get("Location")
                if response.status not in _REDIRECTS or not further:
                    return self._insist_on_success(Opened(address, line, response, body, sums))
                address = address.join(_as_sent(further))
        except BaseException:
            line.close()
            raise
        line.close()
        raise InputError("The address leads from one to the next without end.", hint="Copy the link again.")

    @staticmethod
    def _insist_on_success(opened: Opened) -> Opened:
        status = opened.response.status
        if status in {200, 206}:
            opened.body.peek(LOOK_FIRST)
        elif status != 416 and not is_busy(status):  # noqa: PLR2004 - an empty file has no first byte
            raise RefusedError(status, opened.address)
        return opened


def _in_words(error: Exception, address: Address) -> str:
    """Say why a server does not answer; what waiting does not mend is raised.

    Raises:
        InputError: It would be the same the next time.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        raise InputError(
            f"{address.host} cannot prove that it is {address.host}: its certificate is not valid.",
            hint="Check the address. Nothing was fetched from there.",
        ) from None
    if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_HOST:
        raise InputError(
            f"There is no host called {address.host}, or this machine is not connected.",
            hint="Check the spelling of the address.",
        ) from None
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, http.client.HTTPException):
        return "what it answers is no HTTP"
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error) or "it hangs up"


def _as_sent(location: str) -> str:
    """Return an address of a header in ASCII; servers write UTF-8 there, and it was read as Latin-1."""
    try:
        return quote(location.encode("latin-1"), safe=string.punctuation)
    except UnicodeEncodeError:
        return location
