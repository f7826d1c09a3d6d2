from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import HostError, InputError, JobCancelledError, OutsideRootError, SpaceError, StorageError
from colabpanel.services.copying import service as copying
from colabpanel.services.skipped import Skipped
from colabpanel.services.transfer import by_hand, panel_calls
from colabpanel.services.transfer.by_hand import link_on_drive
from colabpanel.services.transfer.chosen import ChosenFiles
from colabpanel.services.transfer.models import OfferedFile, Received, Route, Sent
from colabpanel.services.transfer.panel_calls import download_transfer, upload_transfer
from colabpanel.services.transfer.service import received_summary, send_to_browser, sent_summary
from tests.fakes import FakeHost, RecordingProgress
from tests.page import PAGE, FakePage


@pytest.fixture
def page() -> Iterator[FakePage]:
    made = FakePage()
    yield made
    made.close()


@pytest.fixture
def file(host: FakeHost) -> Path:
    path = host.workspace / "model.bin"
    path.write_bytes(b"weights")
    return path


def test_the_servers_link_comes_first(page: FakePage, host: FakeHost, file: Path) -> None:
    host.urls = True
    sent = send_to_browser(file, host=host, link=page)
    assert (sent.route, sent.sha256, sent.size, page.saved) == ("files", None, 7, {})
    assert sent_summary(sent) == "model.bin, 7 bytes, was handed to your browser."


def test_where_the_link_does_not_work_it_goes_through_the_notebook(page: FakePage, host: FakeHost, file: Path) -> None:
    host.urls, page.has_address = True, False
    sent = send_to_browser(file, host=host, link=page)
    assert (sent.route, page.saved) == ("comm", {"model.bin": b"weights"})
    assert sent.sha256
    assert sent_summary(sent).startswith("Downloaded model.bin, 7 bytes, in ")
    with pytest.raises(HostError, match="does not hand out"):
        send_to_browser(file, host=host, link=page, route="files")


def test_a_folder_goes_through_the_notebook(page: FakePage, host: FakeHost, file: Path) -> None:
    host.urls = True
    (file.parent / "link").symlink_to("model.bin")
    sent = send_to_browser(file.parent, host=host, link=page)
    assert (sent.route, sent.status, sent.files, sent.name) == ("comm", "partial", 1, "work.zip")
    assert "1 entry was left out" in sent_summary(sent)


@pytest.mark.parametrize("route", ["files", "comm"])
def test_a_route_can_be_forced(page: FakePage, host: FakeHost, file: Path, route: Route) -> None:
    host.urls = True
    assert send_to_browser(file, host=host, link=page, route=route).route == route


def test_a_route_that_is_closed_is_refused_with_the_reason(page: FakePage, host: FakeHost, file: Path) -> None:
    cases: list[tuple[Any, FakePage | None, str]] = [
        ("files", page, "serves no address for it"),
        ("comm", None, "no line to the page"),
        ("colab", page, "has no helper"),
        ("drive", page, "Google Drive is not mounted"),
    ]
    for route, link, words in cases:
        with pytest.raises(HostError, match=words):
            send_to_browser(file, host=host, link=link, route=route)
    with pytest.raises(HostError, match="has no address"):
        send_to_browser(file.parent, host=host, link=page, route="files")
    with pytest.raises(HostError, match="no way to hand"):
        send_to_browser(file, host=host)
    with pytest.raises(InputError, match="no route called 'pigeon'"):
        send_to_browser(file, host=host, route="pigeon")  # type: ignore[arg-type]
    host.sends_up_to = 3
    with pytest.raises(HostError, match="takes up to 3 bytes"):
        send_to_browser(file, host=host, route="colab")


def test_colabs_helper_takes_files_and_packed_folders(host: FakeHost, file: Path) -> None:
    host.sends_up_to = 1000
    assert send_to_browser(file, host=host).route == "colab"
    progress = RecordingProgress()
    sent = send_to_browser([file.parent], host=host, progress=progress)
    assert host.sent == [file, host.sent[1]]
    with zipfile.ZipFile(host.sent[1]) as archive:
        assert archive.read("model.bin") == b"weights"
    assert sent.size == host.sent[1].stat().st_size
    assert "was handed to your browser" in sent_summary(sent)
    assert progress.phases[-1][1] == "Handing it to Test host"


def test_archives_for_the_helper_are_deleted_later(host: FakeHost, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host.sends_up_to = 1000
    send_to_browser([file.parent], host=host)
    monkeypatch.setattr(by_hand, "_KEPT", -1.0)
    send_to_browser([file.parent], host=host)
    assert [path.exists() for path in host.sent] == [False, True]
    host.sends_up_to = 20
    with pytest.raises(HostError, match="too large for the helper"):
        send_to_browser([file.parent], host=host)
    with pytest.raises(JobCancelledError):
        send_to_browser([file.parent], host=host, progress=RecordingProgress(1))
    assert list((host.state_dir / "outbox").iterdir()) == []
    monkeypatch.setattr(by_hand, "free_bytes", lambda _: 3)
    with pytest.raises(SpaceError, match="no room to pack"):
        send_to_browser([file.parent], host=host)


def test_what_the_helper_cannot_take_is_copied_to_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    host.sends_up_to = 3
    large = host.workspace / "large model.bin"
    large.write_bytes(b"weights")
    with pytest.raises(HostError, match="no way to hand") as caught:
        send_to_browser(large, host=host)
    assert "Mount Google Drive" in caught.value.hint
    sent = send_to_browser(large, host=host, drive=tmp_path / "drive")
    assert (sent.route, sent.size) == ("drive", 7)
    assert (tmp_path / "drive/colabpanel downloads/large model.bin").read_bytes() == b"weights"
    assert sent.link == "https://drive.google.com/drive/search?q=large%20model.bin"
    assert sent_summary(sent) == "large model.bin, 7 bytes, was copied to Google Drive."
    large.write_bytes(b"another")
    send_to_browser(large, host=host, drive=tmp_path / "drive")
    assert (tmp_path / "drive/colabpanel downloads/large model.bin").read_bytes() == b"weights"
    assert (tmp_path / "drive/colabpanel downloads/large model (2).bin").read_bytes() == b"another"
    send_to_browser(host.workspace, host=host, drive=tmp_path / "drive")
    with zipfile.ZipFile(tmp_path / "drive/colabpanel downloads/work.zip") as archive:
        assert archive.namelist() == ["large model.bin"]
    assert list((host.state_dir / "outbox").iterdir()) == []
    monkeypatch.setattr("os.getxattr", lambda *_: b"1a2b", raising=False)
    assert link_on_drive(large) == "https://drive.google.com/file/d/1a2b/view"


def test_what_drive_does_not_take_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    (host.workspace / "a").write_bytes(b"a")
    (tmp_path / "drive").mkdir()
    real = copying.copy
    left_out = (Skipped("a", "it cannot be written: Input/output error"),)
    monkeypatch.setattr(by_hand, "copy", lambda *args, **more: replace(real(*args, **more), skipped=left_out))
    with pytest.raises(StorageError, match="not copied to Google Drive: it cannot be written"):
        send_to_browser(host.workspace / "a", host=host, drive=tmp_path / "drive", route="drive")


def test_the_dashboard_replaces_nothing(page: FakePage, tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.is_served = True
    chosen = ChosenFiles("t", "p", (OfferedFile("a", 1, 0),))
    with pytest.raises(HostError, match="replaces nothing"):
        upload_transfer(chosen, ".", host=host, link=page, overwrite="replace")


def test_nothing_outside_of_the_root_is_sent(page: FakePage, tmp_path: Path) -> None:
    host = FakeHost(tmp_path, root=tmp_path / "work")
    (tmp_path / "secret").write_text("secret")
    (host.workspace / "link").symlink_to(tmp_path / "secret")
    for path in ("link", "../secret", str(tmp_path / "secret")):
        with pytest.raises(OutsideRootError):
            send_to_browser(path, host=host, link=page)
    assert page.heard == []


def test_the_queues_downloads_and_uploads(page: FakePage, host: FakeHost, file: Path) -> None:
    transfer = download_transfer([str(file), str(file.parent)], host=host, link=page, route="comm")
    assert (transfer.title, transfer.again["route"]) == ("model.bin and 1 other", "comm")
    assert transfer.work(RecordingProgress()).message.startswith("Downloaded work.zip")
    page.files = [(OfferedFile("a", 1, 1), b"a"), (OfferedFile("..", 1, 1), b"b")]
    chosen = ChosenFiles("t", PAGE, tuple(offered for offered, _ in page.files))
    upload = upload_transfer(chosen, str(host.workspace / "up"), host=host, link=page)
    assert (upload.title, upload.page, upload.again) == ("a and 1 other into up", PAGE, {})
    outcome = upload.work(RecordingProgress())
    assert (outcome.status, outcome.details) == ("partial", "..: it has no name")
    assert outcome.message.endswith("; 1 file was left out.")


def test_the_queue_looks_for_drive_where_one_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost(tmp_path, drive_mountpoint=tmp_path / "drive")
    (host.workspace / "x").write_bytes(b"x")
    found: list[Any] = [None, StorageError("hangs"), type("Drive", (), {"root": tmp_path / "drive"})]

    def find_drive(**_: object) -> Any:
        answer = found.pop(0)
        if isinstance(answer, StorageError):
            raise answer
        return answer

    monkeypatch.setattr(panel_calls, "find_drive", find_drive)
    transfer = download_transfer([str(host.workspace / "x")], host=host, link=None)
    for _ in range(2):
        with pytest.raises(HostError, match="no way"):
            transfer.work(RecordingProgress())
    assert transfer.work(RecordingProgress()).link


def test_long_lists_are_cut_short_in_words() -> None:
    skipped = [Skipped(f"{number}", "why") for number in range(205)]
    assert panel_calls._listed(skipped).endswith("199: why\nand 5 more")


def test_what_is_said_of_an_upload_and_of_a_zip() -> None:
    received = Received("ok", Path("/data"), ("a",), 2048, 1024, (), 3.0)
    assert received_summary(received) == "Uploaded 1 file, 2.0 KB, in 3 s into /data; 1.0 KB of them had come before."
    sent = Sent("ok", "a.zip", "comm", 2, 2048, "0", "", (), 3.0)
    assert sent_summary(sent) == "Downloaded a.zip with 2 files, 2.0 KB, in 3 s, verified."
