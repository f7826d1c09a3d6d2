"""Archives that are unpacked straight from a remote of rclone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from colabpanel import plan, stage
from colabpanel.cli import main
from colabpanel.errors import InputError, PathError
from colabpanel.services.remotes.drive_api import store as drive_store
from colabpanel.services.remotes.drive_api.store import DriveStore
from colabpanel.services.remotes.permission import VARIABLE
from colabpanel.services.remotes.rclone.daemon import running_rclone, stop_rclone
from colabpanel.services.staging.history import History, stage_and_record
from tests.archives import make_zip, tree_of
from tests.fake_drive_api import CERTIFICATE, TOKEN, drive_api
from tests.fakes import FakeHost, RecordingProgress
from tests.rclone_box import rclone_box

FILES = {f"d{number % 7}/{number}.bin": bytes([number % 256]) * 5000 for number in range(400)} | {
    "large.bin": bytes(range(256)) * 50_000
}


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with rclone_box(tmp_path, monkeypatch) as folder:
        make_zip(folder / "a b.zip", FILES)
        yield folder


def test_a_zip_is_unpacked_from_a_remote(box: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    planned = plan("box:a b.zip", out)
    assert (planned.files, planned.format, planned.source) == (len(FILES), "zip", "box:a b.zip")
    assert stage("box:a b.zip", out, workers=3).status == "ok"
    assert tree_of(out) == FILES
    stop_rclone()  # another port, another password: it is the same archive all the same
    assert stage("box:a b.zip", out).reused


def test_no_proxy_stands_between_this_machine_and_itself(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert stage("box:a b.zip", tmp_path / "out").status == "ok"


def test_nothing_that_is_kept_holds_the_password(box: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").mkdir()
    history = History(tmp_path / "state")
    progress = RecordingProgress()
    assert stage_and_record(progress, history, "box:a b.zip", str(tmp_path / "out")).status == "ok"
    assert history.entries()[0].source == "box:a b.zip"
    password = running_rclone().login[1].encode()
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and password in path.read_bytes()]
    assert kept == []
    assert main(["stage", "box:a b.zip", str(tmp_path / "two"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == len(FILES)


def test_what_cannot_be_staged(box: Path, tmp_path: Path) -> None:
    with pytest.raises(PathError, match=r"box:none\.zip does not exist"):
        stage("box:none.zip", tmp_path / "out")
    with pytest.raises(InputError, match="no remote called nothing"):
        plan("nothing:x.zip", tmp_path / "out")
    (box / "x.tar").write_bytes(b"x" * 5000)
    with pytest.raises(InputError, match=r"x\.tar is not an archive"):
        stage("box:x.tar", tmp_path / "out")


def test_a_dashboard_stages_from_remotes_that_were_named(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost(tmp_path / "host", root=tmp_path)
    host.is_served = True
    with pytest.raises(InputError, match="may not use a remote called box"):
        stage("box:a b.zip", "out", root=tmp_path, host=host)
    history = History(tmp_path / "host")
    with pytest.raises(InputError):
        stage_and_record(RecordingProgress(), history, "box:a b.zip", "out", root=tmp_path, host=host)
    assert [(one.status, one.resumable) for one in history.entries()] == [("rejected", False)]
    monkeypatch.setenv(VARIABLE, "box")
    assert stage("box:a b.zip", "out", root=tmp_path, host=host).status == "ok"


def test_a_zip_is_unpacked_from_drive_by_its_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with drive_api() as server:
        monkeypatch.setattr(drive_store, "DriveStore", partial(DriveStore, base=server.url))
        server.add("sets/a.zip", make_zip(tmp_path / "a.zip", FILES).read_bytes())
        host = FakeHost(tmp_path / "host")
        host.google_token = lambda: TOKEN
        server.faults.extend(["rate", "429", "500"])
        found = plan("drive:sets/a.zip", tmp_path / "out", host=host)
        server.faults.extend(["cut", "500", "cut", "429"])
        assert stage("drive:sets/a.zip", tmp_path / "out", host=host).status == "ok"
    assert found.files == len(FILES)
    assert tree_of(tmp_path / "out") == FILES
    assert not server.faults


def test_nobody_passes_a_place_of_their_own(tmp_path: Path) -> None:
    place = '{"remote": [["http", "127.0.0.1", 9, "/", ""], 10, "", false]}'
    with pytest.raises(PathError, match="does not exist"):
        stage(place, "out", root=tmp_path)
