"""Places, as the browser of files sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import HostError
from colabpanel.services.browsing.models import Query
from colabpanel.services.browsing.places import LocalPlace, Place
from tests.archives import tree_of, write_tree

TREE = {"a.txt": b"a", "d/b": b"b"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tree(tmp_path / "root/from", TREE)
    (tmp_path / "root/into").mkdir()
    return tmp_path / "root"


def test_a_disk_offers_everything(folder: Path) -> None:
    place: Place = LocalPlace(str(folder))
    assert place.operations == {"copy", "move", "rename", "delete", "make_folder", "zip", "measure"}
    assert place.is_local
    page = place.page("", Query())
    assert [entry.name for entry in page.entries] == ["from", "into"]
    inner = place.page(page.entries[0].address, Query(), earlier=None)
    entries, into = [entry.address for entry in inner.entries], page.entries[1].address
    assert place.copy(entries, into).entries == 2
    assert place.from_disk([folder / "from/a.txt"], into).taken == ("a.txt",)
    assert place.to_disk(entries, folder / "into", overwrite="replace").status == "ok"
    assert place.rename(str(folder / "into/a.txt"), "c.txt") == str(folder / "into/c.txt")
    made = place.make_folder(into, "new")
    assert place.move([str(folder / "into/d")], made).status == "ok"
    assert place.zip(into, ["new"], "new").made == (str(folder / "into/new.zip"),)
    assert place.measure(into).files == 3
    assert place.delete([made], truncate_first=True).files == 1
    assert set(tree_of(folder / "into")) == {"c.txt", "new.zip"}


def test_the_dashboard_loses_nothing_that_was_there(folder: Path) -> None:
    place = LocalPlace(str(folder), root=folder, is_served=True)
    assert place.operations == {"copy", "rename", "make_folder", "zip", "measure"}
    refused: list[Callable[[], Any]] = [
        lambda: place.delete(["from/a.txt"]),
        lambda: place.move(["from/a.txt"], "into"),
        lambda: place.copy(["from/a.txt"], "into", overwrite="replace"),
        lambda: place.to_disk(["from/a.txt"], folder / "into", overwrite="replace"),
        lambda: place.from_disk([Path("from/a.txt")], "into", overwrite="replace"),
    ]
    for call in refused:
        with pytest.raises(HostError, match="deletes, moves and replaces nothing"):
            call()
    assert place.copy(["from/a.txt"], "into", overwrite="rename").status == "ok"
    assert tree_of(folder / "from") == TREE
