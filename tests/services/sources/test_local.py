from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from colabpanel.errors import PathError, SourceLostError
from colabpanel.services.sources import LocalSource, SourceFile


@pytest.fixture
def source(tmp_path: Path) -> LocalSource:
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(100)))
    return LocalSource(path, pause=lambda _: None)


def _fail(monkeypatch: pytest.MonkeyPatch, *codes: int) -> list[int]:
    """Let the next reads fail with these error numbers."""
    left, real = list(codes), os.preadv

    def read(handle: int, buffers: list[memoryview], start: int) -> int:
        if left:
            raise OSError(left.pop(0), "")
        return real(handle, buffers, start)

    monkeypatch.setattr(os, "preadv", read)
    return left


def test_ranges_are_read_and_cut_at_the_end(source: LocalSource) -> None:
    assert source.read(10, 13) == b"\x0a\x0b\x0c"
    assert len(source.read(90, 200)) == 10
    assert source.read(100, 200) == b""
    assert source.size == 100
    source.close()


def test_passing_errors_are_tried_again(source: LocalSource, monkeypatch: pytest.MonkeyPatch) -> None:
    left = _fail(monkeypatch, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)
    assert source.read(0, 2) == b"\x00\x01"
    assert not left


def test_errors_that_stay_end_in_words(source: LocalSource, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail(monkeypatch, *[errno.EIO] * 20)
    with pytest.raises(SourceLostError, match="cannot be read") as caught:
        source.read(0, 2)
    assert "goes on where it stopped" in caught.value.hint


def test_a_drive_that_went_away_is_not_tried_again(source: LocalSource, monkeypatch: pytest.MonkeyPatch) -> None:
    left = _fail(monkeypatch, errno.ENOTCONN, errno.EIO)
    with pytest.raises(SourceLostError, match="went away") as caught:
        source.read(0, 2)
    assert left == [errno.EIO]
    assert "Mount Drive again" in caught.value.hint


@pytest.mark.parametrize("name", [".", "missing"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PathError) as caught:
        LocalSource(tmp_path / name)
    assert caught.value.hint


@pytest.mark.parametrize(("code", "kind"), [(errno.EACCES, PathError), (errno.ENOTCONN, SourceLostError)])
def test_opening_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception]) -> None:
    path = tmp_path / "x"
    path.touch()

    def refuse(*_: object) -> int:
        raise OSError(code, "")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(kind):
        LocalSource(path)


def test_as_a_file(source: LocalSource) -> None:
    stream = SourceFile(source)
    assert stream.readable()
    assert stream.seekable()
    assert stream.read(3) == b"\x00\x01\x02"
    assert stream.seek(-2, io.SEEK_END) == 98
    assert stream.read() == b"\x62\x63"
    assert stream.seek(5) == 5
    assert stream.seek(1, io.SEEK_CUR) == 6 == stream.tell()
    with pytest.raises(OSError, match="Invalid"):
        stream.seek(-1)
