"""Hostile names, bombs, and archives made to eat memory, in zip and in tar."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from colabpanel import plan, stage
from colabpanel.errors import ArchiveError, LimitError
from colabpanel.services.staging.request import Limits
from tests.archives import tree_of
from tests.odd_archives import MUST_KEEP, MUST_SKIP, OK, PARTIAL, REFUSED, Odd, judge
from tests.odd_tars import END, file, gnu_name, header, pax
from tests.odd_zips import FINE, Entry, build
from tests.waiting import wait_until

MB = 1 << 20
MOST_MEMORY = 600 * MB


def _zip(*names: str) -> bytes:
    return build([Entry("fine"), *(Entry(name) for name in names)])


def _gnu_tar(*names: str) -> bytes:
    members = (gnu_name(name) + file("x", FINE, magic=b"ustar  ") for name in names)
    return file("fine", FINE) + b"".join(members) + END


def _pax_tar(*names: str) -> bytes:
    return file("fine", FINE) + b"".join(pax({"path": name}) + file("x", FINE) for name in names) + END


MAKERS = pytest.mark.parametrize("make", [_zip, _gnu_tar, _pax_tar], ids=["zip", "gnu", "pax"])


@MAKERS
def test_names_that_lead_astray_are_skipped_and_named(tmp_path: Path, make: Callable[..., bytes]) -> None:
    names = [name for name in MUST_SKIP if make is not _pax_tar or not name.endswith("\n")]
    judge(Odd(make(*names), {"fine": FINE}, (PARTIAL,), tuple(names)), tmp_path)


@MAKERS
def test_names_that_only_look_wrong_are_kept(tmp_path: Path, make: Callable[..., bytes]) -> None:
    names = dict.fromkeys(("fine", *MUST_KEEP), FINE)
    assert judge(Odd(make(*MUST_KEEP), names), tmp_path) == OK


@MAKERS
def test_names_are_settled_once(tmp_path: Path, make: Callable[..., bytes]) -> None:
    settled = {"fine": FINE, "a/b": FINE, "c/d": FINE, "e": FINE}
    assert judge(Odd(make("./a/./b", "c//d", "././e"), settled), tmp_path) == OK


def test_backslashes_of_a_zip_are_slashes(tmp_path: Path) -> None:
    bad = [
        "..\\evil",
        "a\\..\\..\\evil",
        "..\\../evil",
        "\\evil",
        "C:\\evil",
        "\\\\host\\share\\evil",
        "\\\\?\\C:\\evil",
    ]
    odd = Odd(_zip(*bad, "d\\fine"), {"fine": FINE, "d/fine": FINE}, (PARTIAL,))
    assert judge(odd, tmp_path) == PARTIAL


@pytest.mark.parametrize("name", ["..\\evil", "C:\\evil", "\\\\host\\evil", "end.", "end ", "a:b"])
@pytest.mark.parametrize("make", [_zip, _gnu_tar], ids=["zip", "tar"])
def test_names_that_only_windows_minds_do_no_harm(tmp_path: Path, make: Callable[..., bytes], name: str) -> None:
    judge(Odd(make(name), {"fine": FINE, name: FINE}, (OK, PARTIAL)), tmp_path)


@pytest.mark.parametrize("name", [b"a\0b", b"\0", b"../evil\0.txt", b"fine\0../evil"])
def test_a_nul_in_a_name_hides_nothing(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "zip").mkdir()
    judge(Odd(build([Entry("fine"), Entry(name)]), {"fine": FINE}, (PARTIAL, REFUSED)), tmp_path / "zip")
    (tmp_path / "pax").mkdir()
    raw = file("fine", FINE) + pax({"path": name}) + file("x", FINE) + END
    judge(Odd(raw, {"fine": FINE}, (OK, PARTIAL, REFUSED)), tmp_path / "pax")


def test_names_that_are_no_text_come_out_or_are_told(tmp_path: Path) -> None:
    raw = file("fine", FINE) + file(b"\xff\xfe\x80.bin", FINE) + pax({"path": b"\xc3("}) + file("x", FINE) + END
    judge(Odd(raw, {"fine": FINE, "1": FINE, "2": FINE}, (OK, PARTIAL), any_name=True), tmp_path)


def test_a_skipped_name_is_shown_whole(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(pax({"path": "../\u202e\x1b[31mevil"}) + file("x") + END)
    (skipped,) = stage(tmp_path / "a.tar", tmp_path / "out").skipped
    assert skipped.member == "../\u202e\x1b[31mevil"
    assert skipped.reason


class _Peak:
    """The most memory that the children of this process took together."""

    bytes = 0

    def look(self) -> None:
        found, own = 0, psutil.Process().cmdline()
        for child in psutil.Process().children(recursive=True):
            try:
                if child.cmdline() != own:  # one that is just being made shows this process's memory for its own
                    found += child.memory_info().rss
            except psutil.Error:
                continue
        self.bytes = max(self.bytes, found)


@contextmanager
def _watched_memory() -> Iterator[_Peak]:
    peak, ended = _Peak(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            peak.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()
    assert peak.bytes < MOST_MEMORY, f"{peak.bytes / MB:.0f} MB"


def test_the_memory_of_children_is_watched() -> None:
    with _watched_memory() as peak, subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        wait_until(lambda: peak.bytes)
        child.communicate(b"\n")


def _zeros(size: int) -> bytes:
    """Return so many megabytes of zeros, deflated: one block written again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * size + packer.flush()


def test_a_flat_bomb_is_refused_before_it_is_written(tmp_path: Path) -> None:
    bomb = Entry("bomb", b"", method=8, packed=_zeros(2000), central_sizes=(len(_zeros(2000)), 2000 * MB))
    with _watched_memory():
        assert judge(Odd(build([Entry("a"), bomb]), {}, (REFUSED,)), tmp_path) == REFUSED


def test_many_small_bombs_are_one(tmp_path: Path) -> None:
    packed = _zeros(64)
    bombs = [Entry(f"{at}", b"", method=8, packed=packed, central_sizes=(len(packed), 64 * MB)) for at in range(16)]
    assert judge(Odd(build(bombs), {}, (REFUSED,)), tmp_path) == REFUSED


def test_a_bomb_that_lies_is_stopped_where_its_lie_ends(tmp_path: Path) -> None:
    packed = _zeros(2000)
    lies = [Entry(f"{at}", b"", method=8, packed=packed, central_sizes=(len(packed), 10)) for at in range(3)]
    odd = Odd(build([Entry("a"), *lies]), {"a": FINE}, (PARTIAL, REFUSED), ("0", "1", "2"))
    with _watched_memory():
        judge(odd, tmp_path)


def test_a_bomb_in_a_tar_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    packed = b"\x1f\x8b\x08" + bytes(6) + b"\x03" + _zeros_after(header("bomb", 600 * MB), 600)
    with _watched_memory():
        assert judge(Odd(packed, {}, (REFUSED,)), tmp_path) == REFUSED


def _zeros_after(head: bytes, size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    crc = zlib.crc32(head)
    for _ in range(size):
        crc = zlib.crc32(bytes(MB), crc)
    return start + _zeros(size) + struct.pack("<II", crc, (len(head) + size * MB) & 0xFFFFFFFF)


def test_headers_that_claim_half_a_gigabyte_take_no_memory(tmp_path: Path) -> None:
    claims = [header("././@LongLink", 512 * MB, b"L"), header("x", 512 * MB, b"x"), header("x", 512 * MB, b"g")]
    for number, claim in enumerate(claims):
        source = tmp_path / f"{number}.tar"
        with source.open("wb") as stream:
            stream.write(file("a", FINE) + claim)
            stream.truncate(520 * MB)  # and so many bytes are there
        with _watched_memory():
            assert stage(source, tmp_path / f"out{number}").status == PARTIAL
        assert tree_of(tmp_path / f"out{number}") == {"a": FINE}
        source.unlink()


def _crowd(path: Path, members: int) -> Path:
    """Write a zip of so many empty members, none of which may be unpacked."""
    with path.open("wb") as stream:
        central = bytearray()
        for number in range(members):
            entry = Entry(b"../%d" % number, b"")
            central += entry.central(stream.tell())
            stream.write(entry.local())
        start = stream.tell()
        stream.write(central)
        at = stream.tell()
        record = struct.pack("<Q2H2I4Q", 44, 45, 45, 0, 0, members, members, len(central), start)
        stream.write(b"PK\x06\x06" + record + b"PK\x06\x07" + struct.pack("<IQI", 0, at, 1))
        stream.write(b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
    return path


@pytest.mark.parametrize("members", [30_000, pytest.param(740_000, marks=pytest.mark.slow)])
def test_a_crowd_of_members_takes_little_memory(tmp_path: Path, members: int) -> None:
    source = _crowd(tmp_path / "a.zip", members)
    with _watched_memory():
        staged = stage(source, tmp_path / "out")
    assert (staged.status, staged.files) == (PARTIAL, 0)
    assert os.listdir(tmp_path / "out") == []


def test_more_members_than_the_limit_are_refused(tmp_path: Path) -> None:
    source = _crowd(tmp_path / "a.zip", 2000)
    with pytest.raises(LimitError):
        stage(source, tmp_path / "out", limits=Limits(members=1999))
    assert plan(source, tmp_path / "out", limits=Limits(members=2000)).files == 0


def test_a_folder_deeper_than_the_limit_is_skipped_alone(tmp_path: Path) -> None:
    for number, make in enumerate((_zip, _gnu_tar)):
        (tmp_path / f"{number}").mkdir()
        odd = Odd(make("a/b/c/d", "a/b"), {"fine": FINE, "a/b": FINE}, (PARTIAL,), ("a/b/c/d",))
        judge(odd, tmp_path / f"{number}", limits=Limits(depth=3))


def test_a_total_that_is_too_much_is_refused_whole(tmp_path: Path) -> None:
    for number, make in enumerate((_zip, _gnu_tar)):
        (tmp_path / f"{number}").mkdir()
        limits = Limits(total_bytes=len(FINE) + 5)
        assert judge(Odd(make("b"), {}, (REFUSED,)), tmp_path / f"{number}", limits=limits) == REFUSED


def test_refusals_are_archive_errors_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(build([Entry("k", bytes(9999)), Entry("l", offset=0)]))
    with pytest.raises(ArchiveError) as caught:
        stage(tmp_path / "a.zip", tmp_path / "out")
    assert caught.value.hint
    assert caught.value.status == "rejected"
