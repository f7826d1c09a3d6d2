"""The card that fetches, used as a user does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

from colabpanel.panel import Panel
from colabpanel.services.fetching.models import Fetched
from colabpanel.services.fetching.service import fetch
from colabpanel.tabs import _fetch_card, _registry
from colabpanel.tabs._base import Tab
from colabpanel.tabs._fetch_card import FetchCard
from tests.archives import TREE, make_zip, tree_of
from tests.fakes import FakeHost
from tests.http_faults import FaultyServer, serving


class FetchTab(Tab):
    """A tab with this card alone."""

    def build(self) -> list[ipywidgets.Widget]:
        self.card = FetchCard(self)
        return [self.card.widget]


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving() as server:
        yield server


@pytest.fixture
def make_card(make_panel: Callable[..., Panel], monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeHost], FetchCard]:
    entry = _registry.TabEntry("fetch", "Fetch", "not imported")
    monkeypatch.setattr(_registry, "TABS", (entry,))
    monkeypatch.setattr(_registry.TabEntry, "load", lambda _: FetchTab)

    def make(host: FakeHost) -> FetchCard:
        panel = make_panel(host, tabs=["fetch"])
        panels.append(panel)
        tab = panel.tabs["fetch"]
        assert isinstance(tab, FetchTab)
        return tab.card

    panels: list[Panel] = []
    make.panels = panels  # type: ignore[attr-defined]
    return make


@pytest.fixture
def card(make_card: Callable[[FakeHost], FetchCard], host: FakeHost) -> FetchCard:
    return make_card(host)


@pytest.fixture
def tick_card(make_card: Any, tick: Callable[[Panel], None]) -> Callable[[], None]:
    return lambda: tick(make_card.panels[-1])


def test_a_link_is_fetched_into_the_workspace(
    card: FetchCard, server: FaultyServer, host: FakeHost, tick_card: Callable[[], None]
) -> None:
    data = bytes(3 << 20)
    card.url.value = f" {server.serve(data)} "
    card.checksum.value = hashlib.sha256(data).hexdigest().upper()
    assert (
        f"colabpanel.fetch(&#x27;{server.url}/data.bin&#x27;, &#x27;{host.workspace}&#x27;, sha256=" in card.code.value
    )
    card.button.click()
    assert card.button.disabled
    tick_card()
    assert not card.button.disabled
    assert "Fetched 3.0 MB" in card.jobs.message.value
    assert "SHA-256 checked" in card.jobs.message.value
    assert (host.workspace / "data.bin").read_bytes() == data
    card.url.value = ""
    assert card.jobs.message.value == ""


def test_an_archive_is_unpacked_and_what_is_left_out_is_listed(
    card: FetchCard, server: FaultyServer, tmp_path: Path, tick_card: Callable[[], None]
) -> None:
    archive = make_zip(tmp_path / "a.zip", {**TREE, "../<img src=x>": b"evil"}).read_bytes()
    card.url.value = server.serve(archive, "/photos.zip")
    card.folder.text.value = str(tmp_path / "out")
    card.unpack.value = True
    assert "unpack=True" in card.code.value
    card.button.click()
    tick_card()
    assert set(TREE) < set(tree_of(tmp_path / "out"))
    assert "1 member was skipped" in card.jobs.message.value
    assert "../&lt;img src=x&gt;" in card.jobs.message.value


def test_an_md5_is_told_by_its_length(
    card: FetchCard, server: FaultyServer, host: FakeHost, tick_card: Callable[[], None]
) -> None:
    card.url.value, card.checksum.value = server.serve(b"x"), "0" * 32
    assert "md5=" in card.code.value
    card.button.click()
    tick_card()
    assert "does not have the md5 that was given" in card.jobs.message.value
    assert list(host.workspace.iterdir()) == []


def test_a_page_is_named_with_its_title_escaped(
    card: FetchCard, server: FaultyServer, tick_card: Callable[[], None]
) -> None:
    page = b"<html><title>&lt;img src=x onerror=alert(1)&gt;</title>"
    card.url.value = server.serve(page, headers={"Content-Type": "text/html"})
    card.button.click()
    tick_card()
    assert "a web page (&lt;img src=x onerror=alert(1)&gt;)" in card.jobs.message.value


def test_without_an_address_nothing_starts(card: FetchCard) -> None:
    card.button.click()
    assert "No address is given." in card._tab.notice.value


def test_in_the_dashboard_the_host_decides_and_no_code_is_shown(
    make_card: Callable[[FakeHost], FetchCard],
    server: FaultyServer,
    tmp_path: Path,
    tick_card: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = FakeHost(tmp_path, root=tmp_path / "work")
    host.is_served = True
    card = make_card(host)
    seen: list[Any] = []

    def watched(*arguments: Any, **options: Any) -> Fetched:
        seen.append(options["host"])
        return fetch(*arguments, **options)

    monkeypatch.setattr(_fetch_card, "fetch", watched)
    card.url.value = server.serve(b"x")
    card.button.click()
    tick_card()
    assert seen == [host]
    assert "from a dashboard" in card.jobs.message.value
    assert card.code not in card.widget.children
