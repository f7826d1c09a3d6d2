"""Copying, moving, naming, making, packing and measuring: nothing is lost, and nothing outside is touched."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel.errors import (
    InputError,
    JobBusyError,
    JobCancelledError,
    OutsideRootError,
    PathError,
    SpaceError,
    StorageError,
)
from colabpanel.progress import Progress
from colabpanel.services.browsing import carrying_here, leaving_here
from colabpanel.services.browsing.listing import list_page
from colabpanel.services.browsing.models import Done, Overwrite
from colabpanel.services.browsing.operations import (
    copy_entries,
    delete_entries,
    make_folder,
    move_entries,
    rename_entry,
    zip_entries,
)
from colabpanel.services.browsing.sizes import add_up, folder_size
from colabpanel.services.browsing.sizes_here import measure_here
from colabpanel.services.copying import engine, one_file
from colabpanel.services.copying.ledger import one_at_a_time
from colabpanel.services.tree import Tree
from tests.archives import tree_of, write_tree
from tests.fakes import RecordingProgress

TREE = {"a.txt": b"a", "d/b.bin": random.Random(1).randbytes(300_000), "d/e/c": b"c", "run.sh": b"#!/bin/sh\n"}
Carry = Callable[..., Done]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_tree(tmp_path / "source", TREE)
    (tmp_path / "source/d/empty/deep").mkdir(parents=True)
    return tmp_path / "source"


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


@pytest.fixture
def other_disk(monkeypatch: pytest.MonkeyPatch) -> Carry:
    """Move as if the target were on another disk, in this process."""

    def replace(self: Path, target: Path) -> Path:
        raise OSError(errno.EXDEV, "Invalid cross-device link", os.fspath(self))

    monkeypatch.setattr(Path, "replace", replace)
    return _move_here


def _move_here(entries: list[Path], folder: Path, *, overwrite: Overwrite = "ask", progress: Any = None) -> Done:
    found = carrying_here.carry_here(
        [str(entry) for entry in entries],
        str(folder),
        overwrite=overwrite,
        moving=True,
        root=None,
        state_dir=None,
        progress=progress or Progress(),
    )
    found["skipped"] = tuple(found.get("skipped", ()))
    return Done(**found)


def _listed(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_entries_are_copied_with_all_that_is_in_them(source: Path, into: Path) -> None:
    progress = RecordingProgress()
    done = copy_entries([source / "d", source / "run.sh"], into, progress=progress)
    assert (done.status, done.entries, done.files, done.skipped) == ("ok", 2, 3, ())
    assert done.size == sum(len(data) for name, data in TREE.items() if name != "a.txt")
    assert done.made == (str(into / "d"), str(into / "run.sh"))
    assert _listed(into) == {"d", "d/b.bin", "d/e", "d/e/c", "d/empty", "d/empty/deep", "run.sh"}
    assert (into / "d/b.bin").read_bytes() == TREE["d/b.bin"]
    assert tree_of(source) == TREE


@pytest.mark.parametrize("carry", [copy_entries, move_entries])
def test_asking_does_nothing_when_names_are_taken(source: Path, into: Path, carry: Carry) -> None:
    (into / "a.txt").write_bytes(b"mine")
    done = carry([source / "a.txt", source / "d"], into)
    assert (done.status, done.taken, done.entries) == ("taken", ("a.txt",), 0)
    assert tree_of(into) == {"a.txt": b"mine"}
    assert tree_of(source) == TREE


@pytest.mark.parametrize("carry", [copy_entries, move_entries])
def test_names_that_are_taken_are_changed(source: Path, into: Path, carry: Carry) -> None:
    write_tree(into, {"a.txt": b"mine", "a (2).txt": b"mine too", "d/mine": b"", "run.sh": b""})
    done = carry([source / "a.txt", source / "d"], into, overwrite="rename")
    assert (done.status, done.entries) == ("ok", 2)
    assert (into / "a (3).txt").read_bytes() == b"a"
    assert (into / "d (2)/e/c").read_bytes() == b"c"
    assert (into / "a.txt").read_bytes() == b"mine"
    assert _listed(into / "d") == {"mine"}


@pytest.mark.parametrize("carry", [copy_entries, move_entries])
def test_files_are_replaced_and_folders_are_joined(source: Path, into: Path, carry: Carry) -> None:
    write_tree(into, {"a.txt": b"other", "d/mine": b"mine", "d/e/c": b"other"})
    done = carry([source / "a.txt", source / "d"], into, overwrite="replace")
    assert (done.status, done.entries) == ("ok", 2)
    assert tree_of(into) == {"a.txt": b"a", "d/mine": b"mine", "d/b.bin": TREE["d/b.bin"], "d/e/c": b"c"}
    assert (into / "d/empty/deep").is_dir()
    assert os.path.lexists(source / "d") is (carry is copy_entries)


@pytest.mark.parametrize("carry", [copy_entries, move_entries])
def test_what_cannot_be_replaced_is_left_out_and_named(source: Path, into: Path, carry: Carry) -> None:
    write_tree(into, {"a.txt/x": b"", "d": b"file", "elsewhere": b"stays"})
    (into / "run.sh").symlink_to(into / "elsewhere")
    done = carry([source / "a.txt", source / "d", source / "run.sh"], into, overwrite="replace")
    assert (done.status, done.entries) == ("partial", 0)
    assert [pair.member for pair in done.skipped] == ["a.txt", "d", "run.sh"]
    assert done.skipped[0].reason == "a folder of that name is there, which is not replaced"
    assert tree_of(source) == TREE
    assert (into / "elsewhere").read_bytes() == b"stays"


def test_copies_beside_the_original(source: Path) -> None:
    assert copy_entries([source / "a.txt"], source).status == "taken"
    assert copy_entries([source / "a.txt"], source, overwrite="replace").status == "partial"
    assert copy_entries([source / "a.txt"], source, overwrite="rename").made == (str(source / "a (2).txt"),)
    moved = move_entries([source / "a.txt"], source, overwrite="rename")
    assert moved.skipped[0].reason == "it is in this folder already"


def test_two_entries_of_one_name(source: Path, into: Path) -> None:
    write_tree(source, {"second/a.txt": b"another"})
    both = [source / "a.txt", source / "second/a.txt"]
    assert copy_entries(both, into).taken == ("a.txt",)
    copy_entries([*both, source / "a.txt"], into, overwrite="rename")
    assert tree_of(into) == {"a.txt": b"a", "a (2).txt": b"another"}


@pytest.mark.parametrize("carry", [copy_entries, move_entries])
def test_nothing_goes_into_itself(source: Path, carry: Carry) -> None:
    for inside in (source / "d", source / "d/e"):
        with pytest.raises(PathError, match="is or lies in d"):
            carry([source / "d"], inside)
    (source / "link").symlink_to(source / "d")
    with pytest.raises(PathError, match="is or lies in link"):
        carry([source / "link"], source / "d/e")
    assert tree_of(source / "d") == {name[2:]: data for name, data in TREE.items() if name.startswith("d/")}


def test_a_link_that_is_chosen_is_copied_as_what_it_leads_to(source: Path, into: Path) -> None:
    (source / "link").symlink_to(source / "d")
    (source / "d/inner").symlink_to("/etc/passwd")
    done = copy_entries([source / "link"], into)
    assert (done.status, done.entries) == ("partial", 0)
    assert done.skipped == (("link/inner", "it is a symbolic link"),)
    assert not (into / "link").is_symlink()
    assert (into / "link/e/c").read_bytes() == b"c"


def test_a_link_is_moved_as_a_link(source: Path, into: Path) -> None:
    (source / "link").symlink_to(source / "d")
    assert move_entries([source / "link"], into).status == "ok"
    assert (into / "link").readlink() == source / "d"
    assert (source / "d/e/c").exists()


def test_moving_on_one_disk_is_renaming(source: Path, into: Path) -> None:
    inode = (source / "d/b.bin").stat().st_ino
    done = move_entries([source / "d", source / "a.txt"], into)
    assert (done.status, done.entries, done.made) == ("ok", 2, (str(into / "d"), str(into / "a.txt")))
    assert (into / "d/b.bin").stat().st_ino == inode
    assert _listed(source) == {"run.sh"}


def test_moving_to_another_disk(source: Path, into: Path, other_disk: Carry) -> None:
    done = other_disk([source / "d", source / "a.txt"], into)
    assert (done.status, done.entries) == ("ok", 2)
    assert _listed(source) == {"run.sh"}
    assert tree_of(into) == {name: data for name, data in TREE.items() if name != "run.sh"}
    assert (into / "d/empty/deep").is_dir()


@pytest.mark.skipif(
    not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev,
    reason="there is no second disk here",
)
def test_moving_to_a_real_other_disk_and_back(source: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        done = move_entries([source / "d", source / "run.sh"], other)
        assert (done.status, done.entries, done.files) == ("ok", 2, 3)
        assert _listed(source) == {"a.txt"}
        assert tree_of(Path(other)) == {name: data for name, data in TREE.items() if name != "a.txt"}
        assert move_entries([Path(other) / "d", Path(other) / "run.sh"], source).status == "ok"
        assert os.listdir(other) == []
    assert tree_of(source) == TREE


def test_what_did_not_get_there_stays(source: Path, into: Path, other_disk: Carry) -> None:
    (source / "d/link").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe")
    (source / "to file").symlink_to(source / "a.txt")
    done = other_disk([source / "d", source / "pipe", source / "to file"], into)
    assert (done.status, done.entries) == ("partial", 0)
    assert {pair.member for pair in done.skipped} == {"d/link", "d", "pipe", "to file"}
    assert _listed(source / "d") == {"link"}
    assert (into / "d/e/c").read_bytes() == b"c"


@pytest.mark.parametrize("how", ["changed", "new"])
def test_what_changes_while_it_is_moved_is_not_deleted(
    source: Path, into: Path, other_disk: Carry, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    real = engine.copy_here

    def copy_then_change(*arguments: Any, **options: Any) -> Any:
        copied = real(*arguments, **options)
        write_tree(source, {"d/e/c" if how == "changed" else "d/e/new": b"precious"})
        return copied

    monkeypatch.setattr(carrying_here, "copy_here", copy_then_change)
    done = other_disk([source / "d"], into)
    assert done.status == "partial"
    assert tree_of(source)["d/e/c" if how == "changed" else "d/e/new"] == b"precious"
    assert (into / "d/e/c").read_bytes() == b"c"


def test_a_file_that_only_looks_the_same_at_the_target_is_replaced(source: Path, into: Path, other_disk: Carry) -> None:
    write_tree(into, {"d/e/c": b"X", "a.txt": b"a"})
    for name in ("d/e/c", "a.txt"):
        os.utime(into / name, ns=((source / name).stat().st_mtime_ns,) * 2)
    done = other_disk([source / "d", source / "a.txt"], into, overwrite="replace")
    assert done.status == "ok"
    assert (into / "d/e/c").read_bytes() == b"c"
    assert not (source / "d").exists()
    assert not (source / "a.txt").exists()


def test_what_is_reached_through_a_link_at_the_target_is_no_copy(source: Path, into: Path, other_disk: Carry) -> None:
    """Else the only copy would be compared with itself, and deleted."""
    (into / "d").mkdir()
    (into / "d/e").symlink_to(source / "d/e")
    done = other_disk([source / "d"], into, overwrite="replace")
    assert done.status == "partial"
    assert (source / "d/e/c").read_bytes() == b"c"


def test_two_of_one_name_do_not_replace_each_other(source: Path, into: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "other", {"a.txt": b"another"})
    done = move_entries([source / "a.txt", tmp_path / "other/a.txt"], into, overwrite="replace")
    assert (done.status, len(done.skipped)) == ("partial", 2)
    assert (tmp_path / "other/a.txt").read_bytes() == b"another"


def test_the_comparison_of_bytes(source: Path) -> None:
    assert leaving_here._same(source / "run.sh", source / "run.sh")


@pytest.mark.parametrize("carry", [copy_entries, move_entries, delete_entries])
def test_nothing_outside_the_root_is_touched(source: Path, tmp_path: Path, carry: Carry) -> None:
    root = tmp_path / "root"
    write_tree(root, {"mine": b"", "into/x": b""})
    (root / "door").symlink_to(source)
    into = () if carry is delete_entries else ("into",)
    for outside in (source / "a.txt", "../source/a.txt", "door/a.txt", "/etc/passwd"):
        with pytest.raises(OutsideRootError):
            carry([outside], *into, root=root)
    if into:
        for outside in (source, "..", "door"):
            with pytest.raises(OutsideRootError):
                carry(["mine"], outside, root=root)
    if carry is copy_entries:
        done = carry(["door"], "into", root=root)
        assert (done.status, done.skipped[0].member) == ("partial", "door")
    assert tree_of(source) == TREE
    assert _listed(root) == {"mine", "into", "into/x", "door"}


@pytest.mark.parametrize("name", ["", ".", "..", "a/..", "none", "a\0b", "/"])
def test_what_is_no_entry_is_refused(source: Path, into: Path, name: str) -> None:
    with pytest.raises(PathError):
        copy_entries([name], into, root=source)
    with pytest.raises(PathError):
        delete_entries([name], root=source)
    assert tree_of(source) == TREE


def test_nothing_chosen_and_wrong_rules(source: Path, into: Path) -> None:
    with pytest.raises(InputError, match="Nothing is chosen"):
        copy_entries([], into)
    with pytest.raises(InputError, match="Nothing is chosen"):
        zip_entries(source, [], "x")
    with pytest.raises(InputError, match="overwrite cannot be"):
        copy_entries([source], into, overwrite="maybe")  # type: ignore[arg-type]
    with pytest.raises(PathError, match="is not a folder"):
        copy_entries([source / "d"], source / "a.txt")


def test_what_the_notebook_or_a_disk_stands_on_stays(source: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source / "d/e")
    for entry in (source, source / "d", source / "d/e"):
        with pytest.raises(PathError, match="the folder that the notebook works in"):
            move_entries([entry], into)
        with pytest.raises(PathError, match="the folder that the notebook works in"):
            rename_entry(entry, "other")


@pytest.mark.parametrize("carry", [copy_entries, move_entries])
def test_a_full_disk_is_said(
    source: Path, into: Path, monkeypatch: pytest.MonkeyPatch, carry: Carry, other_disk: Carry
) -> None:
    monkeypatch.setattr(engine, "free_bytes", lambda _: 10)
    with pytest.raises(SpaceError):
        carrying_here.carry_here(
            [str(source / "d")],
            str(into),
            overwrite="ask",
            moving=carry is move_entries,
            root=None,
            state_dir=None,
            progress=Progress(),
        )
    assert os.listdir(into) == []
    assert tree_of(source) == TREE


def test_errors_of_one_entry_leave_the_others_alone(source: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.name in refused:
            raise OSError(refused[self.name], "refused", os.fspath(self))
        return real(self, target)

    refused = {"a.txt": errno.EACCES}
    monkeypatch.setattr(Path, "replace", replace)
    done = _move_here([source / "a.txt", source / "d"], into)
    assert (done.status, done.entries, done.skipped) == ("partial", 1, (("a.txt", "Permission denied"),))
    refused = {"run.sh": errno.EIO}
    with pytest.raises(StorageError, match="The disk failed"):
        _move_here([source / "run.sh"], into)
    assert (source / "run.sh").exists()


def test_cancelling_leaves_no_half_folder(source: Path, into: Path) -> None:
    with pytest.raises(JobCancelledError):
        carrying_here.carry_here(
            [str(source / "d")],
            str(into),
            overwrite="ask",
            moving=False,
            root=None,
            state_dir=None,
            progress=RecordingProgress(cancel_after=100),
        )
    assert os.listdir(into) == []


_KILLED = """
import os, signal, sys
from colabpanel.progress import Progress
from colabpanel.services.browsing import carrying_here, leaving_here
from colabpanel.services.browsing.listing import list_page
from colabpanel.services.copying import engine, one_file
from colabpanel.services.copying.ledger import one_at_a_time
from colabpanel.services.tree import Tree
from colabpanel.services.tree import Tree
left = int(sys.argv[3])
def count():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
def counted(owner, name):
    real = getattr(owner, name)
    def call(*arguments, **options):
        count()
        return real(*arguments, **options)
    setattr(owner, name, call)
def elsewhere(self, target):
    raise OSError(18, "another disk", os.fspath(self))
counted(one_file, "write_at")
for name in ("create", "move", "make_folder"):
    counted(Tree, name)
for name in ("rename", "unlink", "rmdir"):
    counted(carrying_here.Path, name)
carrying_here.Path.replace = elsewhere
options = {"overwrite": "replace", "moving": True, "root": None, "state_dir": None, "progress": Progress()}
carrying_here.carry_here([sys.argv[1]], sys.argv[2], **options)
print("done")
"""


@pytest.mark.parametrize("there", [False, True], ids=["new", "joined"])
def test_killed_at_any_moment_nothing_is_lost(tmp_path: Path, there: bool) -> None:
    tree = {"a": b"1" * 2000, "e/b": b"2" * 3000, "e/c": b"3"}
    killed = 0
    while True:
        source, into = tmp_path / f"{killed}" / "d", tmp_path / f"{killed}" / "into"
        write_tree(source, tree)
        write_tree(into, {"d/a": b"mine before", "d/mine": b"mine"} if there else {"x": b""})
        command = [sys.executable, "-c", _KILLED, str(source), str(into), str(killed)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        found, left = tree_of(into / "d"), tree_of(source)
        for name, data in tree.items():
            here, copy = left.get(name), found.get(name)
            assert here in {None, data}, "a file of the source is whole or gone"
            assert data in {here, copy}, "each file is in one of the two places"
            assert copy in {None, data, b"mine before"}, "a copy under its name is whole"
        assert not there or found["mine"] == b"mine"
        if ran.stdout == "done\n":
            break
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        write_tree(tmp_path, {"next": b""})
        copy_entries([tmp_path / "next"], into)  # tidies up
        assert not [name for name in os.listdir(into) if name.endswith(".colabpanel-part")]
        killed += 1
    assert killed > 8
    assert not left
    assert {name: found[name] for name in tree} == tree


def test_unfinished_copies_of_others_are_left_alone(source: Path, into: Path) -> None:
    ours = f".00000000.{carrying_here._machine()}-{os.getpid()}.colabpanel-part"  # a process that runs
    elsewhere = ".00000000.ffffffff-1999999999.colabpanel-part"
    dead = f".00000000.{carrying_here._machine()}-1999999999.colabpanel-part"
    write_tree(into, {f"{name}/x": b"" for name in (ours, elsewhere, dead)})
    copy_entries([source / "a.txt"], into)
    assert set(os.listdir(into)) == {ours, elsewhere, "a.txt"}


def test_one_carrying_into_a_folder_at_a_time(source: Path, into: Path) -> None:
    with one_at_a_time(os.environ["COLABPANEL_STATE_DIR"], into), pytest.raises(JobBusyError, match="is running"):
        copy_entries([source / "a.txt"], into, overwrite="rename")
    assert copy_entries([source / "a.txt"], into).status == "ok"


def test_a_damaged_copy_is_not_published(source: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_file, "write_at", lambda *_: None)
    monkeypatch.setattr(engine, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(Path, "replace", _not_by_renaming)
    done = _move_here([source / "d"], into)
    assert done.status == "partial"
    assert tree_of(into) == {}
    assert tree_of(source) == TREE


def _not_by_renaming(self: Path, _: Path) -> Path:
    raise OSError(errno.EXDEV, "Invalid cross-device link", os.fspath(self))


def test_renaming(source: Path) -> None:
    assert rename_entry(source / "a.txt", " b.txt ") == source / "b.txt"
    assert (source / "b.txt").read_bytes() == b"a"
    assert rename_entry("d", "D", root=source) == source / "D"
    for name, words in (("run.sh", "is there already"), ("", "be empty"), ("../x", "hold a slash"), ("..", "dots")):
        with pytest.raises(PathError, match=words):
            rename_entry(source / "b.txt", name)
    with pytest.raises(OutsideRootError):
        rename_entry(source / "b.txt", "c", root=source / "D")
    os.link(source / "b.txt", source / "B.TXT")
    with pytest.raises(PathError, match="is there already"):
        rename_entry(source / "run.sh", "B.TXT")


def test_making_folders(source: Path) -> None:
    assert make_folder("d", "new", root=source) == source / "d/new"
    with pytest.raises(PathError, match="is there already"):
        make_folder(source / "d", "new")
    with pytest.raises(PathError, match="is not a folder"):
        make_folder(source / "a.txt", "new")
    with pytest.raises(OutsideRootError):
        make_folder("..", "new", root=source)


def test_some_entries_are_zipped(source: Path) -> None:
    (source / "link").symlink_to("/etc/passwd")
    done = zip_entries(source, ["d", "run.sh", "link"], "some")
    assert (done.status, done.files, done.made) == ("partial", 3, (str(source / "some.zip"),))
    assert [pair.member for pair in done.skipped] == ["link"]
    with zipfile.ZipFile(source / "some.zip") as archive:
        assert sorted(archive.namelist()) == ["d/b.bin", "d/e/c", "run.sh"]
        assert archive.testzip() is None
    with pytest.raises(PathError, match="is there already"):
        zip_entries(source, ["d"], "some.zip")
    with pytest.raises(PathError, match="does not exist"):
        zip_entries(source, ["none"], "other.zip")
    with pytest.raises(PathError, match="is no name in"):
        zip_entries(source, ["../x"], "other.zip")
    with pytest.raises(InputError, match="no files to pack"):
        zip_entries(source / "d", ["empty"], "other.zip")


def test_measuring_a_folder(source: Path) -> None:
    (source / "link").symlink_to("/etc")
    found = folder_size(source)
    assert (found.files, found.size, found.complete) == (4, sum(map(len, TREE.values())), True)
    assert found.skipped == (("link", "it is a symbolic link"),)
    assert folder_size(source / "a.txt").files == 1
    few = folder_size("d", most=1, root=source)
    assert (few.files, few.complete) == (1, False)
    assert not folder_size(source, seconds=0).complete
    with pytest.raises(PathError, match="does not exist"):
        folder_size(source / "none")
    with pytest.raises(OutsideRootError):
        folder_size("..", root=source)
    with pytest.raises(JobCancelledError):
        measure_here(str(source), seconds=9, most=9, root=None, progress=RecordingProgress(cancel_after=2))


def test_adding_entries_up(source: Path) -> None:
    (source / "link").symlink_to(source / "d")
    entries = {entry.name: entry for entry in list_page(source).entries}
    found = add_up(folder_size, [entries["d"], entries["a.txt"], entries["link"]], Progress())
    assert (found.files, found.size, found.complete) == (4, 300_002, True)
    unknown = replace(entries["a.txt"], size=None)
    assert not add_up(folder_size, [unknown], Progress()).complete


def test_folders_that_cannot_be_made_at_the_copy(source: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(into, {"d/empty": b"a file stands here"})
    assert copy_entries([source / "d"], into, overwrite="replace").entries == 1
    assert (into / "d/empty").read_bytes() == b"a file stands here"

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Tree, "make_folder", fail)
    with pytest.raises(OSError, match="Input/output"):
        leaving_here.make_folders(source, into)


_TREES = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "c", "..x", " "]), min_size=1, max_size=3).map("/".join),
    st.sampled_from([b"", b"1", b"22"]),
    max_size=8,
)
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["copy", "move", "delete"]),
        st.sampled_from(["a", "a/b", "b", "c", "door", "door/keep", "..", "../outside", "a/../../outside"]),
        st.sampled_from(["a", "b", ".", "door", "..", "c"]),
        st.sampled_from(["ask", "rename", "replace"]),
    ),
    max_size=4,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=_TREES, steps=_STEPS)
def test_operations_never_touch_anything_outside(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes], steps: list[tuple[str, str, str, Overwrite]]
) -> None:
    base = tmp_path_factory.mktemp("bounded")
    outside = {"keep": b"precious", "deep/er": b"too"}
    write_tree(base / "outside", outside)
    root = base / "root"
    root.mkdir()
    for name, data in tree.items():
        try:
            write_tree(root, {name: data})
        except OSError:  # a file stands where a folder would be
            continue
    if not os.path.lexists(root / "door"):
        (root / "door").symlink_to(base / "outside")
    for what, entry, into, overwrite in steps:
        try:
            if what == "delete":
                delete_entries([entry], root=root)
            else:
                carry = copy_entries if what == "copy" else move_entries
                carry([entry], into, overwrite=overwrite, root=root)
        except InputError:
            continue
    assert tree_of(base / "outside") == outside
    assert set(os.listdir(base)) == {"outside", "root"}
