"""Connections: TLS, proxies, and those that stand still."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from colabpanel.errors import InputError, SourceLostError
from colabpanel.services.web import lines, safety
from colabpanel.services.web.addresses import parse
from colabpanel.services.web.lines import CutError, Line, Network
from tests.http_faults import FaultyServer
from tests.http_proxy import Proxy, proxying
from tests.services.fetching.conftest import PIECE, fetch_here

DATA = bytes(range(256)) * 100
CERTIFICATE = Path(__file__).with_name("localhost.pem")


@pytest.fixture(autouse=True)
def _no_proxies_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def secure(server: FaultyServer) -> str:
    """Let the server speak TLS; returns its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://localhost:{server.server_address[1]}"


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


@pytest.fixture
def proxy(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxying(("127.0.0.1", server.server_address[1])) as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url.replace("//", "//me:pass@"))
        yield proxy


@pytest.mark.usefixtures("trusted", "small", "impatient")
def test_a_file_over_tls(server: FaultyServer, secure: str, tmp_path: Path) -> None:
    server.serve(DATA)
    server.faults.extend(["", "stall", "cut", "503"])
    fetch_here(f"{secure}/data.bin", tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert len({asked.connection for asked in server.asked}) > 1


@pytest.mark.parametrize("why", ["not trusted", "another name"])
def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
    server: FaultyServer, secure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    server.serve(DATA)
    if why == "another name":
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        secure = secure.replace("localhost", "127.0.0.1")
    with pytest.raises(InputError, match="certificate is not valid"):
        fetch_here(f"{secure}/data.bin", tmp_path, secrets={secure: "Bearer t"})
    assert server.asked == []


@pytest.mark.usefixtures("small")
def test_plain_addresses_go_through_the_proxy_whole(server: FaultyServer, proxy: Proxy, tmp_path: Path) -> None:
    server.serve(DATA)
    fetch_here("http://files.test/data.bin", tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert all(head.startswith("GET http://files.test/data.bin HTTP/1.1") for head in proxy.heads)
    assert all("Proxy-Authorization: Basic bWU6cGFzcw==" in head for head in proxy.heads)


@pytest.mark.usefixtures("trusted", "small")
def test_tls_goes_through_a_tunnel(server: FaultyServer, secure: str, proxy: Proxy, tmp_path: Path) -> None:
    server.serve(DATA)
    fetch_here("https://files.test/data.bin", tmp_path, secrets={"https://files.test": "Bearer t"})
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert all(head.startswith("CONNECT files.test:443 HTTP/1.1") for head in proxy.heads)
    assert not any("Bearer" in head for head in proxy.heads)
    assert not any("Proxy-Authorization" in asked.headers for asked in server.asked)


def test_in_the_dashboard_the_proxy_is_told_numbers_that_were_looked_at(
    server: FaultyServer, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", ("93.184.216.34" if host == "files.test" else "10.0.0.1", port))]

    monkeypatch.setattr(safety, "getaddrinfo", getaddrinfo)
    server.serve(DATA)
    fetch_here("http://files.test/data.bin", tmp_path, served=True)
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert all(head.startswith("CONNECT 93.184.216.34:80 ") for head in proxy.heads)
    with pytest.raises(InputError, match="not a public address"):
        fetch_here("http://inside.test/data.bin", tmp_path, served=True)


def test_a_proxy_that_refuses_is_named(
    proxy: Proxy, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(SourceLostError, match="the proxy answered 407"):
        fetch_here("https://files.test/data.bin", tmp_path)
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(InputError, match="of a kind that is not supported"):
        fetch_here("https://files.test/data.bin", tmp_path)


def test_hosts_that_need_no_proxy(
    server: FaultyServer, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetch_here(server.serve(DATA), tmp_path)
    assert proxy.heads == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (socket.EAI_NONAME, InputError, r"no host called nowhere\.test"),
        (socket.EAI_AGAIN, SourceLostError, "try later"),
    ],
)
def test_names_that_are_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception], words: str
) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> None:
        raise socket.gaierror(code, "Try later")

    monkeypatch.setattr(safety, "getaddrinfo", getaddrinfo)
    with pytest.raises(kind, match=words):
        fetch_here("https://nowhere.test/x", tmp_path)


def test_a_connection_is_used_again_and_replaced_when_the_server_closed_it(server: FaultyServer) -> None:
    address, line = parse(server.serve(DATA)), Line(Network(served=False))
    for _ in range(2):
        _, body = line.ask(address, {})
        assert b"".join(iter(lambda body=body: body.some(1000), b"")) == DATA  # type: ignore[misc]
    assert len({asked.connection for asked in server.asked}) == 1
    server.faults.append("hangs up")
    line.ask(address, {})[1].some(1)
    assert len({asked.connection for asked in server.asked}) == 2
    line.ask(address, {})  # the rest of the last answer was not read
    assert len({asked.connection for asked in server.asked}) == 3
    line.close()


def test_a_connection_that_brings_next_to_nothing_is_given_up(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(lines, "time", SimpleNamespace(monotonic=lambda: now[0]))
    line = Line(Network(served=False))
    _, body = line.ask(parse(server.serve(DATA)), {})
    body.some(10)
    now[0] = 29.0
    body.some(10)
    now[0] = 31.0
    with pytest.raises(CutError, match="stands still"):
        body.some(10)
    _, body = line.ask(parse(server.serve(DATA * 10)), {})
    while body.left:
        body.some(65536)
        now[0] += 10
    line.close()


def test_hanging_up_ends_what_another_thread_waits_for(server: FaultyServer) -> None:
    waiting = threading.Event()

    def hold(sent: int) -> None:
        if sent:
            waiting.set()
            server.released.wait(30)

    server.before_sending = hold
    line, ended = Line(Network(served=False)), list[BaseException]()
    _, body = line.ask(parse(server.serve(bytes(10 * PIECE))), {})

    def read() -> None:
        try:
            while body.some(PIECE):
                pass
        except OSError as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert waiting.wait(30)
    line.hang_up()
    reader.join(30)
    assert len(ended) == 1
    line.close()
    line.hang_up()
