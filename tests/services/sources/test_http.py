"""What servers do wrong with ranges: the bytes are the right ones, or there is an error."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, nullcontext

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel.errors import ColabPanelError, InputError, SourceLostError
from colabpanel.services.sources.http import HttpSource
from colabpanel.services.sources.spec import SourceSpec, open_source
from colabpanel.services.web import opening
from colabpanel.services.web.parts import NoRangesError
from tests.http_faults import FAULTS, SILENT, FaultyServer, Page, serving
from tests.services.sources.conftest import EDGE, PIECE, make_impatient, make_small

DATA = random.Random(3).randbytes(20 * PIECE + 77)
SIZE = len(DATA)
pytestmark = pytest.mark.usefixtures("small")


def _open(url: str, **options: object) -> HttpSource:
    return HttpSource(SourceSpec("http", url, {}, options))


@pytest.fixture
def source(server: FaultyServer) -> Iterator[HttpSource]:
    with closing(_open(server.serve(DATA, "/photos%20of%20me.zip?key=hidden".partition("?")[0]))) as source:
        yield source


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 10), (0, EDGE), (5, EDGE + 5), (PIECE, 2 * PIECE), (0, SIZE), (SIZE - 4, SIZE + 100), (SIZE, SIZE + 9)],
)
def test_ranges_are_read_and_cut_at_the_end(source: HttpSource, start: int, end: int) -> None:
    assert source.read(start, end) == DATA[start:end]
    assert source.read(start, end) == DATA[start:end]
    buffer = bytearray(max(end - start, 0))
    assert source.read_into(memoryview(buffer), start) == len(DATA[start:end])
    assert buffer[: len(DATA[start:end])] == DATA[start:end]


def test_what_is_known_of_it(server: FaultyServer, source: HttpSource) -> None:
    assert (source.size, source.name, source.is_far) == (SIZE, "photos of me.zip", True)
    assert source.identity == [SIZE, '"one"', "Mon, 01 Jun 2026 00:00:00 GMT"]
    assert source.modified == 1780272000
    assert source.shown == f"{server.url}/photos%20of%20me.zip"


def test_both_ends_are_asked_for_once_and_all_over_one_connection(server: FaultyServer, source: HttpSource) -> None:
    for _ in range(3):
        source.read(0, 100)
        source.read(SIZE - 100, SIZE)
        source.read(SIZE - 22, SIZE)
    source.read(PIECE, PIECE + 10)
    assert [asked.range for asked in server.asked] == [(0, EDGE), (SIZE - EDGE, SIZE), (PIECE, PIECE + 10)]
    assert len({asked.connection for asked in server.asked}) == 1


def test_a_long_range_comes_over_several_connections(server: FaultyServer, source: HttpSource) -> None:
    server.latency = 0.02
    assert source.read(PIECE, SIZE - PIECE) == DATA[PIECE : SIZE - PIECE]
    assert 4 < len({asked.connection for asked in server.asked}) <= 9


def test_another_reader_asks_over_a_connection_of_its_own(server: FaultyServer, source: HttpSource) -> None:
    with closing(source.again()) as other:
        assert other.read(PIECE, PIECE + 5) == DATA[PIECE : PIECE + 5]
        assert other.read(0, 5) == DATA[:5]
    assert [asked.range for asked in server.asked] == [(0, EDGE), (PIECE, PIECE + 5)]
    assert len({asked.connection for asked in server.asked}) == 2


def test_another_process_need_not_look_for_it_again(server: FaultyServer) -> None:
    server.pages["/link"] = Page(location=server.serve(DATA))
    with closing(_open(f"{server.url}/link")) as source, closing(open_source(source.reference)) as other:
        asked = len(server.asked)
        assert other.read(PIECE, PIECE + 5) == DATA[PIECE : PIECE + 5]
        assert (other.size, other.identity, other.name) == (source.size, source.identity, "link")
    assert [asked.path for asked in server.asked[asked:]] == ["/data.bin"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_each_fault_once(server: FaultyServer, monkeypatch: pytest.MonkeyPatch, fault: str, place: int) -> None:
    if fault in SILENT:
        make_impatient(monkeypatch)
    url = server.serve(DATA)
    server.faults.extend([*["", "", ""][:place], fault])
    if place == 0 and fault == "403":
        with pytest.raises(InputError, match="does not give this file to everybody"):
            _open(url)
    elif place == 0 and fault == "page":
        with pytest.raises(InputError, match=r"a web page \(Please sign in\)"):
            _open(url)
    elif place == 0 and fault == "ignores ranges":
        with pytest.raises(NoRangesError):
            _open(url)
    else:
        _read_in_pieces(url, server)


def _read_in_pieces(url: str, server: FaultyServer) -> None:
    with closing(_open(url)) as source:
        page, before = server.pages["/data.bin"], server.pages["/data.bin"].data
        will_change = "changes" in server.faults
        with pytest.raises(SourceLostError, match="changed while it was read") if will_change else nullcontext():
            assert b"".join(source.read(start, start + PIECE) for start in range(0, SIZE, PIECE)) == before
        assert (page.data != before) == will_change


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(st.sampled_from(["", "", *FAULTS]), max_size=12),
    ranges=st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, 3 * PIECE)), min_size=1, max_size=5),
    etag=st.sampled_from(['"one"', 'W/"one"', None]),
)
def test_whatever_goes_wrong_no_byte_is_another_one(
    faults: list[str], ranges: list[tuple[int, int]], etag: str | None
) -> None:
    with pytest.MonkeyPatch.context() as patch, serving() as server:
        make_small(patch)
        url = server.serve(DATA, etag=etag)
        server.faults.extend(fault for fault in faults if fault not in SILENT)
        try:
            with closing(_open(url)) as source:
                turned = server.pages["/data.bin"].data
                for start, length in ranges:
                    assert source.read(start, start + length) == turned[start : start + length]
        except (ColabPanelError, NoRangesError):
            assert any(faults)


def test_patience_lasts_as_long_as_bytes_come(server: FaultyServer, source: HttpSource) -> None:
    server.faults.extend(["503", "reset", "hangs up", "503", "cut"] * 5)
    assert source.read(PIECE, 3 * PIECE) == DATA[PIECE : 3 * PIECE]
    assert not server.faults


def test_a_server_that_is_gone_ends_in_words(server: FaultyServer, source: HttpSource) -> None:
    server.faults.extend(["503"] * 100)
    with pytest.raises(SourceLostError, match=r"127.0.0.1 does not give the rest of http"):
        source.read(PIECE, PIECE + 10)


def test_a_file_that_is_deleted_midway_ends_in_words(server: FaultyServer, source: HttpSource) -> None:
    server.pages.clear()
    with pytest.raises(InputError, match="has no such file"):
        source.read(PIECE, PIECE + 10)


def test_a_server_that_stops_giving_ranges_ends_in_words(server: FaultyServer, source: HttpSource) -> None:
    next(iter(server.pages.values())).ranges = False
    with pytest.raises(SourceLostError, match="does not give the rest"):
        source.read(PIECE, PIECE + 10)


def test_an_address_that_expires_is_looked_up_again(server: FaultyServer) -> None:
    server.pages["/link"] = Page(location=server.serve(DATA, "/signed-1"))
    with closing(_open(f"{server.url}/link")) as source:
        assert source.read(PIECE, PIECE + 5) == DATA[PIECE : PIECE + 5]
        server.pages["/signed-1"] = Page(status=403)
        server.pages["/link"] = Page(location=server.serve(DATA, "/signed-2"))
        assert source.read(PIECE, PIECE + 5) == DATA[PIECE : PIECE + 5]
        server.pages["/signed-2"] = Page(status=403)
        server.pages["/link"] = Page(location=server.serve(DATA[::-1], "/signed-3", etag='"other"'))
        with pytest.raises(SourceLostError, match="changed while it was read"):
            source.read(PIECE, PIECE + 5)


def test_headers_go_to_their_host_only(server: FaultyServer) -> None:
    with serving() as other:
        server.pages["/link"] = Page(location=other.serve(DATA))
        spec = SourceSpec("http", f"{server.url}/link", {"Authorization": "Bearer hidden", "X-Key": "hidden"})
        with closing(HttpSource(spec)) as source:
            source.read(PIECE, PIECE + 5)
        assert [asked.headers.get("X-Key") for asked in server.asked] == ["hidden"]
        assert all("hidden" not in str(asked.headers) for asked in other.asked)


def test_secrets_are_not_shown(server: FaultyServer) -> None:
    url = server.serve(DATA).replace("127.0.0.1", "me:hidden@127.0.0.1") + "?token=hidden"
    spec = SourceSpec("http", url, {"Authorization": "hidden"}, {"keys": "hidden"})
    assert "hidden" not in f"{spec} {spec!r} {spec.name} {spec.shown}"
    with closing(HttpSource(spec)) as source:
        server.faults.extend(["503"] * 100)
        with pytest.raises(SourceLostError) as caught:
            source.read(PIECE, PIECE + 10)
        assert "hidden" not in f"{caught.value} {caught.value.hint} {source.identity} {source.shown}"


def test_only_public_addresses_are_asked_for_strangers(server: FaultyServer) -> None:
    with pytest.raises(InputError, match="dashboard"):
        _open(server.serve(DATA), public_only=True)
    assert not server.asked


def test_the_identity_may_be_given(server: FaultyServer) -> None:
    with closing(_open(server.serve(DATA, etag=None), identity=["md5", "abc"])) as source:
        assert source.identity == ["md5", "abc"]


def test_a_head_that_breaks_off_is_read_when_it_is_wanted(server: FaultyServer) -> None:
    server.faults.append("cut")
    with closing(_open(server.serve(DATA))) as source:
        assert source.read(0, 600) == DATA[:600]


def test_pages_that_lead_on_and_on_are_left(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colabpanel.services.sources.http.insist_on_file", lambda _page, address: address.url)
    server.serve(b"<!DOCTYPE html><html></html>" + bytes(600))
    with pytest.raises(InputError, match="leads to pages"):
        _open(f"{server.url}/data.bin")


def test_a_server_that_never_answers(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_MOST_TRIES", 2)
    server.faults.extend(["hangs up"] * 100)
    with pytest.raises(SourceLostError, match="does not give the file"):
        _open(server.serve(DATA))
