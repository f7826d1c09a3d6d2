"""Snapshots that build on others: what is written, what is needed, and what may be deleted."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colabpanel.errors import ArchiveError, InputError, PathError, StorageError
from colabpanel.services.snapshots.catalog import contents, delete_snapshot, prune_snapshots, snapshots
from colabpanel.services.snapshots.folder import dependents_of
from colabpanel.services.snapshots.manifest import read_manifest
from colabpanel.services.snapshots.service import dump, load

LARGE = np.random.default_rng(0).random(100_000)
TEXTS = np.array([f"row {number}" for number in range(2000)], object)
A, B, C, D = (f"{name}.snapshot.zip" for name in "abcd")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four snapshots, each building on the one before."""
    dump(tmp_path / A, {"large": LARGE, "texts": TEXTS, "n": 1})
    dump(tmp_path / B, {"large": LARGE, "texts": TEXTS, "more": LARGE * 2, "n": 2}, base=tmp_path / A)
    dump(tmp_path / C, {"large": LARGE.copy(), "texts": TEXTS, "more": LARGE * 2, "n": 3}, base=tmp_path / B)
    dump(tmp_path / D, {"large": LARGE, "n": 4}, base=tmp_path / C)
    return tmp_path


def test_what_is_the_same_is_not_written_again(folder: Path) -> None:
    assert (folder / C).stat().st_size < 10_000
    again = dump(folder / "e.snapshot.zip", {"large": LARGE, "n": 5}, base=folder / A)
    assert (again.reused, again.size < 10_000) == (LARGE.nbytes + 128, True)
    np.testing.assert_array_equal(load(folder / C)["large"], LARGE)
    assert load(folder / C)["texts"].tolist() == TEXTS.tolist()
    np.testing.assert_array_equal(load(folder / C, mmap=True)["more"], LARGE * 2)
    assert contents(folder / C).bases == (A, B)
    assert contents(folder / D).bases == (A,)


def test_a_base_that_is_missing_or_another_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / A, folder / "kept")
    with pytest.raises(PathError, match=r"a\.snapshot\.zip, which c\.snapshot\.zip builds on, is missing") as caught:
        load(folder / C)
    assert "beside" in caught.value.hint
    assert load(folder / C, names=["n"]) == {"n": 3}
    dump(folder / A, {"large": LARGE})
    with pytest.raises(ArchiveError, match="is not the snapshot that"):
        load(folder / C)
    with pytest.raises(PathError, match="does not exist"):
        dump(folder / "f.snapshot.zip", {"n": 1}, base=folder / "never.snapshot.zip")
    with pytest.raises(InputError, match="is not in"):
        dump(folder / "sub" / "f.snapshot.zip", {"n": 1}, base=folder / B)


def test_a_base_is_not_written_over_nor_deleted(folder: Path) -> None:
    with pytest.raises(InputError, match=r"builds on a\.snapshot\.zip"):
        dump(folder / A, {"n": 9})
    with pytest.raises(InputError, match="builds on"):
        delete_snapshot(folder / A)
    assert dump(folder / D, {"n": 9}, base=folder / D).reused == 0
    with pytest.raises(PathError, match="does not exist"):
        delete_snapshot(folder / "none")


def test_deleting_folds_in_what_others_need(folder: Path) -> None:
    before = {name: load(folder / name) for name in (B, C, D)}
    delete_snapshot(folder / A, fold=True)
    for name, found in before.items():
        again = load(folder / name)
        np.testing.assert_array_equal(again["large"], found["large"])
        assert again["n"] == found["n"]
        assert contents(folder / name).signed
    assert contents(folder / B).bases == ()
    assert contents(folder / C).bases == contents(folder / D).bases == (B,)
    assert (folder / C).stat().st_size < 10_000
    delete_snapshot(folder / B, fold=True)
    np.testing.assert_array_equal(load(folder / C)["more"], LARGE * 2)
    delete_snapshot(folder / D)
    assert [one.path.name for one in snapshots(folder)] == [C]


def test_all_of_a_folder_is_looked_at_before_a_base_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colabpanel.services.snapshots.folder._MOST", 1)
    (folder / "other.snapshot.zip").write_bytes(b"not one")
    assert {path.name for path in dependents_of(folder / A)} == {B, C, D}


@pytest.mark.parametrize("unreadable", [A, C])
def test_a_base_stays_while_it_is_not_known_what_builds_on_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, unreadable: str
) -> None:
    def read(path: Path) -> Any:
        if path.name == unreadable:
            raise OSError(errno.EIO, "it hurts")
        return read_manifest(path)

    monkeypatch.setattr("colabpanel.services.snapshots.folder.read_manifest", read)
    for call in (lambda: delete_snapshot(folder / A, fold=True), lambda: prune_snapshots(folder, keep=1)):
        with pytest.raises(StorageError, match=rf"what builds on a\.snapshot\.zip: .*{unreadable}"):
            call()
    assert {path.name for path in folder.iterdir()} == {A, B, C, D}
    np.testing.assert_array_equal(load(folder / C)["large"], LARGE)


def test_a_damaged_base_is_not_folded_in(folder: Path) -> None:
    data = bytearray((folder / A).read_bytes())
    place = data.index(LARGE[500:502].tobytes())
    data[place] ^= 1
    (folder / A).write_bytes(data)
    with pytest.raises(ArchiveError, match="is damaged"):
        delete_snapshot(folder / A, fold=True)
    assert (folder / A).exists()
    with pytest.raises(ArchiveError, match="is damaged"):
        load(folder / B)


def test_folding_does_not_sign_what_others_wrote(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("COLABPANEL_CONFIG_DIR", str(tmp_path_factory.mktemp("somebody")))
    dump(folder / "mine.snapshot.zip", {"n": 1})
    delete_snapshot(folder / A, fold=True)
    assert not contents(folder / B).signed
    np.testing.assert_array_equal(load(folder / B)["large"], LARGE)


def test_the_newest_are_kept(folder: Path) -> None:
    (folder / "other.snapshot.zip").write_bytes(b"not one")
    (folder / ".hidden.snapshot.zip").write_bytes(b"")
    listed = snapshots(folder)
    assert {one.path.name for one in listed if one.problem} == {"other.snapshot.zip"}
    assert [path.name for path in prune_snapshots(folder, keep=2)] == [B, A]
    assert load(folder / C)["n"] == 3
    np.testing.assert_array_equal(load(folder / D)["large"], LARGE)
    with pytest.raises(InputError, match="at least 1"):
        prune_snapshots(folder, keep=0)
    for stamp in ("20260101-000000", "20260102-000000"):
        dump(folder / f"run-{stamp}.snapshot.zip", {"n": 1})
    assert [path.name for path in prune_snapshots(folder, keep=1, name="run")] == ["run-20260101-000000.snapshot.zip"]
    assert prune_snapshots(folder, keep=1, name="unknown") == []
    with pytest.raises(InputError):
        snapshots(folder / "nowhere")


def test_a_base_that_was_renamed_is_found_and_folded_in(folder: Path) -> None:
    (folder / A).rename(folder / "renamed.snapshot.zip")
    np.testing.assert_array_equal(load(folder / D)["large"], LARGE)
    assert prune_snapshots(folder, keep=1) == [folder / C, folder / B, folder / "renamed.snapshot.zip"]
    np.testing.assert_array_equal(load(folder / D)["large"], LARGE)
    assert contents(folder / D).bases == ()
