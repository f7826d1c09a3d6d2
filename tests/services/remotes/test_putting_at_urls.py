"""Files that are put where fsspec's addresses lead to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import InputError, JobCancelledError, MissingLibraryError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.remotes.service import put_remote
from tests.fakes import FakeHost

fsspec: Any = pytest.importorskip("fsspec")
memory: Any = pytest.importorskip("fsspec.implementations.memory")


@pytest.fixture
def store() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.pipe_file("/sets/old.zip", b"before")
    yield system
    system.rm("/sets", recursive=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "new.zip").write_bytes(b"x" * 10_000)
    return tmp_path / "new.zip"


def _names(store: Any) -> list[str]:
    return sorted(one.rpartition("/")[2] for one in store.ls("/sets", detail=False))


def test_a_file_is_put_in_a_folder_or_at_a_name(store: Any, file: Path, host: FakeHost) -> None:
    put = put_remote(file, "memory://sets/", host=host)
    assert (put.address, put.size, put.checked) == ("memory://sets/new.zip", 10_000, "size")
    assert put_remote(file, "memory://sets/other.zip", host=host).address == "memory://sets/other.zip"
    assert store.cat_file("/sets/new.zip") == store.cat_file("/sets/other.zip") == file.read_bytes()
    assert _names(store) == ["new.zip", "old.zip", "other.zip"]


def test_what_is_there_stays_until_it_is_replaced(store: Any, file: Path, host: FakeHost) -> None:
    with pytest.raises(PathError, match="is there already"):
        put_remote(file, "memory://sets/old.zip", host=host)
    assert store.cat_file("/sets/old.zip") == b"before"
    put_remote(file, "memory://sets/old.zip", overwrite=True, host=host)
    assert store.cat_file("/sets/old.zip") == file.read_bytes()


class _Cancels(Progress):
    def advance(self, amount: int = 1) -> None:
        if amount:
            raise JobCancelledError


def test_what_was_cancelled_or_failed_leaves_what_was_there(
    store: Any, file: Path, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(JobCancelledError):
        put_remote(file, "memory://sets/old.zip", overwrite=True, host=host, progress=_Cancels())

    def fail(*_: object, **__: object) -> None:
        raise OSError("token=secret")

    monkeypatch.setattr(type(store), "mv", fail)
    with pytest.raises(StorageError, match=r"was not written \(OSError\)"):
        put_remote(file, "memory://sets/old.zip", overwrite=True, host=host)
    assert store.cat_file("/sets/old.zip") == b"before"
    assert _names(store) == ["old.zip"]


def test_bytes_that_were_lost_are_noticed(
    store: Any, file: Path, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "info", lambda *_, **__: {"size": 5})
        with pytest.raises(StorageError, match="the sizes differ"):
            put_remote(file, "memory://sets/x.zip", overwrite=True, host=host)
    assert _names(store) == ["old.zip"]


def test_where_nothing_can_be_put(store: Any, file: Path, tmp_path: Path, host: FakeHost) -> None:
    with pytest.raises(InputError, match="Nothing is put at https://host/a"):
        put_remote(file, "https://host/a", host=host)
    with pytest.raises(InputError, match="Nothing is put at s3://bucket/a") as caught:
        put_remote(file, "s3://bucket/a", host=host)
    assert "as a remote of rclone" in caught.value.hint
    with pytest.raises(StorageError, match=r"ftp://localhost:1/a cannot be reached \(ConnectionRefusedError\)"):
        put_remote(file, "ftp://me:secret@localhost:1/a", host=host)
    with pytest.raises(InputError, match="of a kind that is not known"):
        put_remote(file, "nothing://host/a", host=host)
    with pytest.raises(PathError, match="is a folder"):
        put_remote(tmp_path, "memory://sets/", host=host)
    with pytest.raises(MissingLibraryError, match="needs a library"):
        put_remote(file, "abfs://bucket/a", host=host)
    host.is_served = True
    with pytest.raises(InputError, match="not read from a dashboard"):
        put_remote(file, "memory://sets/", host=host)
