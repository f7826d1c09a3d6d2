"""Asking Drive's API: one connection, patience with limits, a fresh token once, and refusals in words."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from colabpanel.errors import ColabPanelError, HostError, InputError, PathError, SourceLostError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.web.addresses import Address, parse
from colabpanel.services.web.answers import pause_asked
from colabpanel.services.web.lines import Network
from colabpanel.services.web.opening import PASSING, Pauses, is_busy, wait

__all__ = ["BASE", "UNAUTHORIZED", "Answer", "DriveApi"]

BASE = "https://www.googleapis.com"
UNAUTHORIZED = 401
_BUSY_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded", "backendError"}
_PATIENCE = 60.0
_EVERYWHERE = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}


class Answer(NamedTuple):
    """What the API answered.

    Attributes:
        status: Its number.
        headers: Its headers.
        body: All of it.
    """

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, as JSON; empty where it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def reason(self) -> str:
        """Why it refuses, in the words of the API, or nothing."""
        error = self.json.get("error")
        details = error.get("errors") if isinstance(error, dict) else None
        return str(details[0].get("reason", "")) if details else ""

    @property
    def is_busy(self) -> bool:
        """Whether the API may do later what it refuses now."""
        return is_busy(self.status) or (self.status == 403 and self.reason in _BUSY_REASONS)  # noqa: PLR2004


class DriveApi:
    """A connection to the API.

    Args:
        token: Returns a bearer token that is good for now; asked for each request, for a token lasts an hour.
        base: Where the API is.
        pause: Waits between tries.
    """

    def __init__(
        self, token: Callable[[], str], *, base: str = BASE, pause: Callable[[float, Progress], None] = wait
    ) -> None:
        self._get_token, self._pause = token, pause
        self.origin: Address = parse(base)
        self._network = Network(served=False)
        self._connection: http.client.HTTPConnection | None = None

    @property
    def authorization(self) -> str:
        """The header that proves who asks, with a token that is good for now."""
        return f"Bearer {self._get_token()}"

    def get(self, path: str, query: Mapping[str, str], progress: Progress, *, what: str = "Drive") -> dict[str, Any]:
        """Ask for a description; ``what`` names it where it does not exist."""
        return self.ask("GET", path, query, progress, what=what).json

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        progress: Progress,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        what: str = "Drive",
    ) -> Answer:
        """Ask, and ask again where that can help.

        Raises:
            ColabPanelError: Drive refuses, or does not answer.
        """
        target = f"{path}?{urlencode({**_EVERYWHERE, **query})}"
        pauses, anew, reason = Pauses(), True, ""
        while not pauses.spent:
            progress.advance(0)
            asked = 0.0
            try:
                answer = self.once(method, target, body=body, headers=headers)
            except PASSING as error:
                reason = str(error) or type(error).__name__
            else:
                if answer.status == UNAUTHORIZED and anew:
                    anew = False
                    continue
                if not answer.is_busy:
                    return _insist_on_success(answer, what)
                reason, asked = answer.reason or f"it answers {answer.status}", pause_asked(answer.headers)
            self._pause(pauses.after_failure(asked), progress)
        raise SourceLostError(f"Drive does not answer: {reason}.", hint="Try again in some minutes.")

    def once(
        self, method: str, target: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask once, over the connection that there is.

        Raises:
            OSError: The connection broke.
            HTTPException: What came is no HTTP.
        """
        authorization = self.authorization
        try:
            connection = self._connected()
            said = {"Authorization": authorization, "User-Agent": "colabpanel", **(headers or {})}
            connection.request(method, target, body, said)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except BaseException:
            self.close()
            raise
        if response.will_close:
            self.close()
        return answer

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None or self._connection.sock is None:
            dialled = self._network.connect(self.origin)
            dialled.plain.settimeout(_PATIENCE)
            self._connection = dialled.connection
        return self._connection

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None


def _insist_on_success(answer: Answer, what: str) -> Answer:
    if answer.status < 300 or answer.status == 308:  # noqa: PLR2004 - 308: an upload goes on
        return answer
    raise _refusal(answer, what)


def _refusal(answer: Answer, what: str) -> ColabPanelError:
    reason = answer.reason
    if answer.status == UNAUTHORIZED:
        return HostError("Google does not accept the credentials for Drive.", hint="Sign in again, then try again.")
    if reason in {"storageQuotaExceeded", "teamDriveFileLimitExceeded"}:
        return StorageError("Drive is full.", hint="Free some space there; its Trash takes room, too.")
    if reason in {"downloadQuotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"}:
        return StorageError(f"Google gives no more of {what} today.", hint="Make a copy of it in your own Drive.")
    if reason in {"accessNotConfigured", "insufficientPermissions", "insufficientScopes"}:
        return HostError(
            "These credentials do not reach Drive.", hint="Sign in again, and allow access to Google Drive."
        )
    if answer.status == 404:  # noqa: PLR2004
        return PathError(f"{what} does not exist, or is not shared with you.", hint="Check the spelling.")
    if answer.status == 403:  # noqa: PLR2004
        return PathError(f"You may not do this with {what}.", hint="Ask its owner for more rights.")
    if answer.status == 400:  # noqa: PLR2004
        return InputError(f"Drive does not understand what was asked of {what}.")
    return StorageError(f"Drive refuses {what}: it answers {answer.status}.")
