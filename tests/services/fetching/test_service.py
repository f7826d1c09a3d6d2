"""The call: what it takes, what it answers, and unpacking."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import (
    InputError,
    JobCancelledError,
    MissingLibraryError,
    OutsideRootError,
    SourceLostError,
)
from colabpanel.jobs import Job
from colabpanel.services.fetching import service
from colabpanel.services.fetching.service import fetch, fetch_summary
from tests.archives import TREE, make_zip, tree_of
from tests.children import children_now
from tests.fakes import FakeHost, RecordingProgress
from tests.http_faults import FaultyServer, Page
from tests.services.fetching.conftest import fetch_here

FOLDER = "https://drive.google.com/drive/folders/1F"


def test_a_file_is_fetched_and_summed_up(server: FaultyServer, host: FakeHost, tmp_path: Path) -> None:
    data = bytes(3 << 20)
    url = f"{server.serve(data, '/d/x.bin')}?token=t0ken"
    fetched = fetch(url, tmp_path / "a", sha256=hashlib.sha256(data).hexdigest(), host=host)
    assert (fetched.status, fetched.path, fetched.size) == ("ok", tmp_path / "a/x.bin", len(data))
    assert fetched.source == f"{server.url}/d/x.bin"
    assert fetch_summary(fetched).startswith("Fetched 3.0 MB in ")
    assert fetch_summary(fetched).endswith(f"to {tmp_path}/a/x.bin; SHA-256 checked.")
    again = fetch(url, tmp_path / "a", host=host)
    assert again.reused
    assert "is there already" in fetch_summary(again)


def test_an_archive_is_unpacked_into_the_folder(server: FaultyServer, host: FakeHost, tmp_path: Path) -> None:
    url = server.serve(make_zip(tmp_path / "a.zip").read_bytes(), "/photos.zip")
    progress = RecordingProgress()
    fetched = fetch(url, tmp_path / "data", unpack=True, host=host, progress=progress)
    assert fetched.unpacked is not None
    assert fetched.unpacked.files == len(TREE)
    assert {name for name in tree_of(tmp_path / "data") if name != "photos.zip"} == set(TREE)
    assert "Unpacked 4 files" in fetch_summary(fetched)
    again = fetch(url, tmp_path / "data", unpack=True, host=host)
    assert again.reused
    assert again.unpacked is not None
    assert again.unpacked.reused


def test_a_skipped_member_makes_it_partial(server: FaultyServer, host: FakeHost, tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"good": b"1", "../evil": b"2"})
    fetched = fetch(server.serve(archive.read_bytes(), "/x.zip"), tmp_path / "d", unpack=True, host=host)
    assert fetched.status == "partial"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overwrite": "maybe"}, "overwrite cannot be"),
        ({"client": object()}, "nothing is to be unpacked"),
        ({"sha256": "abc"}, "sha256 is no such checksum"),
        ({"md5": "g" * 32}, "md5 is no such checksum"),
    ],
)
def test_options_that_cannot_be_used(host: FakeHost, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fetch("https://example.org/x", tmp_path, host=host, **options)


def test_the_root_of_the_host_is_kept(server: FaultyServer, tmp_path: Path) -> None:
    host = FakeHost(tmp_path, root=tmp_path / "root")
    (tmp_path / "root").mkdir()
    url = server.serve(b"x")
    with pytest.raises(OutsideRootError):
        fetch(url, tmp_path / "elsewhere", host=host)
    assert fetch(url, "below", host=host).path == tmp_path / "root/below/data.bin"


def test_in_the_dashboard_this_machine_is_not_asked(server: FaultyServer, tmp_path: Path) -> None:
    host = FakeHost(tmp_path, root=tmp_path)
    host.is_served = True
    with pytest.raises(InputError, match=r"not asked|not a public address"):
        fetch(server.serve(b"x"), "below", host=host)
    assert server.asked == []


def test_cancelling_ends_a_server_that_says_nothing(server: FaultyServer, host: FakeHost, tmp_path: Path) -> None:
    held, reached = threading.Event(), threading.Event()

    def hold(sent: int) -> None:
        reached.set()
        held.wait(30)

    server.before_sending = hold
    url, job = server.serve(bytes(5 << 20)), Job[Any]("fetch")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(job.run, lambda: fetch(url, tmp_path, host=host, progress=job))
        assert reached.wait(30)
        job.cancel()
        running.result(30)
        held.set()
    error = job.exception()
    assert isinstance(error, JobCancelledError)
    assert "goes on from there" in error.hint
    assert not (tmp_path / "data.bin").exists()


Lister = Callable[[str], None]


@pytest.fixture
def gdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lister:
    """A stand-in for gdown, whose ``download_folder`` does what a test says."""
    package = tmp_path / "lib/gdown"
    package.mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package.parent), *sys.path]))
    monkeypatch.syspath_prepend(package.parent)

    def lists(body: str) -> None:
        (package / "__init__.py").write_text(
            "import collections\n"
            "File = collections.namedtuple('File', 'id path local_path')\n"
            "def download_folder(*, id, skip_download, quiet, use_cookies):\n"
            "    assert skip_download and quiet and not use_cookies and id == '1F'\n"
            f"    {body}\n"
        )

    return lists


@pytest.fixture
def drive(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> FaultyServer:
    """A server in place of Drive."""
    monkeypatch.setattr(service, "drive_file", lambda key: f"{server.url}/{key}")
    return server


def test_a_folder_of_drive_is_listed_by_gdown(
    drive: FaultyServer, gdown: Lister, host: FakeHost, tmp_path: Path
) -> None:
    gdown(
        "print('a word'); "
        "return [File(*two, '') for two in [('1', 'a.bin'), ('2', 's/b?.bin'), ('3', '../x'), ('4', 'c')]]"
    )
    drive.serve(b"one", "/1")
    drive.serve(b"two", "/2")
    fetched = fetch(FOLDER, tmp_path / "out", host=host)
    assert tree_of(tmp_path / "out") == {"a.bin": b"one", "s/b_.bin": b"two"}
    assert (fetched.status, fetched.files, fetched.size) == ("partial", 2, 6)
    assert [pair.member for pair in fetched.skipped] == ["../x", "c"]
    assert "2 files, 6 bytes," in fetch_summary(fetched)
    assert fetch_summary(fetched).endswith("2 files were left out.")


@pytest.mark.parametrize("body", ["raise RuntimeError", "print('x'); import os; os._exit(0)", "return None"])
def test_a_folder_that_is_not_listed_is_named(gdown: Lister, host: FakeHost, tmp_path: Path, body: str) -> None:
    gdown(body)
    with pytest.raises(SourceLostError, match="does not list this folder"):
        fetch(FOLDER, tmp_path / "out", host=host)


def test_a_folder_of_too_many_files_is_named(gdown: Lister, host: FakeHost, tmp_path: Path) -> None:
    gdown("raise type('FolderContentsMaximumLimitError', (Exception,), {})")
    with pytest.raises(SourceLostError, match="more files than gdown lists: 50"):
        fetch(FOLDER, tmp_path / "out", host=host)


def test_a_redirect_may_be_written_in_utf8(server: FaultyServer, tmp_path: Path) -> None:
    place = "/daten-f\u00fcr.bin"
    server.pages["/daten-f%C3%BCr.bin"] = Page(b"data")
    server.pages["/"] = Page(location=place.encode().decode("latin-1"))
    fetched = fetch_here(f"{server.url}/", tmp_path)
    assert Path(fetched["path"]).read_bytes() == b"data"


def test_an_answer_that_is_compressed_on_its_way_is_not_taken_for_the_file(
    server: FaultyServer, tmp_path: Path
) -> None:
    for name in ("table.csv", "table.csv.gz"):
        server.pages[f"/{name}"] = Page(gzip.compress(b"a,b"), headers={"Content-Encoding": "gzip"})
    with pytest.raises(InputError, match=r"sends the file compressed \(gzip\)"):
        fetch_here(f"{server.url}/table.csv", tmp_path)
    assert tree_of(tmp_path) == {}
    assert gzip.decompress(Path(fetch_here(f"{server.url}/table.csv.gz", tmp_path)["path"]).read_bytes()) == b"a,b"


def test_folders_have_no_checksum_and_are_not_for_visitors(gdown: Lister, host: FakeHost, tmp_path: Path) -> None:
    gdown("return []")
    with pytest.raises(InputError, match="holds no files"):
        fetch(FOLDER, tmp_path, host=host)
    with pytest.raises(InputError, match="leads to a folder"):
        fetch(FOLDER, tmp_path, unpack=True, host=host)
    host.is_served = True
    with pytest.raises(InputError, match="no folders"):
        fetch(FOLDER, tmp_path, host=host)


def test_listing_a_folder_can_be_cancelled(gdown: Lister, host: FakeHost, tmp_path: Path) -> None:
    gdown("import time; time.sleep(60)")

    class Cancelling(RecordingProgress):
        def advance(self, amount: int = 1) -> None:
            if self.phases:
                raise JobCancelledError

    with pytest.raises(JobCancelledError):
        fetch(FOLDER, tmp_path, host=host, progress=Cancelling())
    assert not [child for child in children_now() if "import gdown" in " ".join(child.cmdline())]


def test_without_gdown_its_installation_is_told(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingLibraryError) as caught:
        fetch(FOLDER, tmp_path, host=host)
    assert caught.value.hint == "Run: pip install gdown"
