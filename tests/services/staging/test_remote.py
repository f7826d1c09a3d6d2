"""Archives that are unpacked straight from a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from colabpanel import plan, stage
from colabpanel.cli import main
from colabpanel.errors import ColabPanelError, InputError
from colabpanel.services.staging.history import History, stage_and_record
from tests.archives import make_tar, make_zip, tree_of
from tests.fakes import RecordingProgress
from tests.http_faults import FaultyServer, serving

FILES = {f"d{number % 7}/{number}.bin": bytes([number % 256]) * 5000 for number in range(400)} | {
    "large.bin": bytes(range(256)) * 50_000
}


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving() as server:
        yield server


def _url(server: FaultyServer, tmp_path: Path, **options: bool) -> str:
    return server.serve(make_zip(tmp_path / "a.zip", FILES).read_bytes(), "/files/a.zip", **options)


def test_a_zip_is_unpacked_from_its_server(server: FaultyServer, tmp_path: Path) -> None:
    url, out = _url(server, tmp_path), tmp_path / "out"
    planned = plan(url, out)
    assert (planned.files, planned.format, planned.source) == (len(FILES), "zip", url)
    assert stage(url, out).status == "ok"
    assert tree_of(out) == FILES
    assert all(asked.range for asked in server.asked)
    again = stage(url, out)
    assert (again.reused, again.kept) == (True, len(FILES))
    part = stage(url, tmp_path / "part", include=["d1/*"], workers=3)
    assert part.files == sum(name.startswith("d1/") for name in FILES)


def test_faults_on_the_way_are_survived(server: FaultyServer, tmp_path: Path) -> None:
    url = _url(server, tmp_path)
    server.faults.extend(["503", "cut", "short", "hangs up", "cut at once", "wrong range", "ignores ranges"] * 2)
    assert stage(url, tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == FILES


def test_a_server_that_goes_away_and_comes_back(server: FaultyServer, tmp_path: Path) -> None:
    url = _url(server, tmp_path)
    server.latency = 0.02
    gone = threading.Timer(0.3, lambda: setattr(server, "at_once", 0))
    back = threading.Timer(1.8, lambda: setattr(server, "at_once", 1000))
    gone.start()
    back.start()
    assert stage(url, tmp_path / "out", workers=2).status == "ok"
    assert tree_of(tmp_path / "out") == FILES


def test_what_was_cancelled_goes_on(server: FaultyServer, tmp_path: Path) -> None:
    url, out = _url(server, tmp_path), tmp_path / "out"
    server.rate = 300_000
    with pytest.raises(ColabPanelError):
        stage(url, out, progress=RecordingProgress(cancel_after=1_000_000))
    server.rate = 0.0
    assert plan(url, out).resumable
    assert stage(url, out).status == "ok"
    assert tree_of(out) == FILES


def test_what_cannot_be_unpacked_from_there_is_refused(server: FaultyServer, tmp_path: Path) -> None:
    tar = server.serve(make_tar(tmp_path / "a.tar", {"a": b"a"}).read_bytes(), "/a.tar")
    with pytest.raises(InputError, match="no zip archive") as caught:
        stage(tar, tmp_path / "out")
    assert "unpack=True" in caught.value.hint
    with pytest.raises(InputError, match="in one piece only"):
        stage(_url(server, tmp_path, ranges=False), tmp_path / "out")
    with pytest.raises(InputError, match=r"not a public address|Port"):
        stage(_url(server, tmp_path), "out", root=tmp_path)
    with pytest.raises(InputError, match="takes no addresses"):
        stage(_url(server, tmp_path), tmp_path / "out", client=cast("object", 1))  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_the_command_line_and_the_list_show_no_token(
    server: FaultyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = _url(server, tmp_path) + "?token=secret"
    assert main(["stage", url, str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["files"] == len(FILES)
    (tmp_path / "state").mkdir()
    history = History(tmp_path / "state")
    stage_and_record(RecordingProgress(), history, url, str(tmp_path / "again"))
    (entry,) = history.entries()
    assert entry.source == url.partition("?")[0]
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"secret" in text for text in texts)
