"""`colabpanel.download` and `colabpanel.upload`: what a cell shows for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import colabpanel
from colabpanel import api
from colabpanel.errors import InputError, OutsideRootError
from tests.fakes import FakeHost


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Any]]:
    """What is displayed in the notebook; views are closed afterwards."""
    displayed: list[Any] = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setattr("IPython.get_ipython", object)
    monkeypatch.setattr(api, "detect", lambda: FakeHost(tmp_path))
    yield displayed
    while api._transfers:
        api._transfers.pop().close()


def test_a_download_is_shown_and_is_one_of_the_queue(shown: list[Any], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    view = colabpanel.download(tmp_path / "a.txt")
    assert shown == [view.widget]
    (item,) = view.tab.transfers.queue.items()
    assert item.transfer.again == {"paths": [str(tmp_path / "a.txt")], "only": "", "route": None}


def test_several_paths_are_one_download(shown: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    view = colabpanel.download(["a.txt", tmp_path / "b"], only="*.png", route="comm")
    (item,) = view.tab.transfers.queue.items()
    assert item.transfer.again["paths"] == [str(tmp_path / "a.txt"), str(tmp_path / "b")]
    assert (item.transfer.again["only"], item.transfer.again["route"]) == ("*.png", "comm")


def test_an_upload_begins_with_the_folder_and_the_rule(shown: list[Any], tmp_path: Path) -> None:
    view = colabpanel.upload("data", overwrite="rename", root=tmp_path)
    assert shown == [view.widget]
    card = view.tab.upload
    assert card is not None
    assert (card.target.path, card.overwrite.value) == ("data", "rename")


def test_what_cannot_be_is_said_and_shows_nothing(
    shown: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="nothing to download"):
        colabpanel.download([])
    with pytest.raises(InputError, match="no rule called 'always'"):
        colabpanel.upload(overwrite="always")  # type: ignore[arg-type]  # what a typing error is
    host = FakeHost(tmp_path)
    host.root = tmp_path / "in"
    monkeypatch.setattr(api, "detect", lambda: host)
    with pytest.raises(OutsideRootError):
        colabpanel.download("a", root=tmp_path)
    assert shown == []


def test_old_views_are_closed_once_their_transfers_have_ended(shown: list[Any]) -> None:
    views = [colabpanel.upload() for _ in range(api._MOST_VIEWS + 2)]
    assert [view.widget.comm is None for view in views] == [True, True] + [False] * api._MOST_VIEWS
