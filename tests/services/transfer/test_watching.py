from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from colabpanel.errors import ColabPanelError, HostError, InputError, JobCancelledError, OutsideRootError
from colabpanel.services.transfer.watching import watch_file
from tests.fakes import RecordingProgress


class Days:
    """Lets things happen between the looks of a watch, and ends it after the last."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.progress, self._steps, self._quarters = RecordingProgress(), list(steps), 0

    def __call__(self, _: float) -> None:
        self._quarters += 1
        if self._quarters % 4:
            return
        if not self._steps:
            raise JobCancelledError
        self._steps.pop(0)()


def _nothing() -> None:
    pass


def _watch(path: Path, changed: Callable[[Path], object], *steps: Callable[[], object], **options: object) -> Days:
    days = Days(*steps)
    with pytest.raises(JobCancelledError):
        watch_file(path, changed, pause=days, progress=days.progress, **options)  # type: ignore[arg-type]
    return days


def test_a_change_is_told_once_it_has_settled(tmp_path: Path) -> None:
    path, seen = tmp_path / "plot.png", list[bytes]()

    def write(text: bytes) -> Callable[[], object]:
        return lambda: path.write_bytes(text)

    def replace() -> None:
        (tmp_path / "new").write_bytes(b"123")
        os.utime(tmp_path / "new", (1, 1))
        (tmp_path / "new").replace(path)

    path.write_bytes(b"old")
    days = _watch(
        path,
        lambda real: seen.append(real.read_bytes()),
        *(_nothing, write(b"1"), write(b"12"), write(b"123"), _nothing, _nothing),
        *(path.unlink, _nothing, write(b"12345"), _nothing, replace, _nothing, _nothing),
    )
    assert seen == [b"123", b"12345", b"123"]
    assert days.progress.phases[0] == (None, "Watching plot.png")


def test_a_file_that_appears_has_changed(tmp_path: Path) -> None:
    seen: list[Path] = []
    _watch(tmp_path / "later", seen.append, (tmp_path / "later").touch, _nothing, _nothing)
    assert seen == [tmp_path / "later"]


def test_a_failure_is_told_and_the_watch_goes_on(tmp_path: Path) -> None:
    path, failures, tries = tmp_path / "x", list[str](), list[Path]()

    def changed(real: Path) -> None:
        tries.append(real)
        if len(tries) == 1:
            raise HostError("The page does not answer.")

    def failed(error: ColabPanelError) -> None:
        failures.append(error.message)

    steps = (path.touch, _nothing, lambda: path.write_bytes(b"2"), _nothing)
    _watch(path, changed, *steps, failed=failed)
    assert (failures, len(tries)) == (["The page does not answer."], 2)
    tries.clear()
    with pytest.raises(HostError):
        watch_file(path, changed, pause=Days(lambda: path.write_bytes(b"33"), _nothing, _nothing))


def test_what_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        watch_file(tmp_path, print)
    with pytest.raises(OutsideRootError):
        watch_file(tmp_path.parent, print, root=tmp_path)
