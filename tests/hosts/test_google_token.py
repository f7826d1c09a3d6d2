"""Tokens for Drive's API: the user is asked once, on the main thread, and what fails is said in words."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from colabpanel.errors import HostError
from colabpanel.hosts import _google_token
from colabpanel.hosts._google_token import GoogleToken
from colabpanel.hosts.colab import ColabHost
from colabpanel.hosts.jupyter import JupyterHost
from tests.fakes import FakeColabAuth, FakeGoogleCredentials, FakeShell


def _at_once(function: Callable[[], None]) -> Future[None]:
    future: Future[None] = Future()
    try:
        function()
        future.set_result(None)
    except Exception as error:
        future.set_exception(error)
    return future


def _token(auth: FakeColabAuth, credentials: FakeGoogleCredentials) -> GoogleToken:
    return GoogleToken(auth.authenticate_user, lambda: credentials, _at_once, request=object)


def test_the_user_is_asked_once_and_a_token_lasts_until_it_is_stale() -> None:
    auth, credentials = FakeColabAuth(), FakeGoogleCredentials()
    token = _token(auth, credentials)
    assert (token(), token()) == ("token-1", "token-1")
    credentials.valid = False
    assert token() == "token-2"
    assert auth.asked == 1


def test_who_says_no_is_told_so_and_may_be_asked_again() -> None:
    auth = FakeColabAuth(RuntimeError("Failed to fetch user credentials."))
    token = _token(auth, FakeGoogleCredentials())
    with pytest.raises(HostError, match=r"no access to Drive: Failed to fetch user credentials\.") as caught:
        token()
    assert "Allow the access" in caught.value.hint
    auth.error = None
    assert token() == "token-1"


def test_credentials_without_a_token_are_none() -> None:
    credentials = FakeGoogleCredentials()
    credentials.valid = True
    with pytest.raises(HostError, match="gives no access"):
        _token(FakeColabAuth(), credentials)()


def test_a_page_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_google_token, "_CONSENT", 0.01)
    asked: list[Future[None]] = []

    def never(_: Callable[[], None]) -> Future[None]:
        asked.append(Future())
        return asked[-1]

    token = GoogleToken(lambda: None, FakeGoogleCredentials, never, request=object)
    with pytest.raises(HostError, match="not allowed in time"):
        token()
    assert asked[0].cancelled()


def test_only_colab_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert JupyterHost(FakeShell()).google_token is None
    auth = FakeColabAuth()
    host = ColabHost(FakeShell(), auth=lambda: auth, credentials=FakeGoogleCredentials)
    monkeypatch.setattr(host, "on_main_thread", _at_once)
    assert host.google_token is not None
