from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel.errors import InputError, JobCancelledError, OutsideRootError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.packing import compress, engine, tar_pack, zip_pack
from colabpanel.services.staging.packing.service import pack
from colabpanel.services.staging.packing.zip_writer import PackedMember, Written, ZipWriter
from colabpanel.services.staging.service import stage
from colabpanel.services.transfer.outgoing import outgoing
from colabpanel.services.walk import files_below
from colabpanel.services.zip_records import STORED
from tests.archives import tree_of
from tests.breaking_off import break_off
from tests.fakes import RecordingProgress

MIXED = {
    "a/text.txt": b"words and words " * 5000,
    "a/photo.jpg": random.Random(1).randbytes(50_000),
    "b/deep/er/data.csv": b"1,2,3\n" * 9000,
    "empty": b"",
    "naïve \u4f60.txt": b"unicode",
    "tiny": b"x",
}


def _write(folder: Path, tree: dict[str, bytes]) -> Path:
    for name, data in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _pack_here(folder: Path, archive: Path) -> dict[str, Any]:
    """Pack in this process, where a test can reach the parts."""
    options: dict[str, Any] = {"shard_size": None, "level": None, "workers": 2, "root": None}
    return engine.pack_here(str(folder), str(archive), progress=RecordingProgress(), **options)


@pytest.mark.parametrize("name", ["out.zip", "out.tar.zst"])
def test_what_is_packed_is_staged_again(tmp_path: Path, name: str) -> None:
    folder = _write(tmp_path / "data", MIXED)
    (folder / "a/text.txt").chmod(0o755)
    os.utime(folder / "tiny", (1_600_000_001, 1_600_000_001))
    packed = pack(folder, tmp_path / name)
    assert (packed.status, packed.files, packed.size) == ("ok", len(MIXED), sum(map(len, MIXED.values())))
    assert packed.archives == (tmp_path / name,)
    assert packed.packed == (tmp_path / name).stat().st_size < packed.size
    assert stage(tmp_path / name, tmp_path / "back").status == "ok"
    assert tree_of(tmp_path / "back") == MIXED
    assert (tmp_path / "back/tiny").stat().st_mtime == 1_600_000_001
    assert (tmp_path / "back/a/text.txt").stat().st_mode & 0o100
    assert not [path for path in os.listdir(tmp_path) if path.endswith(".part")]


def test_kinds_of_files_that_never_shrink_are_stored_without_a_try(tmp_path: Path) -> None:
    pack(_write(tmp_path / "data", {"a.JPG": bytes(9999), "a.txt": bytes(9999)}), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        methods = {info.filename: info.compress_type for info in archive.infolist()}
    assert methods == {"a.JPG": zipfile.ZIP_STORED, "a.txt": zipfile.ZIP_DEFLATED}


def test_other_tools_read_the_zip(tmp_path: Path) -> None:
    pack(_write(tmp_path / "data", MIXED), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == MIXED
        methods = {info.filename: info.compress_type for info in archive.infolist()}
    assert methods["a/photo.jpg"] == methods["empty"] == zipfile.ZIP_STORED
    assert methods["a/text.txt"] == methods["b/deep/er/data.csv"] == zipfile.ZIP_DEFLATED
    for command in (["unzip", "-tqq"], ["7z", "t", "-bd"], ["bsdtar", "-tf"]):
        if shutil.which(command[0]):
            subprocess.run([*command, tmp_path / "out.zip"], check=True, stdout=subprocess.DEVNULL)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tree=st.dictionaries(
        st.text(
            st.characters(codec="utf-8", exclude_characters="/\\:", exclude_categories=["Cc", "Cs"]),
            min_size=1,
            max_size=20,
        ).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200),
        st.binary(max_size=3000),
        min_size=1,
        max_size=8,
    ),
    level=st.sampled_from([None, 0, 1, 9]),
)
def test_whatever_is_packed_comes_back(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes], level: int | None
) -> None:
    tmp_path = tmp_path_factory.mktemp("pack")
    pack(_write(tmp_path / "data", tree), tmp_path / "o.zip", level=level)
    assert stage(tmp_path / "o.zip", tmp_path / "back").status == "ok"
    assert tree_of(tmp_path / "back") == tree


def test_names_that_would_not_come_back_are_named(tmp_path: Path) -> None:
    folder = _write(tmp_path / "data", {"fine": b"", "back\\slash": b"", "line\nend": b""})
    packed = pack(folder, tmp_path / "o.zip")
    assert [name for name, _ in packed.skipped] == ["back\\slash", "line\nend"]
    assert pack(folder, tmp_path / "o.tar.zst").files == 2


def test_large_files_go_through_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"big.txt": b"line after line\n" * 300_000, "big.bin": random.Random(2).randbytes(4_000_000), "s": b"s"}
    folder = _write(tmp_path / "data", data)
    monkeypatch.setattr(compress, "LARGE", 1 << 20)
    monkeypatch.setattr(zip_pack, "LARGE", 1 << 20)
    assert _pack_here(folder, tmp_path / "o.zip")["files"] == 3
    with zipfile.ZipFile(tmp_path / "o.zip") as archive:
        assert {info.filename: archive.read(info) for info in archive.infolist()} == data
        assert archive.getinfo("big.bin").compress_type == zipfile.ZIP_STORED
        assert archive.getinfo("big.txt").compress_size < 300_000
    assert _pack_here(folder, tmp_path / "o.zip")["reused"] == 2  # what is large when packed is packed anew


def test_only_what_changed_is_packed_again(tmp_path: Path) -> None:
    folder = _write(tmp_path / "data", MIXED)
    pack(folder, tmp_path / "o.zip")
    (folder / "tiny").write_bytes(b"changed")
    (folder / "empty").unlink()
    again = pack(folder, tmp_path / "o.zip")
    assert (again.files, again.reused) == (len(MIXED) - 1, len(MIXED) - 2)
    stage(tmp_path / "o.zip", tmp_path / "back")
    assert tree_of(tmp_path / "back") == tree_of(folder)


@pytest.mark.parametrize("ending", [".zip", ".tar.zst"])
def test_shards_whose_files_stay_are_left_alone(tmp_path: Path, ending: str) -> None:
    tree = {f"{number:02}": random.Random(number).randbytes(400_000) for number in range(10)}
    folder = _write(tmp_path / "data", tree)
    first = pack(folder, tmp_path / f"s{ending}", shard_size=1 << 20)
    names = [f"s-0000{number}{ending}" for number in range(1, 6)]
    assert [path.name for path in first.archives] == names
    before = {path.name: path.stat().st_mtime_ns for path in first.archives}
    (folder / "03").write_bytes(b"new")
    for gone in ("08", "09"):
        (folder / gone).unlink()
    (folder / "added").write_bytes(b"added")
    again = pack(folder, tmp_path / f"s{ending}", shard_size=1 << 20)
    assert [path.name for path in again.archives] == [*names[:4], f"s-00006{ending}"]
    changed = [path.name for path in again.archives if before.get(path.name) != path.stat().st_mtime_ns]
    assert changed == [names[1], f"s-00006{ending}"]
    assert not (tmp_path / names[4]).exists()
    (tmp_path / names[0]).write_bytes(b"cut short")
    assert pack(folder, tmp_path / f"s{ending}", shard_size=1 << 20).archives == again.archives
    assert (tmp_path / names[0]).stat().st_size > 400_000
    index = json.loads((tmp_path / "s.index.json").read_text())
    assert sum(len(shard["files"]) for shard in index["shards"]) == 9
    for archive in again.archives:
        assert stage(archive, tmp_path / "back").status == "ok"
    assert tree_of(tmp_path / "back") == tree_of(folder)


def test_links_are_named_and_the_archive_does_not_pack_itself(tmp_path: Path) -> None:
    folder = _write(tmp_path / "data", {"a": b"a"})
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    for _ in range(2):
        packed = pack(folder, folder / "o.zip")
        assert (packed.status, packed.files) == ("partial", 1)
        assert packed.skipped == (Skipped("link", "it is a symbolic link"), Skipped("pipe", "it is no regular file"))
    found: list[Skipped] = []
    assert list(files_below(tmp_path / "none", set(), found)) == []
    assert "cannot be listed" in found[0].reason


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another uid")
def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    folder = _write(tmp_path / "data", {"a": b"a", "b": b"b"})
    files = list(files_below(folder, set(), []))
    (folder / "a").unlink()
    packed = list(compress.compressed(folder, compress.batches(files), 4, 1))
    assert isinstance(packed[0][1], FileNotFoundError)
    assert isinstance(packed[1][1], PackedMember)


@pytest.mark.parametrize("name", ["o.zip", "o.tar.zst"])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), None])
def test_a_large_file_that_breaks_off_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: OSError | None
) -> None:
    data = {f"{letter}.bin": random.Random(letter).randbytes(200_000) for letter in "abcd"}
    folder = _write(tmp_path / "data", {**data, "small": b"s"})
    for module in (compress, zip_pack, tar_pack):
        monkeypatch.setattr(module, "LARGE", 100_000)
    with monkeypatch.context() as patch:
        break_off(patch, {"b.bin", "c.bin"}, 150_000, error)
        packed = _pack_here(folder, tmp_path / name)
    if error is None and name == "o.zip":  # which tells the length it found
        data |= {"b.bin": data["b.bin"][:150_000], "c.bin": data["c.bin"][:150_000]}
        assert packed["status"] == "ok"
    else:
        reason = "it cannot be read: Input/output error" if error else "it cannot be read: it became shorter meanwhile"
        assert packed["skipped"] == [("b.bin", reason), ("c.bin", reason)]
        assert packed["status"] == "partial"
        data = {kept: data[kept] for kept in ("a.bin", "d.bin")}
    assert stage(tmp_path / name, tmp_path / "back").status == "ok"
    assert tree_of(tmp_path / "back") == {**data, "small": b"s"}


def test_a_disk_on_which_many_files_break_off_ends_a_tar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {f"{number}.bin": bytes(1000) for number in range(9)}
    folder = _write(tmp_path / "data", data)
    monkeypatch.setattr(tar_pack, "LARGE", 100)
    break_off(monkeypatch, data, 10, OSError(5, "Input/output error"))
    with pytest.raises(StorageError, match="Input/output error"):
        _pack_here(folder, tmp_path / "o.tar.zst")
    assert os.listdir(tmp_path) == ["data"]


@pytest.mark.parametrize("name", ["o.zip", "o.tar.zst"])
def test_at_level_0_everything_is_stored(tmp_path: Path, name: str) -> None:
    folder = _write(tmp_path / "data", {"a": b"again and " * 100_000})
    assert pack(folder, tmp_path / name, level=0).packed > 1_000_000
    assert stage(tmp_path / name, tmp_path / "back").status == "ok"


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    folder = _write(tmp_path / "data", {"a": b"a"})
    (tmp_path / "hollow").mkdir()
    (tmp_path / "d.zip").mkdir()
    with pytest.raises(PathError, match="is no folder"):
        pack(tmp_path / "none", tmp_path / "o.zip")
    with pytest.raises(InputError, match="names no archive"):
        pack(folder, tmp_path / "o.rar")
    with pytest.raises(InputError, match="holds no files"):
        pack(tmp_path / "hollow", tmp_path / "o.zip")
    with pytest.raises(PathError, match="is a folder"):
        pack(folder, tmp_path / "d.zip")
    with pytest.raises(InputError, match="shard_size"):
        pack(folder, tmp_path / "o.zip", shard_size=10)
    with pytest.raises(InputError, match="level"):
        pack(folder, tmp_path / "o.zip", level=99)
    with pytest.raises(OutsideRootError):
        pack("data", "../o.zip", root=tmp_path)


def test_a_cancelled_packing_leaves_the_earlier_archive(tmp_path: Path) -> None:
    folder = _write(tmp_path / "data", MIXED)
    pack(folder, tmp_path / "o.zip")
    before = (tmp_path / "o.zip").read_bytes()
    (folder / "a/text.txt").write_bytes(random.Random(3).randbytes(30_000_000))
    with pytest.raises(JobCancelledError):
        pack(folder, tmp_path / "o.zip", progress=RecordingProgress(cancel_after=0))
    assert (tmp_path / "o.zip").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["data", "o.zip"]


def test_an_archive_that_does_not_read_back_is_not_put_into_place(tmp_path: Path) -> None:
    pack(_write(tmp_path / "data", MIXED), tmp_path / "o.zip")
    data = (tmp_path / "o.zip").read_bytes()
    written = [Written(1000, zlib.crc32(data[:1000])), Written(len(data) - 1000, zlib.crc32(data[1000:]))]
    zip_pack.verify_zip(tmp_path / "o.zip", len(MIXED), written, 2, RecordingProgress())
    for place in (5, 2000, len(data) - 3):
        (tmp_path / "o.zip").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(StorageError, match="does not read back"):
            zip_pack.verify_zip(tmp_path / "o.zip", len(MIXED), written, 2, RecordingProgress())
    (tmp_path / "o.zip").write_bytes(data + b"more")
    with pytest.raises(StorageError, match="does not read back"):
        zip_pack.verify_zip(tmp_path / "o.zip", len(MIXED), written, 2, RecordingProgress())


def test_what_was_compressed_wrongly_is_not_put_into_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(data: bytes, _level: int) -> bytes:
        packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        return packer.compress(b"x" + data[1:]) + packer.flush()

    monkeypatch.setattr(compress, "_deflated", wrong)
    folder = str(_write(tmp_path / "data", {"text.txt": b"line after line\n" * 5000}))
    options: dict[str, Any] = {"shard_size": None, "level": None, "workers": 1, "root": None}
    with pytest.raises(StorageError, match="does not read back"):
        engine.pack_here(folder, str(tmp_path / "o.zip"), progress=RecordingProgress(), **options)
    assert not (tmp_path / "o.zip").exists()


def test_numbers_beyond_32_bits_stand_in_zip64_fields() -> None:
    stream = io.BytesIO()
    writer = ZipWriter(stream)
    for number in range(70_000):
        writer.add(PackedMember(str(number), STORED, 0, 0, b"", int(time.time()), 0o644))
    writer.add_large(PackedMember("late", STORED, 0, 0, b"", -5, 0o644), iter([(b"abc", 3, 0x352441C2)]))
    writer.close()
    with zipfile.ZipFile(stream) as archive:
        assert len(archive.infolist()) == 70_001
        assert archive.read("late") == b"abc"


@pytest.mark.skipif(sys.platform == "darwin", reason="this system has no such names")
def test_a_name_that_is_no_text_spoils_the_archive_for_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "f\u00fcr.txt").write_bytes(b"1")
    (folder / os.fsdecode(b"b\xff.txt")).write_bytes(b"2")
    pack(folder, tmp_path / "a.zip")
    (tmp_path / "b.zip").write_bytes(b"".join(piece.data for piece in outgoing(folder).pieces(Progress())))
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            found = {member.rpartition("/")[2]: archive.read(member) for member in archive.namelist()}
        assert found == {"f\u00fcr.txt": b"1", "b\u00a0.txt": b"2"}


def test_shards_of_somebody_else_are_packed_and_left_alone(tmp_path: Path) -> None:
    own = {f"train-0000{number}.zip": bytes([number]) * 100 for number in (1, 2, 3)}
    folder = _write(tmp_path / "data", {**own, "x.txt": b"x"})
    packed = pack(folder, folder / "train.zip", shard_size=1 << 20)
    assert (packed.files, [path.name for path in packed.archives]) == (4, ["train-00004.zip"])
    assert {name: (folder / name).read_bytes() for name in own} == own
    (folder / "mine.index.json").write_text('{"a": 1}')
    with pytest.raises(PathError, match="no index of shards"):
        pack(folder, folder / "mine.zip", shard_size=1 << 20)


@pytest.mark.parametrize("name", ["photo.bin", "text.txt"])
def test_what_has_rotted_in_the_earlier_archive_is_packed_anew(tmp_path: Path, name: str) -> None:
    tree = {"photo.bin": random.Random(2).randbytes(5000), "text.txt": b"words and words " * 500}
    folder = _write(tmp_path / "data", tree)
    for path in folder.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    pack(folder, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        info = archive.getinfo(name)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[info.header_offset + 30 + len(name) + 40] ^= 1
    (tmp_path / "a.zip").write_bytes(data)
    assert pack(folder, tmp_path / "a.zip").status == "ok"
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {member: archive.read(member) for member in archive.namelist()} == tree


def test_a_file_that_was_rewritten_in_the_same_second_is_packed_anew(tmp_path: Path) -> None:
    folder = _write(tmp_path / "data", {"a": b"1" * 1000, "b": b"same"})
    pack(folder, tmp_path / "a.zip")
    status = (folder / "a").stat()
    (folder / "a").write_bytes(b"2" * 1000)
    os.utime(folder / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert pack(folder, tmp_path / "a.zip").reused == 1
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("a") == b"2" * 1000


def test_a_file_that_is_no_archive_is_not_replaced(tmp_path: Path) -> None:
    folder = _write(tmp_path / "data", {"a": b"1"})
    (tmp_path / "old.zip").write_bytes(b"notes of somebody")
    with pytest.raises(PathError, match="is no archive"):
        pack(folder, tmp_path / "old.zip")
    assert (tmp_path / "old.zip").read_bytes() == b"notes of somebody"
