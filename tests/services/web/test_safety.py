"""The dashboard asks public addresses only, whatever their names say the second time."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.errors import InputError
from colabpanel.services.web import lines, safety
from colabpanel.services.web.addresses import parse
from colabpanel.services.web.safety import is_public, resolve
from tests.http_faults import FaultyServer
from tests.services.fetching.conftest import PIECE, fetch_here

PUBLIC = "93.184.216.34"
DATA = bytes(range(256)) * 40


@pytest.mark.parametrize(
    "number",
    [
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # a cloud's metadata
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:5db8:d822::",  # 93.184.216.34, through a tunnel
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "::127.0.0.1",
        "fec0::2",
        "192.0.0.8",
        "192.88.99.1",
    ],
)
def test_addresses_of_a_network_of_its_own_are_not_public(number: str) -> None:
    assert not is_public(number)


@pytest.mark.parametrize("number", [PUBLIC, "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_addresses_of_the_internet_are(number: str) -> None:
    assert is_public(number)


@given(st.ip_addresses())
def test_no_address_is_public_that_python_calls_private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_public(str(address)) or getattr(address, "ipv4_mapped", None) is not None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://localhost/", "http://0x7f.1/", "http://2130706433/", "http://[::1]/"]
)
def test_every_way_to_write_this_machine_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="not a public address"):
        resolve(parse(url), served=True)
    assert resolve(parse(url), served=False)


def test_only_the_ports_of_the_web() -> None:
    with pytest.raises(InputError, match="Port 8888"):
        resolve(parse(f"https://{PUBLIC}:8888/"), served=True)


Answers = Callable[..., None]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, server: FaultyServer) -> dict[str, list[list[str]]]:
    """Names of hosts, each with the answers it gives one after another; public numbers lead to the server."""
    known: dict[str, list[list[str]]] = {}

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        answers = known.get(host, [[host]])
        numbers = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in numbers]

    of_earlier_tests = set(threading.enumerate()) - {threading.current_thread()}

    def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
        if threading.current_thread() in of_earlier_tests:  # it still tries a server that is gone
            raise ConnectionRefusedError
        dialled.append(address[0])
        assert address[0] == PUBLIC, "something that was not looked at is asked"
        made = socket.socket()
        made.settimeout(timeout)
        made.connect(server.server_address)
        return made

    dialled: list[str] = []
    monkeypatch.setattr(safety, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(lines, "create_connection", create_connection)
    known["dialled"] = [dialled]
    return known


def test_a_public_name_is_fetched(server: FaultyServer, names: dict[str, list[list[str]]], tmp_path: Path) -> None:
    names["files.test"] = [[PUBLIC]]
    server.serve(DATA)
    fetch_here("http://files.test/data.bin", tmp_path, served=True)
    assert (tmp_path / "data.bin").read_bytes() == DATA


@pytest.mark.parametrize("numbers", [["10.0.0.1"], [PUBLIC, "127.0.0.1"], ["169.254.169.254", PUBLIC]])
def test_a_name_with_any_private_number_is_not(
    names: dict[str, list[list[str]]], tmp_path: Path, numbers: list[str]
) -> None:
    names["inside.test"] = [numbers]
    with pytest.raises(InputError, match=r"inside\.test is not a public address"):
        fetch_here("http://inside.test/data.bin", tmp_path, served=True)
    assert names["dialled"] == [[]]


@pytest.mark.usefixtures("small")
def test_a_name_that_answers_differently_the_second_time_gains_nothing(
    server: FaultyServer, names: dict[str, list[list[str]]], tmp_path: Path
) -> None:
    names["rebinding.test"] = [[PUBLIC], ["127.0.0.1"]]
    server.serve(DATA)
    with pytest.raises(InputError, match="not a public address"):
        fetch_here("http://rebinding.test/data.bin", tmp_path, served=True)
    assert len(DATA) > 2 * PIECE  # so that there are other connections
    assert names["dialled"] == [[PUBLIC]]
    assert not (tmp_path / "data.bin").exists()


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1/x", "http://[::1]/x", "http://metadata.test/x", "http://files.test:8080/x"]
)
def test_redirects_are_looked_at_too(
    server: FaultyServer, names: dict[str, list[list[str]]], tmp_path: Path, location: str
) -> None:
    names |= {"files.test": [[PUBLIC]], "metadata.test": [["169.254.169.254"]]}
    server.serve(b"", location=location)
    with pytest.raises(InputError, match=r"not a public address|Port 8080"):
        fetch_here("http://files.test/data.bin", tmp_path, served=True)
    assert set(names["dialled"][0]) == {PUBLIC}
