"""A server whose answers go wrong, and sources that are quick to try again and keep little."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from colabpanel.services.sources import ahead, http
from colabpanel.services.web import lines, opening
from tests.http_faults import FaultyServer, serving

EDGE = 512
"""Bytes of both ends that are kept."""

PIECE = 4096


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving() as server:
        yield server


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep little, cut ranges small, and try again at once."""
    monkeypatch.setattr(http, "HEAD", EDGE)
    monkeypatch.setattr(http, "TAIL", EDGE)
    monkeypatch.setattr(http, "_CHUNK", 1024)
    monkeypatch.setattr(http, "_SHORTEST", 0.001)
    monkeypatch.setattr(ahead, "_PIECE", PIECE)
    monkeypatch.setattr(ahead, "_FAR_PIECE", PIECE)
    monkeypatch.setattr(ahead, "_STEP", 2 * PIECE)
    make_quick(monkeypatch)


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(opening, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(opening, "_LONGEST_PAUSE", 0.01)


def make_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a server that says no more no longer than a test can; a slow machine may seem to be one."""
    monkeypatch.setattr(opening, "TO_BEGIN", 0.3)
    for module in (lines, http):
        monkeypatch.setattr(module, "STALL", 0.2)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    make_impatient(monkeypatch)
