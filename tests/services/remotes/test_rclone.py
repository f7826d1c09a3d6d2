"""rclone, as it is, on a folder, in memory, and on the fake of Drive's API."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from colabpanel.errors import (
    HostError,
    InputError,
    JobCancelledError,
    OutsideRootError,
    PathError,
    StorageError,
)
from colabpanel.progress import Progress
from colabpanel.services.remotes import service
from colabpanel.services.remotes.permission import VARIABLE
from colabpanel.services.remotes.rclone import store as rclone_store
from colabpanel.services.remotes.rclone.daemon import running_rclone
from colabpanel.services.remotes.rclone.store import RcloneStore
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources.spec import open_source
from tests.archives import tree_of, write_tree
from tests.fake_drive_api import FakeDriveApi
from tests.fakes import FakeHost, RecordingProgress


@pytest.fixture
def gdrive(api: FakeDriveApi, box: Path) -> FakeDriveApi:
    return api


def test_remotes_are_told_without_secrets(box: Path) -> None:
    found = service.remotes()
    assert [(one.name, one.kind) for one in found] == [
        ("box", "alias"), ("gdrive", "drive"), ("key", "sftp"), ("mem", "memory")
    ]  # fmt: skip
    assert "secret-token" not in repr(found)


def test_a_dashboard_is_told_what_was_named(box: Path, served: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert service.remotes(host=served) == []
    monkeypatch.setenv(VARIABLE, "box,mem:rw,none")
    assert [(one.name, one.read_only) for one in service.remotes(host=served)] == [("box", True), ("mem", False)]
    with pytest.raises(InputError, match="may not use"):
        service.list_remote("gdrive:", host=served)
    with pytest.raises(InputError, match="may only read"):
        service.put_remote(box / "x", "box:y", host=served)


def test_listing(box: Path) -> None:
    write_tree(box, {"b.txt": b"12", "a b#?%.txt": b"1", "sub/c": b"", "Z/x": b""})
    found = service.list_remote("box:")
    assert [(one.name, one.is_folder, one.size) for one in found.entries] == [
        ("sub", True, None), ("Z", True, None), ("a b#?%.txt", False, 1), ("b.txt", False, 2)
    ]  # fmt: skip
    assert found.entries[2].address == "box:a b#?%.txt"
    assert found.entries[3].modified == pytest.approx((box / "b.txt").stat().st_mtime, abs=1e-3)
    assert [one.address for one in service.list_remote("box:sub/").entries] == ["box:sub/c"]


def test_what_is_not_there(box: Path) -> None:
    write_tree(box, {"file": b""})
    with pytest.raises(PathError, match="box:file is a file"):
        service.list_remote("box:file")
    with pytest.raises(PathError, match="box:none does not exist"):
        service.list_remote("box:none")
    with pytest.raises(InputError, match="no remote called nothing"):
        service.list_remote("nothing:")
    with pytest.raises(PathError, match="does not exist"):
        service.remote_source("box:none")
    with pytest.raises(PathError, match="does not exist"):
        service.get_remote("box:none.txt", box / "x.txt")


def test_quota(box: Path, gdrive: FakeDriveApi) -> None:
    found = service.remote_quota("box:")
    assert found.total is not None
    assert found.free is not None
    assert found.trash is None
    nothing = service.remote_quota("mem:")
    assert (nothing.used, nothing.free, nothing.total, nothing.trash) == (None, None, None, None)
    gdrive.add("a", b"12345")
    gdrive.add("b", b"123", trashed=True)
    of_drive = service.remote_quota("gdrive:")
    assert (of_drive.total, of_drive.trash) == (15 << 30, 3)


def test_a_file_is_put_and_brought_back(box: Path, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    (tmp_path / "set.zip").write_bytes(data)
    put = service.put_remote(tmp_path / "set.zip", "box:deep/er/")
    assert (put.address, put.size, put.checked) == ("box:deep/er/set.zip", len(data), "hash")
    assert tree_of(box) == {"deep/er/set.zip": data}
    got = service.get_remote("box:deep/er/set.zip", tmp_path / "back.zip")
    assert (got.path, got.size, got.checked) == (str(tmp_path / "back.zip"), len(data), "hash")
    assert (tmp_path / "back.zip").read_bytes() == data
    assert sorted(os.listdir(tmp_path)) == ["back.zip", "set.zip"]
    (tmp_path / "into").mkdir()
    assert service.get_remote("box:deep/er/set.zip", tmp_path / "into").path.endswith("into/set.zip")


def test_what_is_there_is_not_replaced_unasked(box: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"new")
    write_tree(box, {"a": b"old"})
    with pytest.raises(PathError, match="box:a is there already"):
        service.put_remote(tmp_path / "a", "box:")
    with pytest.raises(PathError, match="is there already"):
        service.get_remote("box:a", tmp_path)
    assert service.put_remote(tmp_path / "a", "box:a", overwrite=True).size == 3
    assert tree_of(box) == {"a": b"new"}
    write_tree(box, {"a": b"newer"})
    service.get_remote("box:a", tmp_path, overwrite=True)
    assert (tmp_path / "a").read_bytes() == b"newer"


def test_paths_stay_inside_the_root(
    box: Path, tmp_path: Path, served: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "box:rw")
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    with pytest.raises(OutsideRootError):
        service.put_remote("../secret", "box:x", root=tmp_path / "root", host=served)
    write_tree(box, {"y": b"y"})
    with pytest.raises(OutsideRootError):
        service.get_remote("box:y", "../y", root=tmp_path / "root", host=served)
    assert tree_of(box) == {"y": b"y"}


def test_a_remote_that_cannot_rename(box: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"in memory")
    assert service.put_remote(tmp_path / "a", "mem:bucket/a").checked == "hash"
    assert [one.name for one in service.list_remote("mem:bucket").entries] == ["a"]
    with pytest.raises(InputError, match="no link"):
        service.link_to("mem:bucket/a")


def test_what_is_no_file(box: Path, tmp_path: Path) -> None:
    write_tree(box, {"sub/x": b""})
    with pytest.raises(PathError, match="is a folder"):
        service.put_remote(tmp_path, "box:y")
    with pytest.raises(PathError, match="is no file"):
        service.put_remote(tmp_path / "none", "box:y")
    with pytest.raises(PathError, match="is a folder"):
        service.get_remote("box:sub", tmp_path / "y")
    with pytest.raises(PathError, match="is no file"):
        service.get_remote("box:sub", tmp_path)
    with pytest.raises(PathError, match="is a folder"):
        service.remote_source("box:sub")
    assert tree_of(tmp_path) == {}


def test_other_bytes_are_noticed(box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    write_tree(box, {"a": b"before"})
    real = RcloneStore._work

    def tampered(self: RcloneStore, command: str, *args: object, **options: object) -> dict[str, object]:
        found: dict[str, object] = real(self, command, *args, **options)  # type: ignore[arg-type]
        if command == "operations/copyfile":
            (box / ".a.colabpanel-part").write_bytes(b"xyz")
        return found

    monkeypatch.setattr(RcloneStore, "_work", tampered)
    with pytest.raises(StorageError, match="the checksums differ"):
        service.put_remote(tmp_path / "a", "box:", overwrite=True)
    assert tree_of(box) == {"a": b"before"}


def test_a_cancelled_upload_leaves_what_was_there(box: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(1 << 20))
    write_tree(box, {"a": b"before"})
    with pytest.raises(JobCancelledError):
        service.put_remote(tmp_path / "a", "box:", overwrite=True, progress=RecordingProgress(cancel_after=1))
    assert tree_of(box) == {"a": b"before"}


def test_parts_of_a_file_are_read(box: Path) -> None:
    data = os.urandom(1_000_000)
    write_tree(box, {"dir [1]/ü #?%.bin": data})
    found = service.remote_source("box:dir [1]/ü #?%.bin")
    with closing(open_source(found)) as source, closing(source.again()) as second:
        assert source.size == len(data)
        assert source.read(10, 5000) == data[10:5000]
        assert second.read(999_990, 2_000_000) == data[999_990:]


def test_nobody_else_reads_from_rclone(box: Path) -> None:
    write_tree(box, {"a": b"abc"})
    found = RcloneStore("box").source("a", Progress())
    assert found.headers["Authorization"] not in repr(found)
    with pytest.raises(InputError, match="box:a does not give this file to everybody"):
        open_source(replace(found, headers={}))


# Drive's API behind rclone


def test_rclone_lists_a_large_folder_of_drive(gdrive: FakeDriveApi) -> None:
    parent = gdrive.add("many").id
    for number in range(12_000):
        gdrive.put(f"{number:05}.jpg", parent, b"x")
    gdrive.faults.extend(["rate", "429", "500"])
    found = service.list_remote("gdrive:many")
    assert len(found.entries) == 12_000
    assert found.entries[-1].name == "11999.jpg"
    assert not gdrive.faults


def test_rclone_puts_and_gets_on_drive(gdrive: FakeDriveApi, tmp_path: Path) -> None:
    data = os.urandom(9 << 20)
    (tmp_path / "a.zip").write_bytes(data)
    gdrive.faults.extend(["rate", "reset"])
    put = service.put_remote(tmp_path / "a.zip", "gdrive:backup/a.zip")
    assert (put.size, put.checked) == (len(data), "hash")
    assert [one.data == data for one in gdrive.named("a.zip")] == [True]
    assert not gdrive.named(".a.zip.colabpanel-part")
    gdrive.faults.append("cut")
    got = service.get_remote("gdrive:backup/a.zip", tmp_path / "b.zip")
    assert hashlib.sha256(Path(got.path).read_bytes()).digest() == hashlib.sha256(data).digest()
    assert not gdrive.faults
    with closing(open_source(service.remote_source("gdrive:backup/a.zip"))) as source:
        assert source.read(5_000_000, 5_000_100) == data[5_000_000:5_000_100]
    assert service.link_to("gdrive:backup/a.zip").endswith(f"open?id={gdrive.named('a.zip')[0].id}")


def test_a_full_drive_is_told(gdrive: FakeDriveApi, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(os.urandom(1 << 20))
    gdrive.limit = 1000
    with pytest.raises(StorageError, match="gdrive is full"):
        service.put_remote(tmp_path / "a.zip", "gdrive:a.zip")
    assert not gdrive.named("a.zip")


def test_credentials_that_are_refused(gdrive: FakeDriveApi) -> None:
    gdrive.tokens.clear()
    with pytest.raises(HostError, match="does not accept the credentials") as caught:
        service.list_remote("gdrive:elsewhere")
    assert "rclone config reconnect gdrive:" in caught.value.hint


# The daemon


def test_rclone_is_started_anew_when_it_dies(box: Path) -> None:
    write_tree(box, {"a": b""})
    first = running_rclone()
    assert running_rclone() is first
    served = psutil.Process(first._process.pid).children()
    first._process.kill()
    first._process.wait()
    _, left = psutil.wait_procs(served, timeout=20)
    assert left == []
    assert [one.name for one in service.list_remote("box:").entries] == ["a"]
    assert running_rclone() is not first


def test_no_secret_is_in_arguments_or_logs(box: Path, gdrive: FakeDriveApi) -> None:
    service.list_remote("gdrive:")
    daemon = running_rclone()
    keeper = psutil.Process(daemon._process.pid)
    for process in [keeper, *keeper.children()]:
        line = " ".join(process.cmdline())
        assert daemon.login[1] not in line
        assert "secret-token" not in line
    assert "secret-token" not in json.dumps(list(daemon.log))
    assert daemon.login[1] not in repr(daemon)


def test_figures_of_a_folder(box: Path, tmp_path: Path) -> None:
    write_tree(box, {"d/a": b"123", "d/e/b": b"4567", "f": b"89"})
    store = RcloneStore("box")
    found = store.measure("d", Progress())
    assert (found.files, found.size) == (2, 7)
    assert store.measure("f", Progress()).size == 2
    with pytest.raises(PathError, match="does not exist"):
        store.measure("none", Progress())
    store.make_folder("new/er", Progress())
    assert (box / "new/er").is_dir()
    assert rclone_store._unfinished("a/b") == "a/.b.colabpanel-part"


def test_links_are_left_out_and_named(box: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "set", {"a": b"1", "d/b": b"22"})
    (tmp_path / "set/d/link").symlink_to("b")
    put = RcloneStore("box").put_folder(tmp_path / "set", "set", Progress())
    assert (put.files, put.size, put.skipped) == (2, 3, (Skipped("d/link", "it is a symbolic link"),))
    assert tree_of(box) == {"set/a": b"1", "set/d/b": b"22"}


@pytest.mark.parametrize("was_there", [True, False])
def test_where_nothing_can_be_renamed_it_is_told_what_was_replaced(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_there: bool
) -> None:
    (tmp_path / "a").write_bytes(b"abcdef")
    write_tree(box, {"a": b"before"} if was_there else {"z": b""})
    real, work = RcloneStore._facts, RcloneStore._work

    def tampered(self: RcloneStore, command: str, *args: object, **options: object) -> dict[str, object]:
        found: dict[str, object] = work(self, command, *args, **options)  # type: ignore[arg-type]
        if command == "operations/copyfile":
            (box / "a").write_bytes(b"abc")
        return found

    monkeypatch.setattr(RcloneStore, "_facts", lambda self, progress: {**real(self, progress), "Features": {}})
    monkeypatch.setattr(RcloneStore, "_work", tampered)
    with pytest.raises(StorageError, match="the sizes differ") as caught:
        service.put_remote(tmp_path / "a", "box:a", overwrite=True)
    assert ("is replaced" in caught.value.hint) == was_there
    assert (box / "a").exists() == was_there


def test_folders_are_put_whole_or_not_at_all(box: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "set", {"a": b"1", "d/b": b"22"})
    write_tree(box, {".set.colabpanel-part/stale": b"left by a kill"})
    store = RcloneStore("box")
    put = store.put_folder(tmp_path / "set", "set", Progress())
    assert (put.files, put.size) == (2, 3)
    assert tree_of(box) == {"set/a": b"1", "set/d/b": b"22"}
    write_tree(tmp_path / "set", {"c": b"333"})
    store.put_folder(tmp_path / "set", "set", Progress())
    assert tree_of(box) == {"set/a": b"1", "set/d/b": b"22", "set/c": b"333"}
    top = store.find("", Progress())
    assert top is not None
    assert top.is_folder
    store.close()


def test_a_broken_download_leaves_what_was_there(box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(box, {"a": b"abcdef"})
    (tmp_path / "a").write_bytes(b"before")
    real = RcloneStore._work

    def tampered(self: RcloneStore, command: str, *args: object, **options: object) -> dict[str, object]:
        found: dict[str, object] = real(self, command, *args, **options)  # type: ignore[arg-type]
        if command == "operations/copyfile":
            (tmp_path / ".a.colabpanel-part").write_bytes(b"abc")
        return found

    monkeypatch.setattr(RcloneStore, "_work", tampered)
    with pytest.raises(StorageError, match="the sizes differ"):
        service.get_remote("box:a", tmp_path / "a", overwrite=True)
    assert tree_of(tmp_path) == {"a": b"before"}


def test_a_remote_without_checksums_is_compared_by_size(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    real = RcloneStore._facts
    monkeypatch.setattr(RcloneStore, "_facts", lambda self, progress: {**real(self, progress), "Hashes": []})
    assert service.put_remote(tmp_path / "a", "box:").checked == "size"
