"""Copying files and folders: only what changed, verified, and never half under a final name."""

from __future__ import annotations

import errno
import os
import random
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colabpanel.errors import InputError, JobBusyError, JobCancelledError, PathError, SpaceError, StorageError
from colabpanel.progress import Progress
from colabpanel.services import files, mounts
from colabpanel.services.copying import engine, ledger, one_file, service
from colabpanel.services.copying.service import copy, copy_summary, mirror
from colabpanel.services.mounts import is_remote, mount_of
from colabpanel.services.tree import Tree
from tests.archives import tree_of, write_tree

TREE = {"a.txt": b"a", "d/b.bin": random.Random(1).randbytes(300_000), "d/e/empty": b"", "d/run.sh": b"#!/bin/sh\n"}


class Recorded(Progress):
    """Adds up what is told, and may cancel."""

    def __init__(self, cancel_at: int | None = None) -> None:
        self.cancel_at, self.done, self.total, self.said = cancel_at, 0, 0, list[str]()

    def start(self, total: int | None, description: str, **_: Any) -> None:
        self.said.append(description)
        self.total = total or self.total

    def advance(self, amount: int = 1) -> None:
        self.done += amount
        if self.cancel_at is not None and self.done >= self.cancel_at:
            raise JobCancelledError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_tree(tmp_path / "source", TREE)
    (tmp_path / "source/d/run.sh").chmod(0o755)
    os.utime(tmp_path / "source/a.txt", (1_000_000_000, 1_000_000_000))
    return tmp_path / "source"


def test_a_folder_is_copied_once(source: Path, tmp_path: Path) -> None:
    progress = Recorded()
    copied = copy(source, tmp_path / "target", progress=progress)
    assert tree_of(tmp_path / "target") == TREE
    assert (copied.status, copied.files, copied.size, copied.unchanged) == ("ok", 4, sum(map(len, TREE.values())), 0)
    assert progress.done == progress.total == copied.size
    assert (tmp_path / "target/a.txt").stat().st_mtime == 1_000_000_000
    assert (tmp_path / "target/d/run.sh").stat().st_mode & 0o100
    again = copy(source, tmp_path / "target")
    assert (again.files, again.unchanged) == (0, 4)
    assert copy_summary(again).startswith("Nothing has changed: 4 files are in ")


def test_only_what_changed_is_copied_and_nothing_is_deleted(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    copy(source, target)
    (target / "foreign").write_bytes(b"stays")
    (target / "d/e/empty").write_bytes(b"damaged")
    (source / "a.txt").write_bytes(b"A")  # the same size, a later time
    (source / "new").write_bytes(b"new")
    copied = copy(source, target)
    assert (copied.files, copied.unchanged) == (3, 2)
    assert tree_of(target) == {**TREE, "a.txt": b"A", "new": b"new", "foreign": b"stays"}


@pytest.mark.parametrize(("apart", "files"), [(0, 0), (1, 1), (10**9, 1), (-500_000_000, 0)])
def test_files_of_one_size_that_are_only_about_as_old_are_not_the_same(tmp_path: Path, apart: int, files: int) -> None:
    """But a target may have rounded a time to whole seconds."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.json").write_text(name)
    moment = 1_700_000_000_500_000_000
    os.utime(tmp_path / "a/m.json", ns=(moment, moment))
    os.utime(tmp_path / "b/m.json", ns=(moment + apart, moment + apart))
    assert copy(tmp_path / "a", tmp_path / "b").files == files


def test_a_target_that_sets_its_own_times_is_understood(source: Path, tmp_path: Path) -> None:
    copy(source, tmp_path / "target")
    for file in (tmp_path / "target").rglob("*"):
        os.utime(file, (5_000_000, 5_000_000))
    assert copy(source, tmp_path / "target").files == 4  # somebody changed them
    assert copy(source, tmp_path / "target").files == 0


@pytest.mark.parametrize("size", [0, 1, engine._LARGE - 1, engine._LARGE, (40 << 20) + 7])
def test_a_single_file_of_any_size(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    (tmp_path / "weights.h5").write_bytes(data)
    (tmp_path / "into").mkdir()
    copied = copy(tmp_path / "weights.h5", tmp_path / "into")
    assert copied.target == tmp_path / "into/weights.h5"
    assert copied.target.read_bytes() == data
    assert copy(tmp_path / "weights.h5", tmp_path / "new/name.h5").target.read_bytes() == data
    assert os.listdir(tmp_path / "into") == ["weights.h5"]


def test_a_file_goes_into_a_folder_whose_name_ends_in_a_slash(tmp_path: Path) -> None:
    write_tree(tmp_path, {"m1": b"1", "m2": b"2"})
    for name in ("m1", "m2"):
        copy(tmp_path / name, f"{tmp_path}/backup/")
    assert tree_of(tmp_path / "backup") == {"m1": b"1", "m2": b"2"}


def test_long_names_that_begin_alike(tmp_path: Path) -> None:
    tree = {"\u65e5" * 80 + f"{number}": b"%d" % number for number in range(5)}
    write_tree(tmp_path / "source", tree)
    assert copy(tmp_path / "source", tmp_path / "target").status == "ok"
    assert tree_of(tmp_path / "target") == tree


@pytest.mark.parametrize("how", ["replaced", "rewritten"])
def test_a_file_that_changes_meanwhile_is_not_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    data = random.Random(3).randbytes(20 << 20)
    write_tree(tmp_path, {"last": data, "next": b"n" * len(data), "target/last": b"earlier"})
    real, left = files.write_at, [1]

    def write_at(*arguments: Any) -> None:
        real(*arguments)
        if left[0]:
            left[0] = 0
            if how == "replaced":
                (tmp_path / "next").rename(tmp_path / "last")
            else:
                os.utime(tmp_path / "last", (9, 9))

    monkeypatch.setattr(one_file, "write_at", write_at)
    monkeypatch.setattr(engine, "_FIRST_PAUSE", 0.001)
    assert _copy_here(tmp_path / "last", tmp_path / "target/last")["status"] == "ok"
    assert (tmp_path / "target/last").read_bytes() == (tmp_path / "last").read_bytes()
    assert os.listdir(tmp_path / "target") == ["last"]


def test_two_copyings_to_one_target_do_not_mix(source: Path, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with ledger.one_at_a_time(state, tmp_path / "target"), pytest.raises(JobBusyError, match="is running"):
        engine.copy_here(
            str(source), str(tmp_path / "target"), into_folder=False, root=None, state_dir=state, progress=Progress()
        )


def test_links_are_not_followed_and_named(source: Path, tmp_path: Path) -> None:
    (source / "link").symlink_to("/etc/passwd")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "target/d").symlink_to(tmp_path / "elsewhere")
    copied = copy(source, tmp_path / "target")
    assert copied.status == "partial"
    assert {pair.member for pair in copied.skipped} == {"link", "d/b.bin", "d/e/empty", "d/run.sh"}
    assert not os.listdir(tmp_path / "elsewhere")


def test_cancelling_leaves_whole_files_only(tmp_path: Path) -> None:
    big = random.Random(0).randbytes(40 << 20)
    source, target = write_tree(tmp_path / "source", {"big": big, "small": b"s"}), tmp_path / "target"
    with pytest.raises(JobCancelledError):
        engine.copy_here(
            str(source), str(target), into_folder=False, root=None, state_dir=None, progress=Recorded(cancel_at=2)
        )
    assert tree_of(target) == {"small": b"s"}
    assert copy(source, target).status == "ok"
    assert tree_of(target) == {"big": big, "small": b"s"}


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("missing", "x", "does not exist"),
        ("folder", "folder/inside", "lies in the other"),
        ("folder/inside", "folder", "lies in the other"),
        ("folder", "file", "is a file, not a folder"),
        ("file", "file", "the same file"),
        ("fifo", "x", "is no file"),
    ],
)
def test_paths_that_cannot_be_used(tmp_path: Path, source: str, target: str, words: str) -> None:
    (tmp_path / "folder/inside").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"f")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(PathError, match=words) as caught:
        copy(tmp_path / source, tmp_path / target)
    assert caught.value.hint
    with pytest.raises(InputError):
        copy(tmp_path / "file", "/elsewhere", root=tmp_path)


def _copy_here(source: Path, target: Path) -> dict[str, Any]:
    return engine.copy_here(str(source), str(target), into_folder=False, root=None, state_dir=None, progress=Progress())


def test_a_disk_that_is_too_small_is_noticed_before(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "free_bytes", lambda _: 10)
    with pytest.raises(SpaceError, match="10 bytes are free"):
        _copy_here(source, tmp_path / "target")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int, int], None]:
    """Make one file fail to be created so many times."""

    def install(name: str, code: int, times: int) -> None:
        real, left, beside = Tree.create, [times], f".{zlib.crc32(name.encode()):08x}"

        def create(self: Tree, parts: tuple[str, ...], *, mode: int) -> int:
            if parts[-1].startswith(beside) and left[0]:
                left[0] -= 1
                raise OSError(code, os.strerror(code))
            return real(self, parts, mode=mode)

        monkeypatch.setattr(Tree, "create", create)
        monkeypatch.setattr(engine, "_FIRST_PAUSE", 0.001)

    return install


def test_what_is_private_stays_so(source: Path, tmp_path: Path) -> None:
    kept = {"secret.bin": 0o600, "private/c.txt": 0o640, "private": 0o700, "private/tool": 0o755, "": 0o750}
    (source / "private").mkdir()
    for name in ("secret.bin", "private/c.txt", "private/tool"):
        (source / name).write_text("x")
    for name, mode in kept.items():
        (source / name).chmod(mode)
    assert _copy_here(source, tmp_path / "target")["status"] == "ok"
    assert {name: stat.S_IMODE((tmp_path / "target" / name).stat().st_mode) for name in kept} == kept


def test_errors_that_pass_are_tried_again(
    source: Path, tmp_path: Path, failing: Callable[[str, int, int], None]
) -> None:
    failing("b.bin", errno.EIO, 2)
    assert _copy_here(source, tmp_path / "target")["status"] == "ok"
    assert tree_of(tmp_path / "target") == TREE


def test_errors_that_stay_cost_their_file_alone(
    source: Path, tmp_path: Path, failing: Callable[[str, int, int], None]
) -> None:
    failing("b.bin", errno.EIO, 99)
    found = _copy_here(source, tmp_path / "target")
    assert (found["status"], found["files"]) == ("partial", 3)
    assert [pair.member for pair in found["skipped"]] == ["d/b.bin"]
    assert "Input/output error" in found["skipped"][0].reason


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.ENOTCONN, errno.EROFS])
def test_errors_of_the_whole_disk_end_it(
    source: Path, tmp_path: Path, failing: Callable[[str, int, int], None], code: int
) -> None:
    failing("b.bin", code, 1)
    with pytest.raises((StorageError, PathError)):
        _copy_here(source, tmp_path / "target")
    assert "d/b.bin" not in tree_of(tmp_path / "target")


def test_what_does_not_read_back_is_not_put_in_place(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_file, "read_at", lambda _handle, view, _start: len(view))  # leaves zeros in it
    monkeypatch.setattr(engine, "_FIRST_PAUSE", 0.001)
    found = _copy_here(source, tmp_path / "target")
    assert {pair.reason for pair in found["skipped"]} == {
        f"{name} does not read back as it was written." for name in ("a.txt", "b.bin", "run.sh")
    }
    assert tree_of(tmp_path / "target") == {"d/e/empty": b""}


def test_one_piece_after_another_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = random.Random(5).randbytes(20 << 20)
    (tmp_path / "a").write_bytes(data)
    monkeypatch.setattr(engine, "is_remote", lambda _: True)
    _copy_here(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == data


def test_which_disks_are_far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mount_of(Path("/proc/self"))[1] == "proc"
    assert not is_remote(Path("/tmp"))
    monkeypatch.setattr(mounts, "mount_of", lambda _: ("/content/drive", "fuse.drive"))
    assert is_remote(Path("/content/drive/MyDrive"))


def test_what_is_replaced_needs_no_room_twice(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _copy_here(source, tmp_path / "target")
    for name in TREE:
        os.utime(source / name, (7, 7))
    monkeypatch.setattr(engine, "free_bytes", lambda _: len(TREE["d/b.bin"]))
    assert _copy_here(source, tmp_path / "target")["files"] == 4


def test_a_drive_that_is_not_mounted_is_not_made_of_local_folders(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = tmp_path / "drive"
    monkeypatch.setattr(mounts, "DRIVE", drive)
    drive.mkdir()
    with pytest.raises(StorageError, match="Google Drive is not mounted at"):
        _copy_here(source, drive / "MyDrive/results")
    assert not os.listdir(drive)
    with pytest.raises(StorageError, match="Google Drive is not mounted at"):
        _copy_here(source / "a.txt", drive / "MyDrive")
    (drive / "MyDrive").mkdir()
    assert _copy_here(source, drive / "MyDrive/results")["status"] == "ok"


def test_a_drive_that_was_unmounted_since_is_noticed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state: dict[str, Any] = {
        "into_folder": False,
        "root": None,
        "state_dir": str(tmp_path / "state"),
        "progress": Progress(),
    }
    arguments = (str(source), str(tmp_path / "gdrive/results"))
    with monkeypatch.context() as patch:
        patch.setattr(mounts, "mount_of", lambda _: ("/gdrive", "fuse.drive"))
        engine.copy_here(*arguments, **state)
        assert engine.copy_here(*arguments, **state)["unchanged"] == 4
    with pytest.raises(StorageError, match="was on /gdrive, which is not mounted any more"):
        engine.copy_here(*arguments, **state)


def test_a_mirror_goes_on_until_it_is_cancelled(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[Any] = []

    class CancelAfterTwo(Progress):
        def advance(self, amount: int = 1) -> None:
            if len(rounds) == 2:
                raise JobCancelledError

    def note(outcome: Any) -> None:
        rounds.append(outcome)
        (source / "later").write_bytes(b"l")

    with pytest.raises(JobCancelledError):
        mirror(source, tmp_path / "target", minutes=0.001, on_round=note, progress=CancelAfterTwo())
    assert [found.files for found in rounds] == [4, 1]
    assert tree_of(tmp_path / "target") == {**TREE, "later": b"l"}
    with pytest.raises(InputError, match="more than 0"):
        mirror(source, tmp_path / "target", minutes=0)


def test_a_mirror_survives_a_drive_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter([StorageError("Drive went away."), JobCancelledError()])

    def failing_copy(*_: Any, **__: Any) -> None:
        raise next(outcomes)

    monkeypatch.setattr(service, "copy", failing_copy)
    told: list[Any] = []
    progress = Recorded()
    with pytest.raises(JobCancelledError):
        mirror(tmp_path, tmp_path / "t", minutes=0.0001, on_round=told.append, progress=progress)
    assert [str(error) for error in told] == ["Drive went away."]
    assert progress.said[0].startswith("Waiting, again at ")


@settings(max_examples=15, deadline=None)
@given(
    before=st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=20)),
    after=st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=20)),
)
def test_the_target_ends_with_what_the_source_holds(
    before: dict[str, bytes], after: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("m")
    write_tree(folder / "source", {**before, "keep": b"k"})
    _copy_here(folder / "source", folder / "target")
    for number, (name, data) in enumerate(after.items()):
        (folder / "source" / name).write_bytes(data)
        os.utime(folder / "source" / name, (number + 10, number + 10))
    _copy_here(folder / "source", folder / "target")
    assert tree_of(folder / "target") == {**before, **after, "keep": b"k"}
