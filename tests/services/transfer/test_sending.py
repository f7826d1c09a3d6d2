from __future__ import annotations

import hashlib
import random
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel.errors import HostError, InputError, JobCancelledError, OutsideRootError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.staging.service import stage
from colabpanel.services.transfer import outgoing as outgoing_module
from colabpanel.services.transfer.link import Patience, Talk
from colabpanel.services.transfer.outgoing import outgoing
from colabpanel.services.transfer.sending import send
from colabpanel.services.transfer.zip_stream import zip_stream
from colabpanel.services.walk import file_at, files_below
from tests.breaking_off import break_off
from tests.fakes import FakeClock, RecordingProgress
from tests.page import PAGE, FakePage

HASTY = Patience(again=0.01, greeting=0.01, silence=30)
MB = 1 << 20


@pytest.fixture
def page() -> Iterator[FakePage]:
    made = FakePage()
    yield made
    made.close()


def test_a_file_arrives_with_its_sum(page: FakePage, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(9 * MB + 17)
    (tmp_path / "model.bin").write_bytes(data)
    progress = RecordingProgress()
    size, digest = send(page, outgoing(tmp_path / "model.bin"), progress)
    assert (size, digest) == (len(data), hashlib.sha256(data).hexdigest())
    assert page.saved == {"model.bin": data}
    assert progress.done == len(data)
    assert progress.phases[-1] == (len(data), "Downloading")


def test_an_empty_file_arrives(page: FakePage, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert send(page, outgoing(tmp_path / "empty"), Progress())[0] == 0
    assert page.saved == {"empty": b""}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(0, 5000),
    piece=st.integers(1, 900),
    window=st.integers(1, 6),
    lost=st.sets(st.integers(0, 25), max_size=8),
)
def test_whatever_is_lost_arrives(  # noqa: PLR0917 - hypothesis names them
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int, piece: int, window: int, lost: set[int]
) -> None:
    counted = iter(range(1_000_000))
    page = FakePage(lose=lambda message: next(counted) in lost)
    data = random.Random(size).randbytes(size)
    (tmp_path / "data").write_bytes(data)
    monkeypatch.setattr(outgoing_module.Outgoing.pieces, "__kwdefaults__", {"size": piece})
    send(page, outgoing(tmp_path / "data"), Progress(), patience=HASTY, window=window)
    page.close()
    assert page.saved == {"data": data}


def test_other_bytes_than_were_sent_are_not_saved(page: FakePage, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"right")
    page.spoils = True
    with pytest.raises(StorageError, match="other bytes than were sent"):
        send(page, outgoing(tmp_path / "data"), Progress())
    assert page.saved == {}


def test_what_the_browser_cannot_is_told(page: FakePage, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x")
    page.refuses = "it offers this page no disk of its own"
    with pytest.raises(HostError, match="no disk of its own") as caught:
        send(page, outgoing(tmp_path / "data"), Progress())
    assert caught.value.hint


def test_a_silent_page_is_told_after_a_while(page: FakePage, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x")
    page.silent = True
    with pytest.raises(HostError, match="does not answer"):
        send(page, outgoing(tmp_path / "data"), Progress(), patience=Patience(again=0.01, greeting=0.01, silence=1))
    page.close()
    assert page.heard.count("begin") > 1


def test_while_a_cell_runs_silence_does_not_count(page: FakePage) -> None:
    clock, looks = FakeClock(), iter([True] * 5)

    def deaf() -> bool:
        clock.now += 1000
        if (still := next(looks, None)) is None:
            page.tell({"kind": "ready", "transfer": "t", "page": PAGE})
        return bool(still)

    with Talk(page, transfer="t", patience=Patience(again=0.01, silence=1e9, deaf=deaf), clock=clock) as talk:
        said: list[int] = []
        assert talk.wait(["ready"], Progress(), lambda: said.append(1)).message["kind"] == "ready"
    assert next(looks, None) is None


def test_only_the_first_page_that_answers_is_listened_to(page: FakePage) -> None:
    with Talk(page, transfer="t") as talk:
        page.tell({"kind": "ready", "transfer": "t", "page": "first"})
        page.tell({"kind": "ack", "transfer": "t", "page": "second", "number": 7})
        page.tell({"kind": "ack", "transfer": "other", "page": "first", "number": 8})
        page.tell({"kind": "ack", "transfer": "t", "page": "first", "number": 9})
        talk.wait(["ready"], Progress(), list)
        assert talk.wait(["ack"], Progress(), list).message["number"] == 9


@pytest.mark.parametrize("after", [1, 5 * MB])
def test_cancelling_tells_the_page(page: FakePage, tmp_path: Path, after: int) -> None:
    (tmp_path / "data").write_bytes(bytes(20 * MB))
    with pytest.raises(JobCancelledError):
        send(page, outgoing(tmp_path / "data"), RecordingProgress(after))
    page.close()
    assert page.heard[-1] == "cancel"
    assert page.saved == {}


def test_a_file_that_gets_shorter_is_told(page: FakePage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").write_bytes(bytes(100))
    source = outgoing(tmp_path / "data")
    (tmp_path / "data").write_bytes(bytes(50))
    with pytest.raises(PathError, match="became shorter"):
        send(page, source, Progress())


def test_reading_that_hangs_can_be_cancelled(page: FakePage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = threading.Event()
    monkeypatch.setattr("colabpanel.services.sources.local.LocalSource.read", lambda *_: hung.wait(60))
    (tmp_path / "data").write_bytes(bytes(100))

    class Cancelling(Progress):
        def __init__(self) -> None:
            self.looks = 0

        def advance(self, amount: int = 1) -> None:
            self.looks += 1
            if self.looks > 3:
                raise JobCancelledError

    source = outgoing(tmp_path / "data")
    with pytest.raises(JobCancelledError):
        send(page, source, Cancelling())
    hung.set()


def test_nothing_to_send_is_told(tmp_path: Path) -> None:
    for name in ("empty", "other"):
        (tmp_path / name).mkdir()
    for paths, words in (([], "Nothing to download"), (tmp_path / "empty", "holds no files")):
        with pytest.raises(InputError, match=words):
            outgoing(paths)
    with pytest.raises(InputError, match="These hold no files"):
        outgoing([tmp_path / "empty", tmp_path / "other"])
    with pytest.raises(PathError, match="does not exist"):
        outgoing(tmp_path / "missing")
    with pytest.raises(OutsideRootError):
        outgoing(tmp_path / "empty" / ".." / "x", root=tmp_path / "empty")


def test_a_folder_arrives_as_one_zip(page: FakePage, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    files = {"a/1.txt": b"one" * 1000, "2.bin": random.Random(2).randbytes(3 * MB), "empty": b""}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "link").symlink_to("2.bin")
    (folder / "back\\slash").touch()
    (folder / "control\n").touch()
    source = outgoing(folder)
    assert (source.name, source.size, source.amount) == ("results.zip", None, sum(map(len, files.values())))
    progress = RecordingProgress()
    send(page, source, progress)
    with zipfile.ZipFile(BytesIO(page.saved["results.zip"])) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
    assert progress.done == source.amount
    assert [left.member for left in source.skipped] == ["back\\slash", "control\n", "link"]


def test_several_keep_the_names_that_tell_them_apart(page: FakePage, tmp_path: Path) -> None:
    for name in ("run1/log.txt", "run2/log.txt", "run2/plot.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    source = outgoing([tmp_path / "run1" / "log.txt", tmp_path / "run2"], only="*.txt")
    send(page, source, Progress())
    (data,) = page.saved.values()
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert sorted(archive.namelist()) == ["run1/log.txt", "run2/log.txt"]


@pytest.mark.parametrize("shrinks", [True, False])
def test_large_files_in_a_stream_read_back_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shrinks: bool
) -> None:
    monkeypatch.setattr("colabpanel.services.staging.packing.compress.LARGE", 1 * MB)
    folder = tmp_path / "in"
    folder.mkdir()
    large = b"a text that shrinks well\n" * 200_000 if shrinks else random.Random(3).randbytes(5 * MB)
    (folder / "large").write_bytes(large)
    (folder / "small").write_bytes(b"small")
    skipped: list[Any] = []
    data = b"".join(chunk for chunk, _ in zip_stream(folder, files_below(folder, set(), skipped), skipped))
    (tmp_path / "out.zip").write_bytes(data)
    assert skipped == []
    assert (len(data) < len(large) / 10) is shrinks
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("large") == large
    assert stage(tmp_path / "out.zip", tmp_path / "staged").status == "ok"
    assert (tmp_path / "staged" / "large").read_bytes() == large
    subprocess.run(["unzip", "-qt", tmp_path / "out.zip"], check=True)
    assert (
        b"Everything is Ok" in subprocess.run(["7z", "t", tmp_path / "out.zip"], check=True, capture_output=True).stdout
    )
    # bsdtar reads from a pipe, where it has no table of contents to look at
    with (tmp_path / "out.zip").open("rb") as stream:
        listed = subprocess.run(["bsdtar", "-xOf", "-", "large"], stdin=stream, check=True, capture_output=True)
    assert listed.stdout == large


@pytest.mark.parametrize("is_large", [True, False])
def test_a_file_that_goes_away_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_large: bool) -> None:
    monkeypatch.setattr("colabpanel.services.staging.packing.compress.LARGE", 0 if is_large else MB)
    (tmp_path / "gone").write_bytes(b"x")
    (tmp_path / "here").write_bytes(b"here")
    files = [file_at(tmp_path / "gone"), file_at(tmp_path / "here")]
    (tmp_path / "gone").unlink()
    skipped: list[Any] = []
    data = b"".join(chunk for chunk, _ in zip_stream(tmp_path, files, skipped))
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert archive.namelist() == ["here"]
        assert archive.read("here") == b"here"
    assert [(left.member, "cannot be read" in left.reason) for left in skipped] == [("gone", True)]


def test_a_large_file_that_breaks_off_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colabpanel.services.staging.packing.compress.LARGE", MB)
    (tmp_path / "a").write_bytes(random.Random(3).randbytes(5 * MB))
    (tmp_path / "b").write_bytes(b"here")
    skipped: list[Any] = []
    break_off(monkeypatch, {"a"}, 3 * MB, OSError(5, "Input/output error"))
    data = b"".join(chunk for chunk, _ in zip_stream(tmp_path, [file_at(tmp_path / name) for name in "ab"], skipped))
    assert skipped == [("a", "it cannot be read: Input/output error")]
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert archive.namelist() == ["b"]
        assert archive.testzip() is None
