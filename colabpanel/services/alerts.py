"""Telling somebody who is away: a message to a webhook."""

from __future__ import annotations

import http.client
import json
from http import HTTPStatus
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from colabpanel.errors import ColabPanelError, HostError, InputError
from colabpanel.hosts import Host, detect

__all__ = ["checked_webhook", "send_webhook"]

_LONGEST = 1900  # letters; Discord takes 2,000
_TEAMS = (".logic.azure.com", ".api.powerplatform.com", ".powerautomate.com")
_TOO_MANY = 429
_OF_SERVERS = 500


def send_webhook(
    url: str, text: str, *, title: str = "colabpanel", timeout: float = 10.0, host: Host | None = None
) -> None:
    """Send a short message to a webhook, as Slack, Discord, Mattermost, Teams and ntfy hand them out.

    The address is as good as a password, so no error names more of it than its host. Redirects are not followed.

    Args:
        url: The address, with http or https.
        text: The message; what is beyond 1,900 letters is left out.
        title: Who sends it; stands in front of the message.
        timeout: Seconds to wait for the other side at each step.
        host: The notebook host; found by itself.

    Raises:
        InputError: The address cannot be used.
        HostError: This is the dashboard, whose visitors must not make it call addresses of their choice.
        ColabPanelError: The other side cannot be reached, or refused.
    """
    if (host or detect()).is_served:
        raise HostError("The dashboard sends no webhooks.", hint="Use colabpanel in a notebook of your own.")
    address = _checked(url)
    problem = _send(_request(address, title, text[:_LONGEST]), address.hostname or "", timeout)
    if problem is not None:  # raised here, where no exception that holds the address is its context
        raise problem


def checked_webhook(url: str) -> str:
    """Return an address, if alerts can be sent to it.

    Raises:
        InputError: They cannot.
    """
    return _checked(url).geturl()


def _checked(url: str) -> SplitResult:
    """Return the parts of an address that can be used."""
    address = _split(url.strip())
    if address is None or address.scheme not in {"http", "https"} or not address.hostname:
        raise InputError(
            "This is no address of a webhook.", hint="Copy it whole, from https:// on, from where it was made."
        )
    if address.username is not None or address.password is not None:
        raise InputError(
            "The address of a webhook cannot hold a user name and a password.",
            hint="Use an address whose secret is a part of its path.",
        )
    return address


def _split(url: str) -> SplitResult | None:
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        address = urlsplit(url)
        usable = address.port != 0  # asking raises where it is no number of a port
    except ValueError:
        return None
    return address if usable else None


def _request(address: SplitResult, title: str, text: str) -> Request:
    name = address.hostname or ""
    if name.startswith("ntfy."):
        headers, body = {"Title": _one_line(title), "Content-Type": "text/plain; charset=utf-8"}, text.encode()
    else:
        headers, body = {"Content-Type": "application/json"}, json.dumps(_message(name, f"{title}: {text}")).encode()
    headers["User-Agent"] = "colabpanel"
    return Request(address._replace(fragment="").geturl(), body, headers, method="POST")  # noqa: S310 - checked


def _one_line(title: str) -> str:
    """Return a title that fits in a header."""
    return " ".join(title.encode("ascii", "replace").decode().split())


def _message(name: str, text: str) -> dict[str, Any]:
    """Return the body that the service of this host name wants; unknown ones get the fields that most know."""
    if name.endswith(_TEAMS):
        card = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": text, "wrap": True}]}
        return {
            "type": "message",
            "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
        }
    if name == "hooks.slack.com":
        for letter, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(letter, escaped)
        return {"text": text}
    return {"text": text, "content": text, "allowed_mentions": {"parse": []}}


class _NoRedirect(HTTPRedirectHandler):
    """Lets a redirect be the error it is: a message would become a request without one."""

    def redirect_request(  # noqa: PLR0917 - the signature is urllib's
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> None:
        return None


def _send(request: Request, name: str, timeout: float) -> ColabPanelError | None:
    """Send it, and return what went wrong."""
    try:
        with build_opener(_NoRedirect).open(request, timeout=timeout):
            return None
    except HTTPError as error:
        with error:
            return _refusal(name, error.code)
    except TimeoutError:
        return _silence(name, timeout)
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            return _silence(name, timeout)
        return _unreachable(name)
    except (OSError, http.client.HTTPException, ValueError):
        return _unreachable(name)


def _refusal(name: str, code: int) -> ColabPanelError:
    phrase = f"{code} {HTTPStatus(code).phrase}" if code in set(HTTPStatus) else str(code)
    if code < HTTPStatus.BAD_REQUEST:
        return ColabPanelError(f"{name} sent the message elsewhere ({phrase}).", hint="Use the address it leads to.")
    if code == _TOO_MANY:
        return ColabPanelError(f"{name} takes no more messages for now ({phrase}).", hint="Try again in a minute.")
    if code >= _OF_SERVERS:
        return ColabPanelError(f"{name} has trouble of its own ({phrase}).", hint="Try again later.")
    return ColabPanelError(
        f"{name} refused the message ({phrase}).", hint="Look whether the webhook still exists, and copy it anew."
    )


def _silence(name: str, timeout: float) -> ColabPanelError:
    return ColabPanelError(f"{name} gave no answer within {timeout:g} seconds.", hint="Try again later.")


def _unreachable(name: str) -> ColabPanelError:
    return ColabPanelError(
        f"{name} cannot be reached.", hint="Look at the address, and whether this machine reaches the internet."
    )
