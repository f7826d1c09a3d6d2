from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from colabpanel.errors import JobCancelledError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services import isolated
from colabpanel.services.isolated import ChildFailedError, call_isolated
from tests.children import children_now
from tests.fakes import RecordingProgress

# The functions below are called in a child process that finds them through this path.
_HERE = "children_for_tests"

_CHILD_CODE = """
import os, signal, sys, threading, time
from colabpanel.errors import PathError

def add(a, b, progress):
    progress.start(3, "Adding", unit="sums")
    for _ in range(3):
        progress.advance()
    return a + b

def refuse(progress):
    raise PathError("It is not there: <b>.", hint="Look elsewhere.")

def crash(progress):
    raise ZeroDivisionError("oops")

def die(progress):
    os.kill(os.getpid(), signal.SIGKILL)

def leave(progress):
    os._exit(7)

def hang(progress):
    progress.start(None, "Hanging")
    threading.Event().wait()

def freeze(progress):
    threading.Event().wait()

def work_for_ever(path, progress):
    progress.start(None, "Working")
    try:
        while True:
            progress.advance()
            time.sleep(0.001)
    finally:
        with open(path, "w") as stream:
            stream.write("tidied")

def modules(progress):
    return sorted(sys.modules)
"""


@pytest.fixture(autouse=True, scope="module")
def _children(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Make the module visible to children: they look beside the package only."""
    folder = tmp_path_factory.mktemp("children")
    (folder / f"{_HERE}.py").write_text(_CHILD_CODE)
    boot = isolated._BOOT
    isolated._BOOT = f"import sys; sys.path.append({str(folder)!r}); {boot}"
    yield folder
    isolated._BOOT = boot


def test_a_result_comes_back_with_its_progress() -> None:
    progress = RecordingProgress()
    assert call_isolated(f"{_HERE}:add", {"a": 2, "b": 3}, progress=progress) == 5
    assert progress.phases == [(3, "Adding")]
    assert progress.done == 3


def test_our_errors_come_back_as_themselves() -> None:
    with pytest.raises(PathError, match="not there: <b>") as caught:
        call_isolated(f"{_HERE}:refuse", {})
    assert caught.value.hint == "Look elsewhere."


def test_other_errors_come_back_with_their_traceback() -> None:
    with pytest.raises(ChildFailedError, match=r"(?s)children_for_tests.*ZeroDivisionError: oops"):
        call_isolated(f"{_HERE}:crash", {})


@pytest.mark.parametrize(("function", "how"), [("die", "signal 9"), ("leave", "exit code 7")])
def test_a_child_that_dies_is_a_failure_in_words(function: str, how: str) -> None:
    with pytest.raises(StorageError, match=how) as caught:
        call_isolated(f"{_HERE}:{function}", {})
    assert "run it again" in caught.value.hint


def test_where_no_thread_can_be_started_the_answer_comes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(isolated, "threading", SimpleNamespace(Thread=lambda **_: SimpleNamespace(start=no_more)))
    assert call_isolated(f"{_HERE}:add", {"a": 1, "b": 2}) == 3


def test_a_child_that_hangs_is_killed_at_the_deadline() -> None:
    with pytest.raises(StorageError, match=r"No answer within 0\.5 seconds"):
        call_isolated(f"{_HERE}:hang", {}, deadline=0.5)
    assert not children_now()


class _CancelAfter(Progress):
    """Cancels after so many looks, which count once the child has begun."""

    def __init__(self, looks: int, *, has_begun: bool = False) -> None:
        self.left, self.has_begun = looks, has_begun

    def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
        self.has_begun = True

    def advance(self, amount: int = 1) -> None:
        self.left -= self.has_begun
        if self.left <= 0:
            raise JobCancelledError


def test_cancelling_lets_the_child_tidy_up(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(JobCancelledError):
        call_isolated(f"{_HERE}:work_for_ever", {"path": str(mark)}, progress=_CancelAfter(3))
    assert mark.read_text() == "tidied"
    assert not children_now()


def test_cancelling_a_child_that_hangs_takes_seconds_not_minutes() -> None:
    started = time.monotonic()
    with pytest.raises(JobCancelledError):
        call_isolated(f"{_HERE}:hang", {}, progress=_CancelAfter(2, has_begun=True))
    assert time.monotonic() - started < 30
    assert not children_now()


def test_cancelling_a_child_that_is_stopped_takes_seconds_too() -> None:
    class StopThenCancel(Progress):
        def advance(self, amount: int = 1) -> None:
            (child,) = children_now()
            if child.status() != psutil.STATUS_STOPPED:
                child.suspend()
            else:
                raise JobCancelledError

    with pytest.raises(JobCancelledError):
        call_isolated(f"{_HERE}:work_for_ever", {"path": os.devnull}, progress=StopThenCancel())
    assert not children_now()


def test_a_child_that_hangs_does_not_outlive_its_parent() -> None:
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", isolated._BOOT, isolated._PACKAGE_PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    child.communicate(b'{"target": "children_for_tests:freeze", "arguments": {}}\n', timeout=30)
    assert child.returncode == 1


def test_a_child_whose_parent_is_killed_ends_by_itself(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = (
        "import sys; from colabpanel.services import isolated; "
        f"isolated._BOOT = {isolated._BOOT!r}; print('up', flush=True); "
        f"isolated.call_isolated('{_HERE}:work_for_ever', {{'path': {str(mark)!r}}})"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    parent.stdout.readline()
    children: list[psutil.Process] = []
    while not children:
        children = psutil.Process(parent.pid).children()
    while "serve_one_call" not in " ".join(children[0].cmdline()):
        pass
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    psutil.wait_procs(children, timeout=10)
    assert not children[0].is_running()


def test_the_child_loads_the_standard_library_alone() -> None:
    loaded = {name.split(".")[0] for name in call_isolated(f"{_HERE}:modules", {})}
    assert loaded & set(packages_distributions()) <= {"colabpanel", "coverage"}
    assert os.path.isabs(sys.executable)
