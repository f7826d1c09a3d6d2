"""A server whose answers go wrong, and an engine that is quick to try again and cuts files small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from colabpanel.progress import Progress
from colabpanel.services.fetching import connection, engine, journal
from colabpanel.services.fetching.request import Request
from colabpanel.services.web import lines, opening
from tests.http_faults import FaultyServer, serving

PIECE = 4096

Fetch = Callable[..., dict[str, Any]]


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving() as server:
        yield server


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut files into small pieces, and try again at once."""
    monkeypatch.setattr(journal, "PIECE", PIECE)
    monkeypatch.setattr(engine, "_FIRST", PIECE)
    monkeypatch.setattr(connection, "_CHUNK", 1024)
    monkeypatch.setattr(connection, "_SHORTEST", 0.001)
    monkeypatch.setattr(opening, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(opening, "_LONGEST_PAUSE", 0.01)


def make_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a server that says no more no longer than a test can; a slow machine may seem to be one."""
    monkeypatch.setattr(opening, "TO_BEGIN", 0.3)
    for module in (lines, connection):
        monkeypatch.setattr(module, "STALL", 0.2)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch)


def fetch_here(url: str, directory: Path, progress: Progress | None = None, **options: Any) -> dict[str, Any]:
    """Fetch in this process, where a test can reach the parts."""
    request = Request(url=url, directory=str(directory), **options)
    return engine.fetch_here(request.to_json(), progress or Progress())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    make_impatient(monkeypatch)
