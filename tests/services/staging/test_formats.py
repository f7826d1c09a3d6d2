"""Every format that staging reads, made by libraries and by the tools people use."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest
from backports import zstd

from colabpanel.errors import ColabPanelError, MissingLibraryError, PasswordError
from colabpanel.progress import Progress
from colabpanel.services.optional import optional
from colabpanel.services.staging.request import Overwrite
from colabpanel.services.staging.service import plan, stage
from colabpanel.services.staging.streams.gzip_member import GzipMember
from tests.archives import TREE, make_zip, tree_of

Compress = Callable[[bytes], bytes]
COMPRESSIONS: dict[str, Compress] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}


def _tar(tree: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in tree.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_compressed_tars(tmp_path: Path, compression: str) -> None:
    source = tmp_path / "archive"
    source.write_bytes(COMPRESSIONS[compression](_tar(TREE)))
    assert plan(source, tmp_path / "out").format == f"tar.{compression}"
    assert stage(source, tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == TREE


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_single_compressed_files_lose_their_suffix(tmp_path: Path, compression: str) -> None:
    source = tmp_path / f"model.pt.{compression}"
    data = b"weights" * 300_000
    source.write_bytes(COMPRESSIONS[compression](data) * 2)  # members and frames may follow one another
    found = plan(source, tmp_path / "out")
    assert (found.format, found.files, found.size) == (compression, 1, None)
    staged = stage(source, tmp_path / "out")
    assert (staged.status, staged.size) == ("ok", 2 * len(data))
    assert tree_of(tmp_path / "out") == {"model.pt": data * 2}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("cut", [1, 7, 2000])
def test_a_single_file_that_is_cut_is_never_ok(tmp_path: Path, compression: str, cut: int) -> None:
    source = tmp_path / f"m.{compression}"
    source.write_bytes(COMPRESSIONS[compression](bytes(range(256)) * 5000 + b"end" * 100)[:-cut] or b"\x1f\x8b")
    try:
        staged = stage(source, tmp_path / "out")
    except Exception as error:
        assert "damaged" in str(error)  # noqa: PT017
    else:
        assert staged.status == "partial"
        assert tree_of(tmp_path / "out") == {}


def test_a_single_file_has_a_budget(tmp_path: Path) -> None:
    source = tmp_path / "zeros.gz"
    with gzip.open(source, "wb") as stream:
        for _ in range(400):
            stream.write(bytes(1 << 20))
    with pytest.raises(Exception, match="refused as a bomb"):
        stage(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _seven_zip(path: Path, tree: dict[str, bytes], password: str | None = None, *, hidden: bool = False) -> Path:
    with py7zr.SevenZipFile(path, "w", password=password, header_encryption=hidden) as archive:
        for name, data in tree.items():
            archive.writestr(data, name)
    return path


def test_7z(tmp_path: Path) -> None:
    source = _seven_zip(tmp_path / "a.7z", {**TREE, "empty": b""})
    assert stage(source, tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == {**TREE, "empty": b""}
    some = stage(source, tmp_path / "some", include=[f"*{max(TREE)[-3:]}"])
    assert 0 < some.files < len(TREE)
    assert set(tree_of(tmp_path / "some").items()) <= set(TREE.items())


@pytest.mark.parametrize("hidden", [False, True])
def test_7z_with_a_password(tmp_path: Path, hidden: bool) -> None:
    source = _seven_zip(tmp_path / "a.7z", TREE, "secret", hidden=hidden)
    with pytest.raises(PasswordError, match="is encrypted"):
        stage(source, tmp_path / "out")
    with pytest.raises(PasswordError, match="does not open"):
        stage(source, tmp_path / "out", password="wrong")
    assert not (tmp_path / "out.partial").exists()
    assert stage(source, tmp_path / "out", password="secret").status == "ok"
    assert tree_of(tmp_path / "out") == TREE


def test_a_damaged_7z_is_partial(tmp_path: Path) -> None:
    source = _seven_zip(tmp_path / "a.7z", {"a": bytes(range(256)) * 4000, "b": b"b" * 1000})
    raw = bytearray(source.read_bytes())
    raw[80] ^= 0xFF
    source.write_bytes(raw)
    staged = stage(source, tmp_path / "out")
    assert staged.status == "partial"
    assert {name for name, _ in staged.skipped} >= {"a"}


@pytest.mark.skipif(shutil.which("7z") is None, reason="7z is not installed")
@pytest.mark.parametrize("method", ["AES128", "AES192", "AES256", "ZipCrypto"])
@pytest.mark.parametrize("level", [0, 5])
def test_encrypted_zips(tmp_path: Path, method: str, level: int) -> None:
    (tmp_path / "in").mkdir()
    tree = {"text.txt": b"some text " * 5000, "large.bin": bytes(range(256)) * 40_000, "empty": b""}
    for name, data in tree.items():
        (tmp_path / "in" / name).write_bytes(data)
    command = ["7z", "a", "-bd", "-tzip", "-psecret", f"-mem={method}", f"-mx={level}", "../a.zip", "."]
    subprocess.run(command, cwd=tmp_path / "in", check=True, stdout=subprocess.DEVNULL)
    with pytest.raises(PasswordError):
        stage(tmp_path / "a.zip", tmp_path / "out", password="wrong")
    assert stage(tmp_path / "a.zip", tmp_path / "out", password="secret").status == "ok"
    assert tree_of(tmp_path / "out") == tree


def test_an_encrypted_member_that_was_changed_is_damaged(tmp_path: Path) -> None:
    if shutil.which("7z") is None:
        pytest.skip("7z is not installed")
    (tmp_path / "a").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "b").write_bytes(b"b")
    command = ["7z", "a", "-bd", "-tzip", "-psecret", "-mem=AES256", "a.zip", "a", "b"]
    subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    raw = bytearray((tmp_path / "a.zip").read_bytes())
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        raw[archive.getinfo("a").header_offset + 100] ^= 1
    (tmp_path / "a.zip").write_bytes(raw)
    staged = stage(tmp_path / "a.zip", tmp_path / "out", password="secret")
    assert [name for name, _ in staged.skipped] == ["a"]
    assert "authentication code" in staged.skipped[0].reason or "damaged" in staged.skipped[0].reason


def test_a_missing_library_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(MissingLibraryError, match="A 7z archive needs") as caught:
        optional("py7zr", "a 7z archive")
    assert caught.value.hint == 'Run: pip install "colabpanel[archives]"'


def test_an_archive_staged_before_is_verified_not_unpacked(tmp_path: Path) -> None:
    for source in (make_zip(tmp_path / "a.zip"), tmp_path / "a.tar"):
        if not source.exists():
            source.write_bytes(_tar(TREE))
        out = tmp_path / f"out-{source.suffix}"
        assert not stage(source, out).reused
        assert plan(source, out).reusable
        again = stage(source, out)
        assert (again.reused, again.status, again.files, again.kept) == (True, "ok", len(TREE), len(TREE))
        always: Overwrite = "always"
        assert not stage(source, out, overwrite=always).reused
        assert not stage(source, out, resume=False).reused
        name = max(TREE)
        (out / name).write_bytes(b"mine")
        assert not plan(source, out).reusable
        assert not stage(source, out).reused
        assert tree_of(out) == TREE
        assert not stage(source, out, exclude=["*.none"]).reused


def test_a_plan_tells_time_and_what_would_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = {f"{folder}/{number}": bytes(1000) for folder in "ab" for number in range(10)}
    source = make_zip(tmp_path / "a.zip", tree)
    found = plan(source, tmp_path / "out")
    assert found.seconds is not None
    assert 0 < found.seconds < 60
    assert (found.cache, found.disk) == (0, 20_000)

    from colabpanel.services.staging import planning, service

    monkeypatch.setattr(planning, "free_bytes", lambda _: 6_500)
    monkeypatch.setattr(
        service,
        "call_isolated",
        lambda _, arguments, progress: planning.plan_here(**arguments, progress=Progress()),
    )
    tight = plan(source, tmp_path / "out")
    assert "need 19.5 KB" in tight.problem
    assert "first_per_folder=3" in tight.hint


def test_a_damaged_later_stream_of_bzip2_is_noticed_and_garbage_after_it_is_not(tmp_path: Path) -> None:
    parts = [random.Random(number).randbytes(200_000) for number in (1, 2)]
    packed = [bz2.compress(part) for part in parts]
    (tmp_path / "fine.csv.bz2").write_bytes(b"".join(packed) + b"\0" * 10 + b"garbage")
    assert stage(tmp_path / "fine.csv.bz2", tmp_path / "fine").status == "ok"
    assert tree_of(tmp_path / "fine") == {"fine.csv": b"".join(parts)}
    wrong = bytearray(b"".join(packed))
    wrong[len(packed[0]) + 100] ^= 1
    (tmp_path / "wrong.csv.bz2").write_bytes(wrong)
    assert stage(tmp_path / "wrong.csv.bz2", tmp_path / "wrong").status == "partial"


def test_gzip_whose_end_is_missing_or_comes_late(tmp_path: Path) -> None:
    data = b"a" * (4 << 20)
    whole = gzip.compress(data)
    (tmp_path / "cut.bin.gz").write_bytes(whole[:-3])
    assert stage(tmp_path / "cut.bin.gz", tmp_path / "cut").status == "partial"
    for given in range(1, 8):
        member = GzipMember()
        found = member.decompress(whole[:-given], len(data))
        assert (len(found), member.needs_input, member.eof) == (len(data), True, False)
        assert member.decompress(whole[-given:], len(data)) == b""
        assert member.eof


def test_one_damaged_member_does_not_make_the_password_wrong(tmp_path: Path) -> None:
    if shutil.which("zip") is None:
        pytest.skip("zip is not installed")
    sizes = {"small": 500, "large": 5000}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(os.urandom(size))
    for name in sizes:
        path = tmp_path / f"{name}.zip"
        subprocess.run(["zip", "-q0", "-P", "secret", path, *sizes], cwd=tmp_path, check=True)
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(name)
        data = bytearray(path.read_bytes())
        data[data.index(name.encode()) + info.compress_size] ^= 1
        path.write_bytes(data)
        found = stage(path, tmp_path / f"out-{name}", password="secret")
        assert (found.status, [one.member for one in found.skipped]) == ("partial", [name])
        with pytest.raises(PasswordError):
            stage(path, tmp_path / "other", password="wrong")


def test_links_that_nobody_asked_for_are_not_told(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("train/a.jpg", "val/b.jpg"):
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("val/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert stage(tmp_path / "a.tar", tmp_path / "out", include=["train/*"]).status == "ok"
    assert stage(tmp_path / "a.tar", tmp_path / "val", include=["val/*"]).skipped[0].member == "val/link"
    with pytest.raises(ColabPanelError, match="matches the patterns"):
        stage(tmp_path / "a.tar", tmp_path / "typo", include=["trian/*"])
    assert not (tmp_path / "typo").exists()
