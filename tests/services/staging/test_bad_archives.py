"""Archives that are hostile, odd or damaged. Nothing escapes, and nothing wrong is called ok."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import resource
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colabpanel import plan, stage
from colabpanel.errors import ArchiveError, ColabPanelError, LimitError, SpaceError
from colabpanel.services.staging import engine, planning
from colabpanel.services.staging.engine import stage_here
from colabpanel.services.staging.planning import plan_here
from colabpanel.services.staging.request import Limits, Request
from tests.archives import TREE, add_file, add_special, make_tar, make_zip, tree_of
from tests.fakes import RecordingProgress


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is a PNG image"),
        (b"  <!DOCTYPE html><html>sign in</html>", "is a web page"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "is a damaged 7z archive"),
        (b"Rar!" + bytes(100), "is a RAR archive"),
        (b"just text, and a lot of it " * 50, "is not an archive"),
        (b"PK\x03\x04 and then nothing", "damaged zip archive"),
        (b"\x1f\x8b not gzip at all", "damaged at its start"),
        (bytes(100), "nothing but zeros"),
        (bytes(2 << 20), "nothing but zeros"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # the contents would be too long
)
def test_files_that_are_no_archive_are_named_and_refused(tmp_path: Path, content: bytes, words: str) -> None:
    source = tmp_path / "data.zip"
    source.write_bytes(content)
    calls: tuple[Callable[..., object], ...] = (stage, plan)
    for call in calls:
        with pytest.raises(ArchiveError, match=words) as caught:
            call(source, tmp_path / "out")
        assert caught.value.hint
        assert caught.value.message.count(". ") == 0
    assert os.listdir(tmp_path) == ["data.zip"]


def _refused(tmp_path: Path, *names: str) -> None:
    """Check that nothing but the files named fine-* came out, and nothing left the folder."""
    assert sorted(os.listdir(tmp_path)) == sorted(["archive", "out"])
    assert set(tree_of(tmp_path / "out")) == set(names)


HOSTILE_NAMES = [
    "../evil",
    "a/../../evil",
    "/tmp/evil",
    "//evil",
    "C:/evil",
    "C:evil",
    "a/\x00evil",
    "a\x1b[2Jevil",
    "..",
    "x" * 256,
]


def test_hostile_names_in_a_tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w", format=tarfile.PAX_FORMAT) as archive:
        add_file(archive, "fine")
        for name in HOSTILE_NAMES:
            if "\0" not in name:
                add_file(archive, name)
    staged = stage(tmp_path / "archive", tmp_path / "out")
    assert staged.status == "partial"
    assert len(staged.skipped) == len(HOSTILE_NAMES) - 1
    assert {member for member, _ in staged.skipped} <= set(HOSTILE_NAMES)
    _refused(tmp_path, "fine")


def test_hostile_names_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr("fine", b"x")
        for name in HOSTILE_NAMES:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            archive.writestr(info, b"x")
        info = zipfile.ZipInfo("x")
        info.filename = info.orig_filename = "..\\evil"
        archive.writestr(info, b"x")
    staged = stage(tmp_path / "archive", tmp_path / "out")
    assert staged.status == "partial"
    assert len(staged.skipped) == len(HOSTILE_NAMES) + 1
    _refused(tmp_path, "fine")


def test_links_and_devices_are_never_made(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        add_special(archive, "link", tarfile.SYMTYPE, "/etc")
        add_file(archive, "link/passwd")
        for name, kind in (("fifo", tarfile.FIFOTYPE), ("char", tarfile.CHRTYPE), ("block", tarfile.BLKTYPE)):
            add_special(archive, name, kind)
    staged = stage(tmp_path / "archive", tmp_path / "out")
    assert dict(staged.skipped) == {
        "link": "it is a symbolic link",
        "fifo": "it is a device or pipe",
        "char": "it is a device or pipe",
        "block": "it is a device or pipe",
    }
    assert not (tmp_path / "out" / "link").is_symlink()
    _refused(tmp_path, "link/passwd")


def test_a_link_in_a_zip_is_skipped(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        for name, mode in (("link", 0o120777), ("fifo", 0o010644)):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, mode << 16
            archive.writestr(info, b"/etc/passwd")
    assert [reason for _, reason in stage(tmp_path / "archive", tmp_path / "out").skipped] == [
        "it is a symbolic link",
        "it is a device or pipe",
    ]


def test_members_that_overlap_are_a_bomb(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "archive", {"a": os.urandom(500), "b": os.urandom(500)}, method=zipfile.ZIP_STORED)
    raw = bytearray(source.read_bytes())
    second = raw.rfind(b"PK\x01\x02")
    raw[second + 42 : second + 46] = struct.pack("<I", 10)
    source.write_bytes(raw)
    with pytest.raises(ArchiveError, match="overlap"):
        stage(source, tmp_path / "out")


def test_a_wrong_checksum_is_named(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "archive", {"good": b"good", "bad": b"bad bytes"}, method=zipfile.ZIP_STORED)
    raw = source.read_bytes()
    source.write_bytes(raw.replace(b"bad bytes", b"mad bytes"))
    staged = stage(source, tmp_path / "out")
    assert staged.skipped == (("bad", "it is damaged: its checksum does not match"),)
    _refused(tmp_path, "good")


def test_two_members_of_one_name_are_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr("same", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("same", b"second")
    staged = stage(tmp_path / "archive", tmp_path / "out")
    assert staged.skipped == (("same", "a later member has the same name"),)
    assert (tmp_path / "out" / "same").read_bytes() == b"second"


def test_a_tar_that_was_appended_to_keeps_the_last_version(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        add_file(archive, "same", b"first, longer")
        add_file(archive, "same", b"second")
    staged = stage(tmp_path / "archive", tmp_path / "out")
    assert (staged.status, staged.files, staged.size) == ("ok", 1, 6)
    assert (tmp_path / "out" / "same").read_bytes() == b"second"


def test_an_unknown_compression_is_named(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "archive", {"a": b"x" * 50}, method=zipfile.ZIP_STORED)
    raw = bytearray(source.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = raw.rfind(signature) + offset
        raw[at : at + 2] = struct.pack("<H", 77)
    source.write_bytes(raw)
    assert stage(source, tmp_path / "out").skipped == (("a", "its compression method (number 77) is not supported"),)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_cut_short_is_partial_or_refused(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    plain = make_tar(tmp_path / "plain", {f"{number}": os.urandom(700) for number in range(8)}).read_bytes()
    whole = compress(plain)
    for cut in (8 * 1536 - 1 if compress is bytes else len(whole) - 1, len(whole) // 2, len(whole) // 3, 600):
        source = tmp_path / f"cut-{cut}"
        source.write_bytes(whole[:cut])
        try:
            staged = stage(source, tmp_path / f"out-{cut}")
        except ArchiveError as error:
            assert "damaged" in error.message  # noqa: PT017 - either outcome is right
            continue
        assert staged.status == "partial"
        assert staged.skipped[-1][0] == "(archive)"


def test_a_tar_without_its_end_is_partial(tmp_path: Path) -> None:
    raw = make_tar(tmp_path / "archive").read_bytes()
    (tmp_path / "archive").write_bytes(raw.rstrip(b"\0") + bytes(-len(raw.rstrip(b"\0")) % 512))
    staged = stage(tmp_path / "archive", tmp_path / "out")
    assert staged.status == "partial"
    assert tree_of(tmp_path / "out") == TREE


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    source = make_tar(tmp_path / "archive", {"a": b"1", "b": b"2", "c": b"3"})
    raw = bytearray(source.read_bytes())
    raw[1024 + 10] ^= 0xFF
    source.write_bytes(raw)
    staged = stage(source, tmp_path / "out")
    assert staged.status == "partial"
    assert set(tree_of(tmp_path / "out")) == {"a"}


def test_a_flipped_bit_behind_the_data_of_a_gzip_is_found(tmp_path: Path) -> None:
    source = make_tar(tmp_path / "archive", mode="w:gz")
    raw = bytearray(source.read_bytes())
    raw[-6] ^= 1
    source.write_bytes(raw)
    staged = stage(source, tmp_path / "out")
    assert staged.skipped == (
        ("(archive)", "a checksum of the compressed archive does not match: any of its files may be wrong"),
    )


def test_concatenated_streams_are_one(tmp_path: Path) -> None:
    plain = make_tar(tmp_path / "plain").read_bytes()
    compressors: tuple[Callable[[bytes], bytes], ...] = (gzip.compress, bz2.compress, lzma.compress)
    for number, compress in enumerate(compressors):
        source = tmp_path / f"{number}"
        source.write_bytes(compress(plain[:1000]) + compress(plain[1000:]))
        staged = stage(source, tmp_path / f"out{number}")
        assert staged.status == "ok"
        assert tree_of(tmp_path / f"out{number}") == TREE


def test_a_header_of_half_a_gigabyte_is_not_read_into_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 512 << 20
    with (tmp_path / "archive").open("wb") as stream:
        stream.write(info.tobuf())
        stream.truncate(513 << 20)
    with pytest.raises(ColabPanelError):
        stage(tmp_path / "archive", tmp_path / "out")


def test_a_sparse_file_of_a_terabyte_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("huge")
        info.size = 512
        info.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.map": "0,512",
            "GNU.sparse.size": str(1 << 40),
        }
        archive.addfile(info, io.BytesIO(bytes(512)))
    with pytest.raises(ColabPanelError) as caught:
        stage(tmp_path / "archive", tmp_path / "out")
    assert "bomb" in caught.value.message
    assert os.listdir(tmp_path) == ["archive"]


def test_what_does_not_fit_is_refused_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_zip(tmp_path / "archive")
    monkeypatch.setattr(engine, "free_bytes", lambda _: 100)
    request = Request(source=str(source), directory=str(tmp_path / "out")).to_json()
    with pytest.raises(SpaceError, match=r"need 10\.0 KB, and 100 bytes are free"):
        stage_here(request, RecordingProgress())
    assert os.listdir(tmp_path) == ["archive"]
    monkeypatch.setattr(planning, "free_bytes", lambda _: 100)
    assert "100 bytes are free" in plan_here(request, RecordingProgress())["problem"]


def test_a_plan_that_would_take_long_says_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_tar(tmp_path / "archive", mode="w:gz")
    monkeypatch.setattr(planning, "_SURVEY_SECONDS", -1)
    found = plan_here(Request(source=str(source), directory=str(tmp_path / "out")).to_json(), RecordingProgress())
    assert found["files"] is found["size"] is found["existing"] is None


def test_dates_that_do_not_exist_are_no_obstacle(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "archive", {"a": b"x"})
    raw = bytearray(source.read_bytes())
    at = raw.rfind(b"PK\x01\x02") + 12
    raw[at : at + 4] = b"\xff\xff\xff\xff"
    source.write_bytes(raw)
    assert stage(source, tmp_path / "out").status == "ok"


def test_data_in_front_of_a_zip_is_fine(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "archive")
    source.write_bytes(b"#!/bin/sh\nexit 0\n" * 40 + source.read_bytes())
    assert stage(source, tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == TREE


def test_zeros_in_place_of_a_header_do_not_hide_what_follows(tmp_path: Path) -> None:
    raw = bytearray(make_tar(tmp_path / "archive", {"a": b"1", "b": b"2"}).read_bytes())
    raw[1024:1536] = bytes(512)
    (tmp_path / "archive").write_bytes(raw)
    staged = stage(tmp_path / "archive", tmp_path / "out")
    assert staged.skipped == (("(archive)", "more data follows its end: members may be missing"),)
    make_tar(tmp_path / "b")
    (tmp_path / "two").write_bytes(make_tar(tmp_path / "c").read_bytes() + (tmp_path / "b").read_bytes())
    assert stage(tmp_path / "two", tmp_path / "out2").status == "partial"
    (tmp_path / "long").write_bytes((tmp_path / "b").read_bytes() + bytes(3 << 20))
    assert stage(tmp_path / "long", tmp_path / "out3").status == "partial"


def test_garbage_behind_a_gzip_is_told_for_what_it_is(tmp_path: Path) -> None:
    source = make_tar(tmp_path / "archive", mode="w:gz")
    source.write_bytes(source.read_bytes() + b"garbage")
    staged = stage(source, tmp_path / "out")
    assert "what follows its end" in staged.skipped[0][1]
    assert tree_of(tmp_path / "out") == TREE


def test_a_hard_link_to_itself_keeps_its_content(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        add_file(archive, "a", b"important")
        add_special(archive, "a", tarfile.LNKTYPE, "./a")
    staged = stage(tmp_path / "archive", tmp_path / "out")
    assert (staged.status, staged.size) == ("ok", 9)
    assert tree_of(tmp_path / "out") == {"a": b"important"}


def test_a_damaged_later_version_is_not_counted(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        add_file(archive, "a", b"good")
        add_special(archive, "a", tarfile.LNKTYPE, "missing")
    staged = stage(tmp_path / "archive", tmp_path / "out")
    assert (staged.files, staged.status, len(tree_of(tmp_path / "out"))) == (0, "partial", 0)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("declared", [10, 3_000_000])
def test_a_member_that_lies_about_its_size_is_damaged(tmp_path: Path, method: int, declared: int) -> None:
    content = bytes(2_000_000)
    source = make_zip(tmp_path / "archive", {"lie": content}, method=method)
    raw = bytearray(source.read_bytes())
    at = raw.rfind(b"PK\x01\x02")
    raw[at + 16 : at + 20] = struct.pack("<I", zlib.crc32(content[:declared]))
    raw[at + 24 : at + 28] = struct.pack("<I", declared)
    source.write_bytes(raw)
    (skipped,) = stage(source, tmp_path / "out").skipped
    assert "than its header says" in skipped.reason


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_round_trip_and_damage_is_found(tmp_path: Path, method: int) -> None:
    files = {"a": os.urandom(3_000_000), "b": b"text " * 1000, "empty": b""}
    source = make_zip(tmp_path / "archive", files, method=method)
    assert stage(source, tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == files
    raw = bytearray(source.read_bytes())
    raw[1_000_000] ^= 1
    source.write_bytes(raw)
    assert [member for member, _ in stage(source, tmp_path / "out2").skipped] == ["a"]


def test_a_bomb_in_bzip2_takes_no_memory(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "archive", {"bomb": bytes(700_000_000)}, method=zipfile.ZIP_BZIP2)
    raw = bytearray(source.read_bytes())
    at = raw.rfind(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", 10)
    source.write_bytes(raw)
    request = Request(source=str(source), directory=str(tmp_path / "out"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert stage_here(request.to_json(), RecordingProgress())["status"] == "partial"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_table_of_contents_is_looked_at_before_it_is_read(tmp_path: Path) -> None:
    for name, end in (
        ("count", struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65000, 65000, 1, 0, 0)),
        ("size", struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, 1 << 31, 0, 0)),
        (
            "zip64",
            struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 0, 0, 0, 0, 1 << 40, 1 << 40, 1 << 50, 0)
            + struct.pack("<4sIQI", b"PK\x06\x07", 0, 4, 1)
            + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 0xFFFFFFFF, 0xFFFFFFFF, 0),
        ),
    ):
        (tmp_path / name).write_bytes(b"PK\x03\x04" + end)
        with pytest.raises(ArchiveError, match="table of contents cannot be read"):
            stage(tmp_path / name, tmp_path / "out", limits=Limits(members=1000))
    source = make_zip(tmp_path / "many", {str(number): b"" for number in range(1001)})
    with pytest.raises(LimitError, match="more than 1,000 members"):
        stage(source, tmp_path / "out", limits=Limits(members=1000))


def test_headers_without_end_are_damage(tmp_path: Path) -> None:
    with tarfile.open(
        tmp_path / "archive", "w", format=tarfile.PAX_FORMAT, pax_headers={"k": "v" * 2_000_000}
    ) as archive:
        add_file(archive, "a")
    with pytest.raises(ArchiveError):
        stage(tmp_path / "archive", tmp_path / "out")
    with tarfile.open(tmp_path / "archive", "w", format=tarfile.PAX_FORMAT) as archive:
        add_file(archive, "fine")
        for _ in range(3000):
            add_special(archive, "x", tarfile.XHDTYPE)
    assert stage(tmp_path / "archive", tmp_path / "out").status == "partial"


def test_a_volume_label_and_a_name_like_a_zips_are_fine(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        add_file(archive, "PKGBUILD")
        add_special(archive, "label", b"V")
    staged = stage(tmp_path / "archive", tmp_path / "out")
    assert (staged.status, set(tree_of(tmp_path / "out"))) == ("ok", {"PKGBUILD"})


def test_an_archive_does_not_replace_itself(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "a.zip", {"a.zip": b"tiny", "b": b"b"})
    before = source.read_bytes()
    staged = stage(source, tmp_path)
    assert staged.skipped == (("a.zip", "it would replace the archive itself"),)
    assert source.read_bytes() == before


def test_an_empty_folder_that_finds_no_place_is_told(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        add_special(archive, "a", tarfile.DIRTYPE)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").touch()
    assert [member for member, _ in stage(tmp_path / "archive", tmp_path / "out").skipped] == ["a/"]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(["a.zip", "a.tar", "a.tar.gz", "a.tar.xz"]))
def test_one_flipped_byte_never_passes_for_ok(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    """The bytes of every file are right, or the outcome is not ok."""
    folder = tmp_path_factory.mktemp("flip")
    modes = {"a.tar": "w", "a.tar.gz": "w:gz", "a.tar.xz": "w:xz"}
    source = make_tar(folder / name, mode=modes[name]) if name in modes else make_zip(folder / name)
    raw = bytearray(source.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    source.write_bytes(raw)
    request = Request(source=str(source), directory=str(folder / "out"), limits=Limits(total_bytes=1 << 24))
    try:
        staged = stage_here(request.to_json(), RecordingProgress())
    except ColabPanelError:
        assert not (folder / "out").exists()
        return
    out = tree_of(folder / "out")
    if name != "a.tar":  # a plain tar has no checksum over its contents
        assert staged["status"] == "partial" or all(content in TREE.values() for content in out.values())
    assert staged["files"] == len(out)
