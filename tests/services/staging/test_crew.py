"""The workers of staging, in this process: what they share out, what they survive, and how they end."""

from __future__ import annotations

import os
import random
import signal
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from colabpanel.errors import SourceLostError, StorageError, UnreadableError
from colabpanel.services.sources import LocalSource, ReadAhead
from colabpanel.services.staging.archive import Kind
from colabpanel.services.staging.crew import batches
from colabpanel.services.staging.crew.batches import Job, cut
from colabpanel.services.staging.crew.crew import Event, Mode, choose, hire, work
from colabpanel.services.staging.crew.unpacker import Task
from colabpanel.services.staging.request import Limits
from colabpanel.services.staging.zips import entries
from colabpanel.services.staging.zips.entries import Entry, entry_at, kind_of, modified_at, name_of
from colabpanel.services.staging.zips.reader import ZipReader
from tests.archives import make_zip, tree_of
from tests.children import children_now

FILES = {f"d{number % 7}/{number:03}": random.Random(number).randbytes(20_000) for number in range(600)}
MODES: list[Mode] = ["threads", "processes"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_zip(tmp_path_factory.mktemp("crew") / "a.zip", FILES, method=zipfile.ZIP_STORED)


def _work(archive: Path, files: Path | str, mode: Mode = "threads", number: int = 2) -> list[Event]:
    with closing(LocalSource(archive)) as source:
        reader = ZipReader(source, Limits())
        return list(work(cut(_jobs(reader)), hire(Task(str(archive), str(files), None, 2, 0), mode, number)))


def _jobs(reader: ZipReader) -> list[tuple[Job, int, int]]:
    located = [(m, *reader.located(m.number)) for m in reader.members()]
    return [(Job(m.number, tuple(m.name.split("/")), m.size, record), start, end) for m, record, start, end in located]


@pytest.mark.parametrize("mode", MODES)
def test_both_kinds_of_workers_write_the_same(archive: Path, tmp_path: Path, mode: Mode) -> None:
    events = _work(archive, tmp_path, mode)
    assert tree_of(tmp_path) == FILES
    assert sum(len(event.batch.jobs) for event in events if event.batch) == len(FILES)
    assert not any(event.skips for event in events)
    _work(archive, "", mode)  # verifying writes nothing
    assert tree_of(tmp_path) == FILES


@pytest.mark.parametrize("mode", MODES)
def test_large_members_go_through_in_pieces(tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LARGE", 1 << 20)
    tree = {"big": b"all the same " * 400_000, "random": random.Random(1).randbytes(3_000_000), "small": b"s"}
    source = make_zip(tmp_path / "a.zip", tree)
    (tmp_path / "out").mkdir()
    events = _work(source, tmp_path / "out", mode)
    assert tree_of(tmp_path / "out") == tree
    assert sum(event.written for event in events) == len(tree["big"]) + len(tree["random"])
    assert not any(event.skips for event in _work(source, "", mode))


def test_large_members_that_are_wrong_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LARGE", 1 << 20)
    source = make_zip(tmp_path / "a.zip", {"big": random.Random(1).randbytes(3_000_000)}, method=zipfile.ZIP_STORED)
    raw = bytearray(source.read_bytes())
    raw[2_000_000] ^= 1
    source.write_bytes(raw)
    (tmp_path / "out").mkdir()
    (done,) = [event for event in _work(source, tmp_path / "out") if event.batch]
    assert done.skips == [(0, "it is damaged: its checksum does not match")]
    assert tree_of(tmp_path / "out") == {}


def test_a_worker_that_is_killed_is_told(archive: Path) -> None:
    with closing(LocalSource(archive)) as source:
        reader = ZipReader(source, Limits())
        jobs = _jobs(reader)
    some = list(cut(jobs))
    going = work(
        (batch for _ in range(500) for batch in some), hire(Task(str(archive), "", None, 2, 0), "processes", 2)
    )
    next(going)
    for child in children_now():
        os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(StorageError, match="ended unexpectedly"):
        list(going)


@pytest.mark.parametrize("mode", MODES)
def test_a_disk_that_refuses_ends_it(archive: Path, tmp_path: Path, mode: Mode) -> None:
    with pytest.raises(OSError, match="No such file"):
        _work(archive, tmp_path / "never made", mode)


def test_a_folder_in_the_way_costs_one_member(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "d0/000").mkdir(parents=True)
    skips = [skip for event in _work(archive, tmp_path) for skip in event.skips]
    assert [reason for _, reason in skips] == ["it cannot be written: Is a directory"]


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Make a range of every source unreadable."""
    real = LocalSource.read_into

    def spoil(first: int, last: int) -> None:
        def read_into(self: LocalSource, view: memoryview, start: int) -> int:
            if start < last and start + len(view) > first:
                raise UnreadableError("Errno 5")
            return real(self, view, start)

        monkeypatch.setattr(LocalSource, "read_into", read_into)

    return spoil


def test_what_cannot_be_read_costs_its_members_alone(
    archive: Path, tmp_path: Path, unreadable: Callable[[int, int], None]
) -> None:
    with zipfile.ZipFile(archive) as opened:
        place = opened.infolist()[100].header_offset + 10_000
        name = opened.infolist()[100].filename
    unreadable(place, place + 1)
    skips = [skip for event in _work(archive, tmp_path) for skip in event.skips]
    assert skips == [(100, "it cannot be read: Errno 5")]
    assert tree_of(tmp_path) == {other: FILES[other] for other in FILES if other != name}


def test_a_source_of_which_nothing_can_be_read_ends_it(
    archive: Path, tmp_path: Path, unreadable: Callable[[int, int], None]
) -> None:
    with closing(LocalSource(archive)) as source:
        reader = ZipReader(source, Limits())
        jobs = _jobs(reader)
    unreadable(0, 1 << 40)
    with pytest.raises(SourceLostError, match="cannot be read any more"):
        list(work(cut(jobs), hire(Task(str(archive), str(tmp_path), None, 2, 0), "threads", 1)))


def test_reading_ahead_ends_where_the_source_ends(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"x" * 100)
    with closing(LocalSource(tmp_path / "s")) as source:
        ahead = ReadAhead(source, threads=1)
        assert bytes(ahead.request(90, 200).wait()) == b"x" * 10
        assert bytes(ahead.request(500, 600).wait()) == b""
        assert len(ahead.request(0, 100).buffer) >= 100
        large = ahead.request(0, 100)
        large.wait()
        ahead.release(large)
        ahead.close()


def test_the_plan_of_work() -> None:
    assert choose(10, 1000, None) == ("threads", 1)
    assert choose(100_000, 1 << 30, 2) == ("processes", 2)
    assert choose(100_000, 1 << 30, 1) == ("threads", 1)
    assert choose(8, 1 << 31, 3) == ("threads", 3)


def _entry(name: bytes = b"n", extra: bytes = b"", **fields: int) -> Entry:
    values = {
        "offset": 0,
        "method": 0,
        "flags": 0,
        "crc": 0,
        "packed": 0,
        "size": 0,
        "stamp": 0,
        "system": 3,
        "attributes": 0,
    }
    return Entry(**{**values, **fields}, raw_name=name, extra=extra)


def test_names_are_read_as_they_were_meant() -> None:
    unicode = struct.pack("<BI", 1, zlib.crc32(b"n\xe4")) + "nä".encode()
    field = struct.pack("<HH", 0x7075, len(unicode)) + unicode
    assert name_of(_entry("ä.txt".encode())) == "ä.txt"
    assert name_of(_entry(b"\x84.txt")) == "ä.txt"
    assert name_of(_entry("ä".encode(), flags=0x800)) == "ä"
    assert os.fsencode(name_of(_entry(b"\xff", flags=0x800))) == b"\xff"
    assert name_of(_entry(b"n\xe4", field)) == "nä"
    assert name_of(_entry(b"other\xe4", field)) == "otherΣ"
    assert name_of(_entry(b"n\xe4", field[:6])) == "nΣ"
    assert name_of(_entry(b"a\\b")) == "a/b"


def test_kinds_and_times() -> None:
    def unix(mode: int) -> Kind:
        return kind_of(_entry(attributes=mode << 16), "n")

    assert [unix(mode) for mode in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFREG, 0)] == [
        Kind.SYMLINK,
        Kind.DEVICE,
        Kind.FILE,
        Kind.FILE,
    ]
    assert kind_of(_entry(attributes=stat.S_IFLNK << 16, system=0), "n") is Kind.FILE
    assert kind_of(_entry(), "n/") is Kind.FOLDER
    assert modified_at(_entry(extra=struct.pack("<HHBI", 0x5455, 5, 1, 12345))) == 12345.0
    assert modified_at(_entry(stamp=(40 << 9 | 5 << 5 | 6) << 16)) is not None


def test_entries_that_make_no_sense_are_none() -> None:
    whole = entries.RECORD.pack(b"PK\x01\x02", *[0] * 8, 1, *[0] * 4) + b"n"
    assert entry_at(whole, 0, 7).offset == 7
    for broken in (whole[:20], b"XX" + whole[2:], whole[:-1]):
        with pytest.raises(ValueError):  # noqa: PT011 - it says nothing more
            entry_at(broken, 0, 0)
    beyond = struct.pack("<HHQ", 1, 8, 1 << 33)
    fields = [*[0] * 6, 0xFFFFFFFF, 0, 1, len(beyond), *[0] * 3]
    assert entry_at(entries.RECORD.pack(b"PK\x01\x02", *fields) + b"n" + beyond, 0, 0).packed == 1 << 33
