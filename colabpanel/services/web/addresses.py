"""Addresses of files: checked, split, and shown without what may be secret in them."""

from __future__ import annotations

import base64
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from colabpanel.errors import InputError

__all__ = ["Address", "parse"]

_PORTS = {"http": 80, "https": 443}
_IN_PATH = "/%:@!$&'()*+,;=~-._"
_IN_QUERY = _IN_PATH + "?"
_LONGEST = 16_000
_LONGEST_LABEL = 63  # letters between two dots of a host's name


class Address(NamedTuple):
    """One ``http`` or ``https`` address.

    Attributes:
        scheme: ``http`` or ``https``.
        host: The name or number of the host, in ASCII.
        port: Its port.
        target: Path and query, as the server gets them.
        authorization: The header made of a name and password in the address, or an empty string.
    """

    scheme: str
    host: str
    port: int
    target: str
    authorization: str = ""

    @property
    def origin(self) -> str:
        """Scheme, host and port: what a secret belongs to."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def netloc(self) -> str:
        """The host, and the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as text, with whatever its query holds; not to be shown."""
        return self.origin + self.target

    @property
    def path(self) -> str:
        """The path, as people write it."""
        return unquote(self.target.partition("?")[0])

    @property
    def shown(self) -> str:
        """The address without its query, which may hold a token."""
        return self.origin + self.target.partition("?")[0]

    def join(self, location: str) -> Address:
        """Return where a redirect leads; a password in the address stays with its own host.

        Raises:
            InputError: It leads to something that is no address of a file.
        """
        try:
            new = parse(urljoin(self.url, location))
        except ValueError:
            raise InputError("The address leads to one that is none.", hint="Copy the link again.") from None
        if new.origin == self.origin and not new.authorization:
            return new._replace(authorization=self.authorization)
        return new


def parse(url: str) -> Address:
    """Check and split an address.

    Raises:
        InputError: It is none, or of a kind that is not fetched.
    """
    text = url.strip()
    if not text:
        raise InputError("No address was given.", hint="Paste the link of a file, as https://example.org/data.zip.")
    if len(text) > _LONGEST or not text.isprintable() or "\\" in text:
        raise InputError("This is no address of a file.", hint="Copy the link again.")
    try:
        parts = urlsplit(text)
        scheme, host = parts.scheme.lower(), _in_ascii(parts.hostname or "")
        port = parts.port or _PORTS.get(scheme, 0)
        login = None if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    except (ValueError, UnicodeError):
        raise InputError("This is no address of a file.", hint="Copy the link again.") from None
    if scheme not in _PORTS:
        kind = f"{scheme}:// addresses are" if scheme and "://" in text else "An address without https:// is"
        raise InputError(f"{kind} not fetched.", hint="Give an address that starts with https:// or http://.")
    if not host:
        raise InputError("The address names no host.", hint="Copy the link again.")
    target = quote(parts.path or "/", safe=_IN_PATH) + (f"?{quote(parts.query, safe=_IN_QUERY)}" if parts.query else "")
    authorization = "" if login is None else f"Basic {base64.b64encode(login.encode()).decode()}"
    return Address(scheme, host, port, target, authorization)


def _in_ascii(host: str) -> str:
    """Return the name of a host as it travels.

    Raises:
        ValueError: It is none.
    """
    name = (host if host.isascii() else host.encode("idna").decode("ascii")).lower().rstrip(".")
    if not all(letter.isalnum() or letter in "-._:" for letter in name):
        raise ValueError(name)
    if name and not all(0 < len(label) <= _LONGEST_LABEL for label in name.split(".")):
        raise ValueError(name)
    return name
