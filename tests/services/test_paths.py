from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.errors import OutsideRootError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services import folders, scanning
from colabpanel.services.folders import list_folder
from colabpanel.services.paths import enter_folder, resolve_inside


def test_paths_inside_the_root_are_resolved(tmp_path: Path) -> None:
    assert resolve_inside(tmp_path, "a/../b") == tmp_path / "b"
    assert resolve_inside(tmp_path, tmp_path / "a") == tmp_path / "a"
    assert resolve_inside(tmp_path, ".") == tmp_path


@pytest.mark.parametrize("path", ["..", "a/../../x", "/etc/passwd", "~root", "/"])
def test_paths_outside_the_root_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(OutsideRootError) as caught:
        resolve_inside(tmp_path / "root", path if path != "~root" else "/root")
    assert caught.value.hint


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "door").symlink_to(tmp_path)
    with pytest.raises(OutsideRootError):
        resolve_inside(root, "door/file")


@pytest.mark.parametrize("path", ["", "   ", "a\0b"])
def test_no_path_at_all_is_an_error(path: str) -> None:
    with pytest.raises(PathError):
        resolve_inside(None, path)


def test_without_a_root_everything_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert resolve_inside(None, "~/x") == tmp_path / "x"
    assert resolve_inside(None, "y ") == tmp_path / "y "


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_whatever_is_typed_stays_inside_or_is_refused(text: str) -> None:
    root = Path("/nowhere/root")
    try:
        found = resolve_inside(root, text)
    except PathError:
        return
    assert found == root or root in found.parents


def test_a_listing_shows_folders_first_and_tells_the_rest(tmp_path: Path) -> None:
    for name in ("b.zip", "A.zip", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "zebra").mkdir()
    listing = list_folder(tmp_path, limit=3)
    assert [(entry.name, entry.is_folder) for entry in listing.entries] == [
        ("zebra", True),
        ("A.zip", False),
        ("b.zip", False),
    ]
    assert (listing.total, listing.complete, listing.parent) == (4, True, tmp_path.parent)
    assert [entry.name for entry in list_folder(tmp_path, containing="ZIP").entries] == ["A.zip", "b.zip"]


def test_a_file_is_listed_as_its_folder_and_the_root_has_no_parent(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    listing = list_folder("x", root=tmp_path)
    assert listing.path == tmp_path
    assert listing.parent is None


def test_listing_100_000_entries_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3000):
        (tmp_path / f"{number:06}").touch()
    monkeypatch.setattr(scanning, "_MOST_SEEN", 2000)
    found = folders._list_here(str(tmp_path), None, "", 100, folder_only=False, progress=Progress())
    assert len(found["entries"]) == 100
    assert found["total"] == 2000
    assert found["complete"] is False


def test_what_cannot_be_listed_is_said(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="does not exist"):
        list_folder(tmp_path / "missing")
    with pytest.raises(OutsideRootError):
        list_folder("..", root=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(PathError, match="not a folder"):
        list_folder(tmp_path / "file" / "below")


def test_a_sick_disk_is_a_storage_error(tmp_path: Path) -> None:
    error = scanning.unlistable("/content/drive", OSError(107, "Transport endpoint is not connected"))
    assert isinstance(error, StorageError)
    assert "Transport endpoint is not connected" in error.message
    assert isinstance(scanning.unlistable("/root", PermissionError(13, "")), PathError)


def test_names_that_are_no_text_are_listed(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.zip")).touch()
    assert [entry.name for entry in list_folder(tmp_path).entries] == [os.fsdecode(b"caf\xe9.zip")]


def test_a_broken_link_is_listed_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert [entry.is_folder for entry in list_folder(tmp_path).entries] == [False]


def test_entering_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "file").touch()
    assert enter_folder("data") == tmp_path / "data"
    assert Path.cwd() == tmp_path / "data"
    for wrong in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(PathError):
            enter_folder(wrong)
