"""Files that are fetched from a remote of rclone, and through WebDAV."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from colabpanel.errors import InputError, PathError
from colabpanel.services.fetching.service import fetch
from colabpanel.services.remotes.permission import VARIABLE
from colabpanel.services.remotes.rclone.daemon import running_rclone
from tests.archives import TREE, make_zip, tree_of
from tests.fakes import FakeHost
from tests.rclone_box import rclone_box

DATA = os.urandom(3_000_000)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with rclone_box(tmp_path, monkeypatch) as folder:
        yield folder


def test_a_file_of_a_remote_is_fetched_and_verified(box: Path, tmp_path: Path, host: FakeHost) -> None:
    (box / "a b.bin").write_bytes(DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    fetched = fetch("box:a b.bin", tmp_path / "out", sha256=digest, host=host)
    assert (fetched.path, fetched.source) == (tmp_path / "out/a b.bin", "box:a b.bin")
    assert fetched.path.read_bytes() == DATA
    assert fetch("box:a b.bin", tmp_path / "out", sha256=digest, host=host).reused


def test_a_file_of_a_remote_is_known_when_rclone_was_started_anew(box: Path, tmp_path: Path, host: FakeHost) -> None:
    (box / "a").write_bytes(b"abc")
    fetch("box:a", tmp_path / "out", host=host)
    first = running_rclone()
    first._process.kill()
    first._process.wait()
    assert fetch("box:a", tmp_path / "out", host=host).reused
    assert running_rclone().port != first.port


def test_an_archive_of_a_remote_is_unpacked(box: Path, tmp_path: Path, host: FakeHost) -> None:
    make_zip(box / "set.zip")
    fetched = fetch("box:set.zip", tmp_path / "out", unpack=True, host=host)
    assert fetched.unpacked is not None
    assert tree_of(tmp_path / "out") == {**TREE, "set.zip": (box / "set.zip").read_bytes()}


def test_what_cannot_be_fetched(box: Path, tmp_path: Path, host: FakeHost) -> None:
    with pytest.raises(PathError, match=r"box:none\.bin does not exist"):
        fetch("box:none.bin", tmp_path / "out", host=host)
    with pytest.raises(InputError, match="s3:// addresses are not fetched"):
        fetch("s3://bucket/a", tmp_path / "out", host=host)
    assert not (tmp_path / "out").exists()


def test_a_dashboard_fetches_from_what_was_named(
    box: Path, tmp_path: Path, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    (box / "a").write_bytes(b"abc")
    host.is_served, host.root = True, tmp_path
    with pytest.raises(InputError, match="may not use a remote called box"):
        fetch("box:a", "out", host=host)
    monkeypatch.setenv(VARIABLE, "box")
    assert fetch("box:a", "out", host=host).path.read_bytes() == b"abc"
