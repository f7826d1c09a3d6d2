"""Deleting: all of it, nothing but it, and what could not be is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import JobCancelledError, OutsideRootError, PathError
from colabpanel.services.browsing import removing_here, spots
from colabpanel.services.browsing.operations import delete_entries
from tests.archives import tree_of, write_tree
from tests.fakes import RecordingProgress

TREE = {"a": b"12345", "d/b": b"123", "d/e/c": b"1", "keep": b"stays"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "folder", TREE)


def _delete_here(*entries: Path, truncate_first: bool = False, progress: Any = None) -> dict[str, Any]:
    paths = [str(entry) for entry in entries]
    progress = progress or RecordingProgress()
    return removing_here.delete_here(paths, truncate_first=truncate_first, root=None, progress=progress)


def test_entries_go_with_all_that_is_in_them(folder: Path) -> None:
    progress = RecordingProgress()
    done = delete_entries([folder / "a", folder / "d", folder / "a"], progress=progress)
    assert (done.status, done.entries, done.files, done.size, done.skipped) == ("ok", 2, 3, 9, ())
    assert progress.done == 3
    assert tree_of(folder) == {"keep": b"stays"}


@pytest.mark.parametrize("by_handle", [True, False])
def test_links_are_deleted_and_not_followed(
    folder: Path, tmp_path: Path, by_handle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removing_here, "_BY_HANDLE", by_handle)
    write_tree(tmp_path / "outside", {"x": b"precious"})
    (folder / "d/link").symlink_to(tmp_path / "outside")
    (folder / "to outside").symlink_to(tmp_path / "outside")
    found = _delete_here(folder / "d", folder / "to outside", truncate_first=True)
    assert (found["status"], found["entries"], found["files"]) == ("ok", 2, 4)
    assert tree_of(tmp_path / "outside") == {"x": b"precious"}


def test_one_that_is_not_there_stops_all(folder: Path) -> None:
    with pytest.raises(PathError, match="does not exist"):
        delete_entries([folder / "a", folder / "none"])
    with pytest.raises(OutsideRootError):
        delete_entries(["b", "../a"], root=folder / "d")
    with pytest.raises(PathError):
        delete_entries(["."], root=folder)
    assert tree_of(folder) == TREE


def test_files_are_emptied_first_where_they_lie_once(folder: Path, tmp_path: Path) -> None:
    os.link(folder / "d/b", tmp_path / "second name")
    kept = os.open(folder / "a", os.O_RDONLY)
    try:
        assert _delete_here(folder / "a", folder / "d", truncate_first=True)["status"] == "ok"
        assert os.fstat(kept).st_size == 0
    finally:
        os.close(kept)
    assert (tmp_path / "second name").read_bytes() == b"123"


def test_what_cannot_be_deleted_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.unlink

    def unlink(path: Any, *, dir_fd: int | None = None) -> None:
        if path == "c":
            raise PermissionError(13, "Permission denied")
        if path == "b":
            real(path, dir_fd=dir_fd)  # somebody was faster
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    found = _delete_here(folder / "d", folder / "a")
    assert (found["status"], found["entries"]) == ("partial", 1)
    assert found["skipped"] == [("d/e/c", "it cannot be deleted: Permission denied")]
    assert tree_of(folder) == {"d/e/c": b"1", "keep": b"stays"}


def test_a_folder_that_cannot_be_opened_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if path in {"e", os.fspath(folder)}:
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert _delete_here(folder / "d/e")["skipped"] == [("e", "it cannot be deleted: Permission denied")]
    with pytest.raises(PathError, match="Permission denied"):
        _delete_here(folder / "a")
    assert tree_of(folder) == TREE


def test_other_disks_are_not_entered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = removing_here._Folder.status

    def status(self: Any, name: str) -> Any:
        found = real(self, name)
        if name != "e":
            return found
        return os.stat_result((found.st_mode, found.st_ino, found.st_dev + 1, *tuple(found)[3:]))

    monkeypatch.setattr(removing_here._Folder, "status", status)
    found = _delete_here(folder / "d")
    assert found["skipped"] == [("d/e", "another disk is mounted there")]
    assert tree_of(folder / "d") == {"e/c": b"1"}


def test_folders_that_are_too_deep_are_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removing_here, "_DEEPEST", 1)
    found = _delete_here(folder / "d")
    assert found["skipped"] == [("d/e", "too many folders lie in one another")]
    assert (folder / "d/e/c").exists()


def test_cancelling_keeps_the_rest(folder: Path) -> None:
    write_tree(folder / "many", {f"{number}": b"" for number in range(50)})
    with pytest.raises(JobCancelledError):
        _delete_here(folder / "many", progress=RecordingProgress(cancel_after=10))
    assert len(os.listdir(folder / "many")) == 40


def test_what_must_stay(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(folder / "d/e"))
    with pytest.raises(PathError, match="a home folder"):
        _delete_here(folder / "d")
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    mounts = tmp_path / "mounts"
    mounts.write_text(f"x {folder}/with\\040space/mount fuse rw 0 0\nbroken\n")
    for entry in (folder / "with space", folder / "with space/mount", folder):
        with pytest.raises(PathError, match="A disk is mounted at or below"):
            spots.insist_changeable(entry, mounts)
    spots.insist_changeable(folder / "a", mounts)
    spots.insist_changeable(folder / "a", tmp_path / "no list of mounts")
    monkeypatch.setattr(spots, "DRIVE", folder)
    with pytest.raises(PathError, match="belongs to Drive itself"):
        spots.insist_changeable(folder / "MyDrive", mounts)
