"""A file of a server, read by ranges that go wrong."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel.errors import ColabPanelError, InputError, SourceLostError, UnreadableError
from colabpanel.services.sources import ReadAhead, Source, is_address, open_source
from colabpanel.services.sources.http import HttpSource, Remote, find_remote
from colabpanel.services.web import lines, opening
from tests.http_faults import FAULTS, FaultyServer, serving

DATA = random.Random(3).randbytes(300_000)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "STALL", 0.2)
    monkeypatch.setattr(opening, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(opening, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(opening, "TO_BEGIN", 0.3)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving() as server:
        yield server


def _opened(url: str, tries: int = 9) -> HttpSource:
    return HttpSource(find_remote(url, public_only=False), pause=lambda _: None, tries=tries)


def test_any_part_is_the_part_of_the_file(server: FaultyServer) -> None:
    source: Source = open_source(server.serve(DATA, "/a/my%20file.zip"))
    assert (source.size, source.path.name, source.modified_ns) == (len(DATA), "my file.zip", 0)
    assert source.read(0, 10) == DATA[:10]
    assert source.read(299_990, 400_000) == DATA[-10:]
    assert source.read(400_000, 400_010) == b""
    other = open_source(source.place)
    again = other.again(tries=2)
    assert again.read(5, 99_999) == DATA[5:99_999]
    for one in (source, other, again):
        one.close()
    assert is_address("HTTPS://x")
    assert not is_address("/tmp/http://x")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([fault for fault in FAULTS if fault not in {"trickle", "silent"}]), max_size=6),
    st.tuples(st.integers(0, len(DATA)), st.integers(0, len(DATA))),
)
def test_whatever_the_server_does_the_bytes_are_right_or_there_is_an_error(
    server: FaultyServer, faults: list[str], ends: tuple[int, int]
) -> None:
    source = _opened(server.serve(DATA))
    server.faults.clear()
    server.faults.extend(faults)
    start, end = sorted(ends)
    try:
        with contextlib.suppress(ColabPanelError):
            assert source.read(start, end) == DATA[start:end]
    finally:
        source.close()
        server.faults.clear()
        server.pages["/data.bin"].data = DATA


def test_progress_brings_the_tries_back(server: FaultyServer) -> None:
    source = _opened(server.serve(DATA), tries=2)
    server.faults.extend(["cut"] * 12)
    assert source.read(0, len(DATA)) == DATA
    server.faults.extend(["503"] * 2)
    with pytest.raises(UnreadableError, match="it answers 503"):
        source.read(0, 10)
    source.close()


def test_a_file_that_changes_is_noticed(server: FaultyServer) -> None:
    url = server.serve(DATA)
    source = _opened(url)
    server.faults.append("changes")
    with pytest.raises(SourceLostError, match="has changed while it was read"):
        source.read(0, 1000)
    source.close()
    server.pages["/data.bin"].etag = None
    server.pages["/data.bin"].modified = None
    source = _opened(url)
    server.pages["/data.bin"].data = DATA + b"more"
    with pytest.raises(SourceLostError, match="has changed"):
        source.read(0, 1000)
    source.close()


def test_an_address_that_is_good_for_a_while_only(server: FaultyServer) -> None:
    source = _opened(server.serve(DATA))
    server.faults.append("403")
    with pytest.raises(SourceLostError, match="it answers 403") as caught:
        source.read(0, 10)
    assert "Get a new one" in caught.value.hint
    source.close()


def test_what_cannot_be_read_by_parts_is_refused(server: FaultyServer) -> None:
    with pytest.raises(InputError, match="in one piece only") as caught:
        open_source(server.serve(DATA, ranges=False))
    assert "colabpanel.fetch" in caught.value.hint
    with pytest.raises(InputError, match="it answers 404"):
        open_source(f"{server.url}/none")
    with pytest.raises(InputError, match="Port"):
        open_source(server.serve(DATA), public_only=True)
    with pytest.raises(InputError, match="no address"):
        open_source("https://\\x")


def test_a_password_in_an_address_is_sent_and_not_shown(server: FaultyServer) -> None:
    url = server.serve(DATA, needs="Basic dTpwdw==").replace("http://", "http://u:pw@")
    source = _opened(url)
    assert source.read(0, 3) == DATA[:3]
    assert Remote.from_json(source.place).address.authorization
    server.faults.extend(["hangs up"] * 40)
    with pytest.raises(UnreadableError) as caught:
        source.read(0, 3)
    assert "pw" not in caught.value.message + caught.value.hint
    source.close()


def test_several_ranges_are_read_at_once(server: FaultyServer) -> None:
    large = DATA * 30
    source = _opened(server.serve(large))
    server.latency = 0.02
    ahead = ReadAhead(source, threads=4)
    assert bytes(ahead.request(0, len(large)).wait()) == large
    assert len({asked.connection for asked in server.asked[1:]}) == 4
    ahead.close()
    source.close()
