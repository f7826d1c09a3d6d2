"""``colabpanel images``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from colabpanel.cli import main
from tests.image_files import file_of, photo, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    image = file_of(photo(), "PNG")
    write(tmp_path / "pets", {"cat/a.png": image, "dog/b.png": image, "dog/c.jpg": b"\xff\xd8\xff broken"})
    return tmp_path / "pets"


def test_images_are_counted_by_their_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder} holds 3 images.",
        "  cat: 1 image",
        "  dog: 2 images",
    ]


def test_broken_ones_and_duplicates_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", str(folder), "--check", "--json"]) == 3
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["status"] == "partial"
    assert answer["message"] == f"{folder} holds 3 images; 1 broken, 1 duplicate."
    assert [name for name, _ in answer["broken"]] == ["dog/c.jpg"]
    assert answer["duplicates"] == [["cat/a.png", "dog/b.png"]]


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", str(tmp_path / "none"), "--json"]) == 1
    assert "does not exist" in json.loads(capsys.readouterr().out)["message"]
