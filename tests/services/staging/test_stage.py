"""Staging from end to end, through the child process, with fine archives."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colabpanel import plan, stage
from colabpanel.errors import (
    InputError,
    JobBusyError,
    JobCancelledError,
    LimitError,
    OutsideRootError,
    PasswordError,
    PathError,
)
from colabpanel.services.staging.engine import stage_here
from colabpanel.services.staging.partial import Partial
from colabpanel.services.staging.request import Limits, Request
from colabpanel.services.staging.service import discard
from tests.archives import TREE, add_file, make_tar, make_zip, tree_of
from tests.fakes import RecordingProgress

MODES = {"a.zip": "", "a.tar": "w", "a.tar.gz": "w:gz", "a.tar.bz2": "w:bz2", "a.tar.xz": "w:xz"}


def _archive(folder: Path, name: str) -> Path:
    return make_zip(folder / name) if name.endswith("zip") else make_tar(folder / name, mode=MODES[name])


@pytest.mark.parametrize("name", MODES)
def test_every_format_is_unpacked_by_its_content(tmp_path: Path, name: str) -> None:
    source = _archive(tmp_path, name).rename(tmp_path / "no-ending")
    progress = RecordingProgress()
    staged = stage(source, tmp_path / "out", progress=progress)
    assert tree_of(tmp_path / "out") == TREE
    assert (staged.status, staged.files, staged.kept, staged.skipped) == ("ok", 4, 0, ())
    assert staged.size == sum(map(len, TREE.values()))
    assert staged.directory == tmp_path / "out"
    assert sorted(os.listdir(tmp_path)) == ["no-ending", "out"]
    assert [words for _, words in progress.phases] == ["Reading the archive", "Unpacking", "Moving into place"]


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_plan_writes_nothing_and_tells_what_would_happen(tmp_path: Path, name: str) -> None:
    source = _archive(tmp_path, name)
    found = plan(source, tmp_path / "out")
    assert (found.format, found.files, found.size) == (name[2:], 4, sum(map(len, TREE.values())))
    assert found.archive_size == source.stat().st_size
    assert (found.problem, found.target_used, found.resumable, found.encrypted) == ("", False, False, False)
    assert os.listdir(tmp_path) == [name]
    stage(source, tmp_path / "out")
    again = plan(source, tmp_path / "out")
    assert again.target_used
    assert again.existing == 4


def test_relative_paths_count_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_zip(tmp_path / "a.zip")
    stage("a.zip", "out")
    assert tree_of(tmp_path / "out") == TREE


def test_filters_choose_members(tmp_path: Path) -> None:
    files = {f"{folder}/{number}.{ending}": b"x" for folder in "ab" for number in range(3) for ending in ("jpg", "txt")}
    source = make_zip(tmp_path / "a.zip", files)
    staged = stage(source, tmp_path / "one", include=["*.jpg"], exclude=["b/*"])
    assert sorted(tree_of(tmp_path / "one")) == ["a/0.jpg", "a/1.jpg", "a/2.jpg"]
    assert staged.files == 3
    stage(source, tmp_path / "two", include=["*.txt"], first_per_folder=1)
    assert sorted(tree_of(tmp_path / "two")) == ["a/0.txt", "b/0.txt"]


def test_empty_folders_times_and_execute_bits_are_kept(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        folder = tarfile.TarInfo("./empty")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        script = tarfile.TarInfo("run.sh")
        script.mode, script.mtime = 0o6755, 1_500_000_000
        archive.addfile(script)
    stage(tmp_path / "a.tar", tmp_path / "out")
    assert (tmp_path / "out" / "empty").is_dir()
    status = (tmp_path / "out" / "run.sh").stat()
    assert status.st_mtime == 1_500_000_000
    assert status.st_mode & 0o7777 & 0o6100 == 0o100


@pytest.mark.parametrize(
    ("overwrite", "kept", "content"), [("never", 2, b"mine"), ("changed", 1, b"alpha"), ("always", 0, b"alpha")]
)
def test_what_happens_to_files_that_are_there(tmp_path: Path, overwrite: str, kept: int, content: bytes) -> None:
    out = tmp_path / "out"
    (out / "data").mkdir(parents=True)
    (out / "own.txt").write_bytes(b"own")
    (out / "data" / "a.txt").write_bytes(b"mine")
    (out / "data" / "empty.txt").touch()
    staged = stage(make_zip(tmp_path / "a.zip"), out, overwrite=overwrite)  # type: ignore[arg-type]
    assert (staged.status, staged.files, staged.kept) == ("ok", 4, kept)
    assert (out / "data" / "a.txt").read_bytes() == content
    assert (out / "own.txt").read_bytes() == b"own"
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "out"]


def test_same_size_and_other_bytes_counts_as_changed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "data").mkdir(parents=True)
    (out / "data" / "a.txt").write_bytes(b"ALPHA")
    assert stage(make_zip(tmp_path / "a.zip"), out).kept == 0
    assert (out / "data" / "a.txt").read_bytes() == b"alpha"


def test_links_in_the_target_are_not_followed(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (out / "data").symlink_to(outside)
    staged = stage(make_zip(tmp_path / "a.zip"), out)
    assert not os.listdir(outside)
    assert staged.status == "partial"
    assert staged.files == 0
    assert min(staged.skipped) == ("data/a.txt", "something else with this name is in the target")
    assert len(staged.skipped) == 4


def test_a_link_in_place_of_a_file_is_replaced_itself(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "data").mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (out / "data" / "a.txt").symlink_to(precious)
    assert stage(make_zip(tmp_path / "a.zip"), out).status == "ok"
    assert precious.read_bytes() == b"precious"
    assert (out / "data" / "a.txt").read_bytes() == b"alpha"


def test_a_folder_in_place_of_a_file_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "data" / "a.txt" / "inside").mkdir(parents=True)
    staged = stage(make_zip(tmp_path / "a.zip"), out)
    assert staged.skipped == (("data/a.txt", "something else with this name is in the target"),)
    assert staged.size == sum(map(len, TREE.values())) - len(b"alpha")


def test_an_empty_target_that_is_the_working_folder_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.chdir(out)
    assert stage(make_zip(tmp_path / "a.zip"), ".").status == "ok"
    assert tree_of(Path.cwd()) == TREE


def test_with_a_root_everything_stays_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    make_zip(root / "a.zip")
    make_zip(tmp_path / "b.zip")
    assert stage("a.zip", "out", root=root).directory == root / "out"
    assert stage("a.zip", ".", root=root).status == "ok"
    assert sorted(os.listdir(root)) == ["a.zip", "data", "out"]
    assert sorted(os.listdir(tmp_path)) == ["b.zip", "root"]
    for source, target in (("../b.zip", "x"), ("a.zip", "../x"), (tmp_path / "b.zip", "x")):
        with pytest.raises(OutsideRootError):
            stage(source, target, root=root)
        with pytest.raises(OutsideRootError):
            plan(source, target, root=root)
    with pytest.raises(OutsideRootError):
        discard("..", root=root)


def _stage_here(source: Path, out: Path, cancel_after: int) -> None:
    """Stage in this process, where cancelling comes at an exact byte."""
    request = Request(source=str(source), directory=str(out))
    stage_here(request.to_json(), RecordingProgress(cancel_after))


@pytest.mark.parametrize("cut", [0, 1, 3000, 9000])
def test_a_cancelled_staging_leaves_the_target_and_goes_on_later(tmp_path: Path, cut: int) -> None:
    files = {f"{number}.bin": os.urandom(1000) for number in range(10)}
    source, out = make_zip(tmp_path / "a.zip", files), tmp_path / "out"
    with pytest.raises(JobCancelledError):
        _stage_here(source, out, cut)
    assert not out.exists()
    assert (tmp_path / "out.partial").exists() == (cut > 0)
    assert plan(source, out).resumable == (cut > 0)
    assert not plan(source, out, exclude=["1.bin"]).resumable
    assert stage(source, out).status == "ok"
    assert tree_of(out) == files
    assert not (tmp_path / "out.partial").exists()


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "a.zip", {f"{number}.bin": os.urandom(1000) for number in range(10)})
    with pytest.raises(JobCancelledError):
        _stage_here(source, tmp_path / "out", 5000)
    first = tmp_path / "out.partial" / "files" / "0.bin"
    written = first.stat().st_mtime_ns, first.stat().st_ino, first.stat().st_ctime_ns
    first.with_name("1.bin").write_bytes(b"damaged")
    stage(source, tmp_path / "out")
    published = tmp_path / "out" / "0.bin"
    assert (published.stat().st_mtime_ns, published.stat().st_ino, published.stat().st_ctime_ns) == written
    assert (tmp_path / "out" / "1.bin").stat().st_size == 1000


def test_another_archive_under_the_same_name_is_not_mixed_in(tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = make_zip(tmp_path / "a.zip", {f"{number}.bin": bytes(1000) for number in range(10)})
    with pytest.raises(JobCancelledError):
        _stage_here(source, out, 5000)
    make_zip(source, {f"{number}.bin": b"\1" * 1000 for number in range(5, 8)})
    assert stage(source, out).files == 3
    assert sorted(tree_of(out)) == ["5.bin", "6.bin", "7.bin"]


def test_resuming_can_be_declined(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "a.zip", {f"{number}.bin": bytes(1000) for number in range(10)})
    with pytest.raises(JobCancelledError):
        _stage_here(source, tmp_path / "out", 5000)
    (tmp_path / "out.partial" / "files" / "stray").touch()
    stage(source, tmp_path / "out", resume=False)
    assert not (tmp_path / "out" / "stray").exists()


def test_two_stagings_into_one_folder_are_one_too_many(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "a.zip")
    partial = Partial(tmp_path / "out", None)
    partial.open(["other"], resume=True)
    with pytest.raises(JobBusyError, match="Another staging into out"):
        stage(source, tmp_path / "out")
    partial.close()
    assert stage(source, tmp_path / "out").status == "ok"


def test_encrypted_archives_need_their_password(tmp_path: Path) -> None:
    source = tmp_path / "a.zip"
    source.write_bytes(_ENCRYPTED)
    for password in (None, "wrong"):
        with pytest.raises(PasswordError) as caught:
            stage(source, tmp_path / "out", password=password)
        assert "encrypted" in caught.value.message or "password" in caught.value.message
    assert plan(source, tmp_path / "out").problem == "This archive is encrypted."
    assert not (tmp_path / "out").exists()
    assert stage(source, tmp_path / "out", password="secret").status == "ok"
    assert tree_of(tmp_path / "out") == {"s.txt": b"hidden"}


# s.txt holding "hidden", stored, ZipCrypto with the password "secret"; made by `zip -0 -P secret`.
_ENCRYPTED = bytes.fromhex(
    "504b03040a0009000000b583765dbde95d88120000000600000005000000732e7478747c8ca18132482ae70a"
    "afbff8aec8b4237cfd504b0708bde95d881200000006000000504b01021e030a0009000000b583765dbde95d"
    "881200000006000000050000000000000000000000a48100000000732e747874504b05060000000001000100"
    "33000000450000000000"
)


def test_limits_refuse_before_anything_is_written(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "a.zip", {"zeros": bytes(300_000)})
    for limits in (Limits(total_bytes=1000), Limits(ratio=10, ratio_from=1000), Limits(members=0)):
        with pytest.raises(LimitError) as caught:
            stage(source, tmp_path / "out", limits=limits)
        assert "imits" in caught.value.hint
    assert os.listdir(tmp_path) == ["a.zip"]
    assert plan(source, tmp_path / "out", limits=Limits(total_bytes=1000)).problem
    assert stage(source, tmp_path / "out", limits=Limits(ratio=None)).status == "ok"


def test_a_bomb_in_a_tar_is_refused_while_unpacking(tmp_path: Path) -> None:
    source = make_tar(tmp_path / "a.tar.gz", {f"{number}": bytes(100_000) for number in range(20)}, mode="w:gz")
    with pytest.raises(LimitError):
        stage(source, tmp_path / "out", limits=Limits(ratio=20, ratio_from=500_000))
    assert os.listdir(tmp_path) == ["a.tar.gz"]


def test_wrong_arguments_are_errors_in_words(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "a.zip")
    for arguments in ({"include": "*.jpg"}, {"overwrite": "sometimes"}, {"first_per_folder": 0}):
        with pytest.raises(InputError):
            stage(source, tmp_path / "out", **arguments)
    (tmp_path / "file").touch()
    with pytest.raises(PathError, match="is a file"):
        stage(source, tmp_path / "file")
    with pytest.raises(PathError):
        stage(source, source)
    with pytest.raises(PathError, match="does not exist"):
        stage(tmp_path / "missing.zip", tmp_path / "out")


def test_discarding_removes_the_partial_alone(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "a.zip", {f"{number}": bytes(1000) for number in range(9)})
    with pytest.raises(JobCancelledError):
        _stage_here(source, tmp_path / "out", 5000)
    discard(tmp_path / "out")
    assert os.listdir(tmp_path) == ["a.zip"]
    discard(tmp_path / "out")


names = st.text(
    st.characters(exclude_characters="/\0\\", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8
).filter(lambda name: name not in {".", ".."} and name[1:2] != ":" and len(name.encode()) < 200)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(names, st.binary(max_size=2000), max_size=6), st.sampled_from(sorted(MODES)))
def test_whatever_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], name: str
) -> None:
    folder = tmp_path_factory.mktemp("round")
    files = {f"d/{key}": value for key, value in files.items()}
    source = (
        make_zip(folder / name, files) if name.endswith("zip") else make_tar(folder / name, files, mode=MODES[name])
    )
    staged = stage(source, folder / "out")
    assert staged.status == "ok"
    assert tree_of(folder / "out") == files


def test_hard_links_become_copies(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        add_file(archive, "first", b"content")
        for name, target in (("second", "first"), ("third", "missing"), ("fourth", "../outside")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.LNKTYPE, target
            archive.addfile(info)
    staged = stage(tmp_path / "a.tar", tmp_path / "out")
    assert tree_of(tmp_path / "out") == {"first": b"content", "second": b"content"}
    assert (tmp_path / "out" / "second").stat().st_nlink == 1
    assert [member for member, _ in staged.skipped] == ["third", "fourth"]


def test_zip_names_of_other_systems(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("plain.txt", b"1")
        info = zipfile.ZipInfo("win.txt")
        info.filename = "dir\\win.txt"
        archive.writestr(info, b"2")
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(raw.replace(b"plain.txt", b"caf\xe9s.txt").replace(b"plain", b"caf\xe9s"))
    stage(tmp_path / "a.zip", tmp_path / "out")
    assert sorted(tree_of(tmp_path / "out")) == ["caf\u0398s.txt", "dir/win.txt"]


def test_patterns_that_match_nothing_are_an_error(tmp_path: Path) -> None:
    for source in (make_zip(tmp_path / "a.zip"), make_tar(tmp_path / "a.tar")):
        with pytest.raises(InputError, match="matches the patterns"):
            stage(source, tmp_path / "out", include=["*.nothing"])
        assert "matches the patterns" in plan(source, tmp_path / "out", include=["*.nothing"]).problem
    assert sorted(os.listdir(tmp_path)) == ["a.tar", "a.zip"]


def test_a_target_whose_parents_do_not_exist_is_resumed_too(tmp_path: Path) -> None:
    source, out = make_zip(tmp_path / "a.zip", {f"{number}": bytes(1000) for number in range(9)}), tmp_path / "x/y/out"
    with pytest.raises(JobCancelledError):
        _stage_here(source, out, 5000)
    assert plan(source, out).resumable
    assert stage(source, out).status == "ok"
    assert sorted(os.listdir(tmp_path / "x" / "y")) == ["out"]
    assert len(tree_of(out)) == 9


def test_discarding_a_running_staging_is_refused(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "out", None)
    partial.open(["id"], resume=True)
    with pytest.raises(JobBusyError):
        discard(tmp_path / "out")
    assert partial.files.exists()
    partial.close()
    discard(tmp_path / "out")
    assert os.listdir(tmp_path) == []
