from __future__ import annotations

import io
import random
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colabpanel.errors import SourceLostError
from colabpanel.services.sources import LocalSource, SourceFile, ahead, read_range, stream_of
from colabpanel.services.sources.ahead import AheadFile

DATA = random.Random(5).randbytes(100_000)


class FarBytes:
    """Bytes that pretend to be far away, and count who reads them at once."""

    is_far = True
    name = shown = "bytes"
    modified: float | None = None
    reference = "bytes"

    def __init__(self, data: bytes = DATA, lost_at: int | None = None) -> None:
        self.data, self.size = data, len(data)
        self.identity: list[Any] = [len(data)]
        self.lost_at = lost_at
        self.asked: list[tuple[int, int]] = []

    def read(self, start: int, end: int) -> bytes:
        return read_range(self, start, end)

    def read_into(self, view: memoryview, start: int) -> int:
        self.asked.append((start, start + len(view)))
        if self.lost_at is not None and start <= self.lost_at < start + len(view):
            raise SourceLostError("gone")
        found = self.data[start : start + len(view)]
        view[: len(found)] = found
        return len(found)

    def again(self, *, tries: int | None = None) -> FarBytes:
        return self

    def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_PIECE", 1000)
    monkeypatch.setattr(ahead, "_FAR_PIECE", 1000)
    monkeypatch.setattr(ahead, "_STEP", 3000)


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.tuples(st.none() | st.integers(0, len(DATA) + 10), st.integers(0, 20_000)), max_size=20),
    piece=st.sampled_from([100, 1000, 7777]),
)
def test_a_stream_reads_as_bytes_do(steps: list[tuple[int | None, int]], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "_PIECE", piece)
        patch.setattr(ahead, "_FAR_PIECE", piece)
        patch.setattr(ahead, "_STEP", 3 * piece)
        with closing(io.BufferedReader(AheadFile(FarBytes()), 500)) as stream:
            model = io.BytesIO(DATA)
            for place, amount in steps:
                if place is not None:
                    assert stream.seek(place) == model.seek(place)
                assert stream.read(amount) == model.read(amount)
                assert stream.tell() == model.tell()


@pytest.mark.usefixtures("_small_steps")
def test_who_reads_on_finds_more_and_more_asked_for() -> None:
    source = FarBytes()
    with closing(AheadFile(source)) as stream:
        stream.read(10)
        assert stream._asked == 1000
        stream.read(10)
        stream.read(10)
        assert stream._asked == 1000 + 2 * 3000
        stream.seek(50_000)
        stream.read(10)
        assert stream._asked == 51_000
    assert set(source.asked) == {(0, 1000), *((n, n + 1000) for n in (1000, 2000, 3000, 4000, 5000, 6000, 50_000))}


@pytest.mark.usefixtures("_small_steps")
def test_a_part_that_is_lost_is_told_where_it_is_read() -> None:
    with closing(AheadFile(FarBytes(lost_at=10_500))) as stream:
        assert b"".join(stream.read(1000) for _ in range(10)) == DATA[:10_000]
        with pytest.raises(SourceLostError):
            stream.read(1000)


@pytest.mark.usefixtures("_small_steps")
@pytest.mark.parametrize(("start", "end"), [(0, 10), (0, 2000), (7, 50_000), (99_000, 200_000), (100_000, 100_001)])
def test_ranges_of_any_length(start: int, end: int) -> None:
    assert read_range(FarBytes(), start, end) == DATA[start:end]


@pytest.mark.usefixtures("_small_steps")
def test_threads_end_with_the_stream() -> None:
    before = set(threading.enumerate())
    with closing(AheadFile(FarBytes())) as stream:
        stream.read(10)
        threads = set(threading.enumerate()) - before
        assert threads
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    stream.close()


def test_only_far_sources_are_read_ahead(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with closing(LocalSource(tmp_path / "a")) as source:
        assert type(stream_of(source)) is SourceFile
        assert stream_of(source).read() == b"abc"
    with closing(stream_of(FarBytes())) as stream:
        assert type(stream) is AheadFile
