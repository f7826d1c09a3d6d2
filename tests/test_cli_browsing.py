"""``colabpanel list``."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest

from colabpanel.cli import browsing
from colabpanel.cli.terminal import EXIT_CODES, tell
from colabpanel.errors import PathError
from colabpanel.services.browsing import listing
from colabpanel.services.browsing.models import FolderPage
from tests.archives import write_tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tree(tmp_path / "pets", {"cat/a": b"", "dog.jpg": b"12345", "bird.png": b"1"})
    (tmp_path / "pets/link").symlink_to("dog.jpg")
    for name in ("cat", "dog.jpg", "bird.png"):
        os.utime(tmp_path / "pets" / name, (1_000_000_000,) * 2)
    return tmp_path / "pets"


def _run(*arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    browsing.add_commands(parser.add_subparsers(required=True))
    parsed = parser.parse_args(["list", *arguments])
    answer: dict[str, Any] = parsed.run(parsed)
    tell(answer, as_json=parsed.json)
    return answer


def test_a_folder_is_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert EXIT_CODES[_run(str(folder))["status"]] == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{folder} holds 4 entries."
    assert [line.split("  ")[-1].strip() for line in lines[1:]] == ["cat/", "link -> dog.jpg", "bird.png", "dog.jpg"]
    assert "5 bytes  2001-09-0" in lines[-1]


def test_pages_and_filters_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(str(folder), "--filter", "*.*", "--sort", "size", "--reverse", "--page-size", "1", "--page", "2", "--json")
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["message"] == f"{folder} holds 2 entries like that, of 4; this is page 2 of 2."
    assert (answer["matching"], answer["total"], answer["page"], answer["pages"]) == (2, 4, 2, 2)
    assert answer["entries"] == [
        {
            "name": "bird.png",
            "kind": "file",
            "is_folder": False,
            "size": 1,
            "modified": 1_000_000_000.0,
            "target": "",
        }
    ]


def test_a_listing_that_was_cut_is_partial(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = FolderPage("/x", (), None, (), 0, 1, 3, 3, 0, complete=False, trouble="It was cut.")
    monkeypatch.setattr(browsing, "list_page", lambda *_, **__: cut)
    assert EXIT_CODES[_run("/x")["status"]] == 3
    assert capsys.readouterr().out.splitlines()[0] == "/x holds at least 3 entries. It was cut."


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="does not exist"):
        _run(str(tmp_path / "none"))
    assert listing.list_page(tmp_path).entries == ()
