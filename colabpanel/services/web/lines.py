"""Connections to servers: kept open between questions, through proxies, to addresses that were looked at."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from socket import create_connection
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from colabpanel.errors import InputError
from colabpanel.services.web.addresses import Address
from colabpanel.services.web.safety import resolve

__all__ = ["STALL", "Body", "CutError", "Line", "Network"]

STALL = 15.0
"""Seconds without a byte after which a connection is given up."""

_LEAST = 1024
"""Bytes a second, over twice that time, below which it is given up as well."""

_TO_CONNECT = 10.0
_THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}
_AGENT = "colabpanel"


class CutError(OSError):
    """A connection ended, or came to a standstill, before all was said."""


class _Dialled(NamedTuple):
    connection: http.client.HTTPConnection
    plain: socket.socket
    origin: str
    in_front: str
    """What goes before the path of a question; a proxy wants the whole address."""

    said: dict[str, str]


class Network:
    """How servers are reached.

    Args:
        served: Whether only public addresses may be asked.
    """

    def __init__(self, *, served: bool) -> None:
        self._served = served

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def connect(self, address: Address) -> _Dialled:
        """Connect to a server.

        Raises:
            InputError: It may not be asked.
            OSError: It does not answer.
        """
        proxy = _proxy_for(address)
        said: dict[str, str] = {}
        if proxy is None:
            plain, in_front = self._dial(address), ""
        else:
            said = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
            plain, in_front = self._dial_through(proxy, address, said)
        connection = http.client.HTTPConnection(address.host, address.port)
        connection.auto_open = 0  # never by itself to a number that nobody looked at
        try:
            connection.sock = (
                self._tls.wrap_socket(plain, server_hostname=address.host) if address.scheme == "https" else plain
            )
        except BaseException:
            plain.close()
            raise
        return _Dialled(connection, connection.sock, address.origin, in_front, said if in_front else {})

    def _dial(self, address: Address) -> socket.socket:
        """Connect to one of the numbers that were looked at, and to nothing else."""
        trouble: OSError = CutError(f"{address.host} has no address")
        for number in resolve(address, served=self._served):
            try:
                dialled = create_connection((number, address.port), _TO_CONNECT)
            except OSError as error:
                trouble = error
            else:
                dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return dialled
        raise trouble

    def _dial_through(self, proxy: Address, address: Address, said: dict[str, str]) -> tuple[socket.socket, str]:
        """Connect through a proxy, which in the dashboard is told a number that was looked at."""
        goal = resolve(address, served=True)[0] if self._served else address.host
        dialled = create_connection((proxy.host, proxy.port), _TO_CONNECT)
        if address.scheme == "http" and not self._served:
            return dialled, address.origin
        tunnel = http.client.HTTPConnection(proxy.host, proxy.port)
        tunnel.sock = dialled
        netloc = f"[{goal}]:{address.port}" if ":" in goal else f"{goal}:{address.port}"
        tunnel.putrequest("CONNECT", netloc, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": netloc, **said}.items():
            tunnel.putheader(name, value)
        tunnel.endheaders()
        answer = http.client.HTTPResponse(dialled, method="CONNECT")
        answer.begin()
        if answer.status != http.client.OK:
            dialled.close()
            raise CutError(f"the proxy answered {answer.status}")
        return dialled, ""


def _proxy_for(address: Address) -> Address | None:
    """Return the proxy that the environment, or the system, names for an address."""
    if address.host in _THIS_MACHINE:  # where rclone serves; no proxy has a way here
        return None
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # takes as long to load as all the rest

    url = getproxies().get(address.scheme)
    if not url or proxy_bypass(address.host):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise InputError("The proxy of this machine is of a kind that is not supported.", hint="Use an http:// proxy.")
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    authorization = f"Basic {base64.b64encode(login.encode()).decode()}" if parts.username else ""
    return Address("http", parts.hostname, parts.port or 80, "", authorization)


class Body:
    """What a server sends, read as it comes.

    Attributes:
        left: Bytes that the server still has to send, or None when it does not say.
        at_hand: Bytes that were looked at, and are still to be taken.
        knows_its_end: Whether a body that is cut short is told from one that is over.
    """

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.left: int | None = None if response.chunked else response.length
        self.knows_its_end = response.chunked or self.left is not None
        self._since, self._bytes = time.monotonic(), 0
        self.at_hand = b""

    def peek(self, most: int) -> bytes:
        """Return the next bytes, fewer only at the end; they are still to come.

        Raises:
            OSError: The connection broke or stands still.
            HTTPException: What comes is no HTTP.
        """
        while len(self.at_hand) < most and (data := self._read(most - len(self.at_hand))):
            self.at_hand += data
        return self.at_hand[:most]

    def some(self, most: int) -> bytes:
        """Return some of the next bytes, or none at the end.

        Raises:
            OSError: The connection broke or stands still.
            HTTPException: What comes is no HTTP.
        """
        if self.at_hand:
            data, self.at_hand = self.at_hand[:most], self.at_hand[most:]
            return data
        return self._read(most)

    def _read(self, most: int) -> bytes:
        if self.left == 0:
            return b""
        data = self._response.read1(most if self.left is None else min(most, self.left))
        if not data and self.left:
            raise CutError("the connection ended early")
        if self.left is not None:
            self.left -= len(data)
        self._insist_on_speed(len(data))
        return data

    def _insist_on_speed(self, amount: int) -> None:
        now, self._bytes = time.monotonic(), self._bytes + amount
        if now - self._since > 2 * STALL:
            if self._bytes < _LEAST * (now - self._since):
                raise CutError("the connection stands still")
            self._since, self._bytes = now, 0


class Line:
    """A connection that is made when it is needed, and kept for the next question.

    Args:
        network: How servers are reached.

    Attributes:
        patience: Seconds to wait for the beginning of an answer.
    """

    def __init__(self, network: Network) -> None:
        self._network, self.patience = network, STALL
        self._dialled: _Dialled | None = None
        self._answer: tuple[http.client.HTTPResponse, Body] | None = None

    def ask(self, address: Address, headers: Mapping[str, str]) -> tuple[http.client.HTTPResponse, Body]:
        """Ask for a file.

        Raises:
            InputError: The server may not be asked.
            OSError: It does not answer.
            HTTPException: It answers with no HTTP.
        """
        used = self._is_free_for(address)
        try:
            return self._ask(address, headers)
        except (OSError, http.client.HTTPException):
            self.close()
            if not used:
                raise
        return self._ask(address, headers)  # the server had closed a connection that waited

    def _is_free_for(self, address: Address) -> bool:
        """Whether the connection can be used again; else it is closed."""
        if self._answer is not None:
            response, body = self._answer
            if body.left == 0:
                response.close()
            is_over, self._answer = response.isclosed() and not response.will_close, None
            if is_over and self._dialled is not None and self._dialled.origin == address.origin:
                return True
        self.close()
        return False

    def _ask(self, address: Address, headers: Mapping[str, str]) -> tuple[http.client.HTTPResponse, Body]:
        if self._dialled is None:
            self._dialled = self._network.connect(address)
        connection, plain, _, in_front, said = self._dialled
        usual = {"Host": address.netloc, "User-Agent": _AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        connection.putrequest("GET", in_front + address.target, skip_host=True, skip_accept_encoding=True)
        for name, value in {**usual, **said, **headers}.items():
            connection.putheader(name, value)
        plain.settimeout(self.patience)
        connection.endheaders()
        response = connection.getresponse()
        plain.settimeout(STALL)
        self._answer = response, Body(response)
        return self._answer

    def close(self) -> None:
        """Let the connection go."""
        dialled, answer = self._dialled, self._answer
        self._dialled = self._answer = None
        if answer is not None:
            answer[0].close()
        if dialled is not None:
            dialled.connection.close()
            dialled.plain.close()

    def hang_up(self) -> None:
        """End what another thread waits for; it gets an error."""
        dialled = self._dialled
        if dialled is not None:
            with contextlib.suppress(OSError):
                # Of the plain socket: that of TLS would forget the state that the other thread reads with.
                socket.socket.shutdown(dialled.plain, socket.SHUT_RDWR)
