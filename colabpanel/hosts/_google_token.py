"""Tokens for Google Drive's API, with the credentials of the notebook's user."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from colabpanel.errors import HostError
from colabpanel.hosts._google_colab import GoogleCredentials, new_request

__all__ = ["GoogleToken"]

_CONSENT = 300.0
_HINT = "Allow the access in the page that opens. While a cell runs, it opens after the cell."


class GoogleToken:
    """Returns a token that is good for now; on any thread but the main one.

    The user is asked once, in the page. A token that is good for an hour is kept, and refreshed without asking.

    Args:
        authenticate: Asks the user.
        credentials: Returns what that leaves.
        on_main_thread: Runs a function where the page can be asked.
        request: Returns what credentials are refreshed with.
    """

    def __init__(
        self,
        authenticate: Callable[[], None],
        credentials: Callable[[], GoogleCredentials],
        on_main_thread: Callable[[Callable[[], None]], Future[None]],
        *,
        request: Callable[[], object] = new_request,
    ) -> None:
        self._authenticate, self._find = authenticate, credentials
        self._on_main_thread, self._request = on_main_thread, request
        self._lock = threading.Lock()
        self._known: GoogleCredentials | None = None

    def __call__(self) -> str:
        """Return a token.

        Raises:
            HostError: The user has not allowed it, or Google gives none.
        """
        with self._lock:
            try:
                known = self._known = self._known or self._asked()
                if not known.valid:
                    known.refresh(self._request())
            except HostError:
                raise
            except Exception as error:  # what google.auth raises has classes of its own
                self._known = None
                raise HostError(f"Google gives no access to Drive: {_words(error)}.", hint=_HINT) from error
            if not known.token:
                raise HostError("Google gives no access to Drive.", hint=_HINT)
            return known.token

    def _asked(self) -> GoogleCredentials:
        asked = self._on_main_thread(self._authenticate)
        try:
            asked.result(_CONSENT)
        except FutureTimeoutError:
            asked.cancel()
            raise HostError("The access to Drive was not allowed in time.", hint=_HINT) from None
        return self._find()


def _words(error: Any) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
