"""Files of fsspec: what its file systems do wrong ends in the right bytes, or in an error."""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from colabpanel.errors import InputError, MissingLibraryError, PathError, SourceLostError
from colabpanel.services.sources import ahead
from colabpanel.services.sources.file_systems import FileSystemSource
from colabpanel.services.sources.spec import SourceSpec, open_source
from colabpanel.services.web import opening

fsspec: Any = pytest.importorskip("fsspec")
memory: Any = pytest.importorskip("fsspec.implementations.memory")

DATA = random.Random(9).randbytes(50_000)


class _Faulty(memory.MemoryFileSystem):
    """The memory, whose next ranges meet these faults: an exception, or what is done to the bytes."""

    protocol = "faulty"
    faults: ClassVar[deque[Exception | Callable[[bytes], bytes]]] = deque()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("faulty://", "memory://")))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        data: bytes = super().cat_file(path, start=start, end=end, **options)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        return fault(data) if fault else data


@pytest.fixture(autouse=True)
def _ready(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("faulty", _Faulty, clobber=True)
    monkeypatch.setattr(ahead, "_PIECE", 1000)
    monkeypatch.setattr(opening, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(opening, "_LONGEST_PAUSE", 0.002)
    _Faulty.faults.clear()
    fsspec.filesystem("memory").pipe_file("/folder/a b.zip", DATA)


def _source() -> FileSystemSource:
    return FileSystemSource(SourceSpec("fsspec", "faulty://folder/a b.zip"))


def test_ranges_are_read_and_cut_at_the_end() -> None:
    source = _source()
    assert (source.size, source.name, source.shown) == (len(DATA), "a b.zip", "faulty://folder/a b.zip")
    for start, end in [(0, 10), (0, len(DATA)), (49_000, 60_000), (50_000, 50_001)]:
        assert source.read(start, end) == DATA[start:end]
    other = open_source(source.reference)
    assert other.read(5, 7) == DATA[5:7]
    assert other.identity == source.identity
    other.close()


def test_errors_that_pass_and_answers_that_come_short_are_asked_again() -> None:
    source = _source()
    _Faulty.faults.extend([OSError("x"), TimeoutError(), lambda data: data[:3], lambda _: b"", ValueError("x")])
    assert source.read(100, 900) == DATA[100:900]
    assert not _Faulty.faults


def test_errors_that_stay_end_in_words_without_those_of_the_library() -> None:
    source = _source()
    _Faulty.faults.extend([OSError("https://host/?token=hidden")] * 100)
    with pytest.raises(SourceLostError, match=r"faulty://folder/a b.zip cannot be read \(OSError\)") as caught:
        source.read(0, 10)
    assert "hidden" not in f"{caught.value} {caught.value.hint}"


def test_a_file_system_that_ignores_ranges_is_refused() -> None:
    source = _source()
    _Faulty.faults.append(lambda _: DATA)
    with pytest.raises(SourceLostError, match="gives more than it is asked for"):
        source.read(100, 900)


@pytest.mark.parametrize(
    ("fault", "words"), [(FileNotFoundError(), "does not exist"), (PermissionError(), "may not read")]
)
def test_what_waiting_does_not_mend_is_told_at_once(fault: Exception, words: str) -> None:
    source = _source()
    _Faulty.faults.append(fault)
    with pytest.raises(PathError, match=words):
        source.read(0, 10)


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("memory://folder/none.zip", PathError, "does not exist"),
        ("memory://folder", PathError, "is a folder"),
        ("nonsense://a", InputError, "is of a kind that is not known"),
    ],
)
def test_what_cannot_be_opened(url: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        FileSystemSource(SourceSpec("fsspec", url))


def test_a_file_without_a_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Faulty, "info", lambda *_: {"type": "file", "size": None})
    with pytest.raises(InputError, match="does not tell its size"):
        _source()


def test_the_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    implementations = {"far": {"class": "farfs.FarFileSystem"}, "near": {"class": "fsspec.implementations.near.Near"}}
    monkeypatch.setattr(sys.modules["fsspec.registry"], "known_implementations", implementations)
    for url, library in (("far://a", "farfs"), ("near://a", "paramiko")):
        monkeypatch.setattr("fsspec.core.url_to_fs", _missing(library))
        with pytest.raises(MissingLibraryError) as caught:
            FileSystemSource(SourceSpec("fsspec", url))
        assert caught.value.hint == f"Run: pip install {library}"


def _missing(library: str) -> Callable[..., Any]:
    def url_to_fs(*_: Any) -> Any:
        raise ImportError(name=library)

    return url_to_fs


def test_fsspec_itself_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingLibraryError) as caught:
        _source()
    assert caught.value.hint == 'Run: pip install "colabpanel[remote]"'
