"""Memory given back: what goes, what stays, and what is said about it."""

from __future__ import annotations

import ctypes
import gc
import sys
import types
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import psutil
import pytest

from colabpanel.errors import HostError, InputError, JobCancelledError
from colabpanel.hosts._base import IPythonHost
from colabpanel.services.memory.panel_calls import release_from_panel
from colabpanel.services.memory.releasing import Released, release, service, system
from tests.fakes import FakeHost, RecordingProgress
from tests.services.memory.conftest import pyplot

MB = 1 << 20


def said(released: Released) -> dict[str, str]:
    return {step.what: step.sentence for step in released.steps}


def held(released: Released) -> dict[str, list[str]]:
    return {one.name: [who.words for who in one.referrers] for one in released.still_held}


def run(host: IPythonHost, code: str, *, fails: bool = False) -> None:
    assert host.shell.run_cell(code, store_history=True).success is not fails


def test_a_variable_goes_and_its_memory_with_it(host: FakeHost) -> None:
    host.variables.update(big=np.ones(8 * MB), other=np.zeros(5))
    before = psutil.Process().memory_info().rss
    released = release(["big"], host=host)
    fallen = before - psutil.Process().memory_info().rss
    assert list(host.variables) == ["other"]
    assert released.removed == ("big",)
    assert released.still_held == ()
    assert released.freed is not None
    assert released.freed > 60 * MB
    assert abs(released.freed - fallen) < 8 * MB
    assert said(released)["variables"] == "Removed big."
    # The C library may have had room for it between other things, and gives that back in a later step.
    assert sum(step.freed or 0 for step in released.steps) > 60 * MB


def test_a_cache_that_cannot_be_emptied_is_told_and_the_rest_goes_on(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> str:
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(service, "CACHES", {"torch": broken})
    host.variables["a"] = 1
    released = release("a", caches=True, host=host)
    assert released.removed == ("a",)
    assert said(released)["torch"] == "could not be done: CUDA error"
    assert released.steps[-1].what == "system"


def test_small_objects_are_given_back_to_the_system(host: FakeHost) -> None:
    host.variables["rows"] = [{"n": number + 0.5} for number in range(300_000)]
    released = release("rows", host=host)
    assert released.freed is not None
    assert released.freed > 50 * MB
    assert system.trim() == (sys.platform == "linux")


def test_nothing_is_removed_that_was_not_asked_for(host: FakeHost) -> None:
    host.variables.update(a=1, b=2)
    with pytest.raises(InputError, match="no variable c, d") as caught:
        release(["a", "c", "d"], host=host)
    assert "history=True" in caught.value.hint
    assert host.variables == {"a": 1, "b": 2}
    assert set(said(release(host=host))) == {"collector", "system"}
    assert release(collect=False, host=host).steps == ()
    assert host.variables == {"a": 1, "b": 2}


def test_a_cancel_comes_before_the_first_step_or_not_at_all(host: FakeHost) -> None:
    host.variables["a"] = 1
    with pytest.raises(JobCancelledError):
        release(["a"], host=host, progress=RecordingProgress(cancel_after=0))
    assert host.variables == {"a": 1}
    progress = RecordingProgress(cancel_after=1)
    release(["a"], host=host, progress=progress)
    assert host.variables == {}
    assert not progress.cancellable


def test_what_still_holds_the_memory_is_said(host: FakeHost) -> None:
    array = np.ones(MB)
    host.variables.update(array=array, same=array, batches=[array], part=array[5:], alone=np.ones(MB))
    del array
    released = release(["array", "alone"], host=host)
    assert set(held(released)) == {"array"}
    assert set(held(released)["array"]) == {
        "variable `same`",
        "variable `batches` (list, item 0)",
        "variable `part` (numpy.ndarray)",
    }


def test_a_view_whose_array_stays_frees_nothing(host: FakeHost) -> None:
    array = np.ones(MB)
    host.variables.update(array=array, part=array[5:])
    del array
    assert held(release(["part"], host=host)) == {"part": ["variable `array` uses the same memory"]}


def test_names_of_one_object_go_together(host: FakeHost) -> None:
    array = np.ones(MB)
    host.variables.update(array=array, same=array)
    gone = weakref.ref(array)
    del array
    assert release(["array", "same", "array"], host=host).still_held == ()
    assert gone() is None


def test_cycles_are_no_holders(host: FakeHost) -> None:
    class Node:
        me: Any

    node = Node()
    node.me = [node]
    gone = weakref.ref(node)
    host.variables["node"] = node
    del node
    gc.disable()
    try:
        released = release(["node"], host=host)
    finally:
        gc.enable()
    assert released.still_held == ()
    assert gone() is None


def test_there_may_be_too_many_to_look_at(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    from colabpanel.services.memory.releasing import service

    monkeypatch.setattr(service, "_SECONDS", -1)
    array = np.ones(5)
    host.variables["array"] = array
    assert "too long" in held(release(["array"], host=host))["array"][0]


def test_outputs_of_the_same_object_go_with_it(notebook: IPythonHost) -> None:
    run(notebook, "import numpy as np\nbig = np.ones(1 << 20)\nother = [1]")
    run(notebook, "other")
    run(notebook, "big")
    gone = weakref.ref(notebook.namespace()["big"])
    released = release(["big"], host=notebook)
    assert said(released)["variables"] == "Removed big, and the same objects as _, Out[3]."
    assert released.still_held == ()
    assert gone() is None
    space = notebook.namespace()
    assert list(space["Out"]) == [2]
    assert (space["_"], space["__"], "_3" in space) == ("", [1], False)
    run(notebook, "_ + 'usable'")
    assert space["_"] == "usable"


def test_numbers_take_no_outputs_with_them(notebook: IPythonHost) -> None:
    run(notebook, "five = 5\nfive")
    assert said(release(["five"], host=notebook))["variables"] == "Removed five."
    assert notebook.namespace()["Out"] == {1: 5}


def test_the_history_is_forgotten(notebook: IPythonHost) -> None:
    run(notebook, "class Thing: pass\nThing()")
    run(notebook, "_mine = 1\n[_]")
    run(notebook, "for __ in [7]: pass")
    gone = weakref.ref(notebook.namespace()["Out"][1])
    space = notebook.namespace()
    released = release(history=True, host=notebook)
    assert said(released)["history"] == "Forgot 2 outputs."
    assert gone() is None
    assert space["Out"] == {}
    assert (space["_"], space["__"], space["_mine"]) == ("", 7, 1)
    assert not {"_1", "_2"} & set(space)
    assert said(release(history=True, host=notebook))["history"] == "There was no output to forget."
    run(notebook, "1 + 1")
    assert space["Out"] == {5: 2} or list(space["Out"].values()) == [2]


def test_the_last_error_is_forgotten(notebook: IPythonHost) -> None:
    run(
        notebook,
        "class Thing: pass\n"
        "def inner(x):\n    raise ValueError(x)\n"
        "def outer():\n    thing = Thing()\n    things.append(weakref.ref(thing))\n"
        "    try:\n        inner(thing)\n    except ValueError:\n        raise KeyError('outer')\n"
        "import weakref; things = []",
    )
    run(notebook, "outer()", fails=True)
    thing = notebook.namespace()["things"][0]
    gc.collect()
    assert thing() is not None
    notebook.namespace()["own"] = getattr(sys.last_value, "__context__", None)
    released = release(tracebacks=True, host=notebook)
    assert said(released)["error"] == "Forgot the last error (KeyError) and the variables of 2 calls."
    assert thing() is not None, "the user's own variable is not touched"
    assert held(release(["own"], host=notebook)) == {}
    assert thing() is None
    assert not hasattr(sys, "last_value")
    assert notebook.shell.last_execution_result.error_in_exec is None
    assert said(release(tracebacks=True, host=notebook))["error"] == "There was no error to forget."
    notebook.shell.run_cell("%tb")
    run(notebook, "x = )", fails=True)
    assert "SyntaxError" in said(release(tracebacks=True, host=notebook))["error"]


def test_frames_that_go_on_keep_their_variables(notebook: IPythonHost) -> None:
    run(
        notebook,
        "def numbers():\n    kept = 'here'\n    try:\n        1 / 0\n    except ZeroDivisionError as error:\n"
        "        yield error\n        yield kept\n"
        "paused = numbers()\nraise next(paused)",
        fails=True,
    )
    release(tracebacks=True, host=notebook)
    assert next(notebook.namespace()["paused"]) == "here"


def test_errors_in_groups_are_found(notebook: IPythonHost) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python has groups of errors from 3.11 on")
    run(
        notebook,
        "errors = []\ndef fail():\n    kept = 1\n    return 1 / 0\n"
        "try:\n    fail()\nexcept ZeroDivisionError as error:\n    errors.append(error)\n"
        "raise ExceptionGroup('several', errors)",
        fails=True,
    )
    assert said(release(tracebacks=True, host=notebook))["error"].endswith("the variables of 1 call.")


def test_figures_are_closed_only_when_asked(host: FakeHost) -> None:
    plt = pyplot()
    gone = [weakref.ref(plt.figure()) for _ in range(2)]
    assert "figures" not in said(release(host=host))
    assert len(plt.get_fignums()) == 2
    assert said(release(figures=True, host=host))["figures"] == "Closed 2 figures."
    assert [figure() for figure in gone] == [None, None]
    assert said(release(figures=True, host=host))["figures"] == "There was no open figure."


def test_caches_of_libraries(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    torch = pytest.importorskip("torch")
    assert not torch.cuda.is_initialized()
    released = release(caches=True, host=host)
    assert "pyarrow" in said(released)
    assert "torch" not in said(released)
    assert released.gpu_freed is None
    assert not torch.cuda.is_initialized(), "looking starts no device"


class FakeCuda:
    """What of ``torch.cuda`` is used, on a machine that has two GPUs."""

    def __init__(self) -> None:
        self.reserved = [3 * MB, MB]

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 2

    def memory_reserved(self, number: int) -> int:
        return self.reserved[number]

    def empty_cache(self) -> None:
        self.reserved = [MB, 0]


class FakeMps:
    held = 5 * MB

    def driver_allocated_memory(self) -> int:
        return self.held

    def empty_cache(self) -> None:
        self.held = MB


def test_caches_of_gpus(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    available = types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: True))
    fake = types.SimpleNamespace(cuda=FakeCuda(), mps=FakeMps(), backends=available)
    monkeypatch.setitem(sys.modules, "torch", fake)
    cleared: list[str] = []
    monkeypatch.setitem(sys.modules, "jax._src.xla_bridge", types.SimpleNamespace(_backends={"gpu": 1}))
    monkeypatch.setitem(sys.modules, "jax", types.SimpleNamespace(clear_caches=lambda: cleared.append("jax")))
    released = release(caches=True, host=host)
    assert released.gpu_freed == 3 * MB
    assert said(released)["torch"] == "PyTorch gave back 3.0 MB of GPU memory that it kept for later."
    assert said(released)["mps"].startswith("PyTorch gave back 4.0 MB of the Mac's")
    assert cleared == ["jax"]
    assert "jax" in said(released)


def test_the_session_of_keras_is_dropped_only_by_name(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    newer = types.SimpleNamespace(utils=types.SimpleNamespace(clear_session=lambda: calls.append("new")))
    older = types.SimpleNamespace(
        utils=types.SimpleNamespace(), backend=types.SimpleNamespace(clear_session=lambda: calls.append("old"))
    )
    for keras in (newer, older):
        monkeypatch.setitem(sys.modules, "keras", keras)
        release(caches=True, history=True, figures=True, tracebacks=True, host=host)
        assert "may not work any more" in said(release(keras_session=True, host=host))["keras"]
    assert calls == ["new", "old"]
    monkeypatch.delitem(sys.modules, "keras")
    assert said(release(keras_session=True, host=host))["keras"] == "Keras is not in use."


def test_what_cannot_be_read_is_unknown(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_process: psutil.Process) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "memory_info", refuse)
    released = release(host=host)
    assert released.freed is None
    assert [step.freed for step in released.steps] == [None] * len(released.steps)


def test_a_system_without_glibc_gives_nothing_back(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: types.SimpleNamespace())
    system._malloc_trim.cache_clear()
    try:
        assert not system.trim()
        assert set(said(release(host=host))) == {"collector"}
    finally:
        system._malloc_trim.cache_clear()


def test_the_dashboard_has_nothing_to_release(host: FakeHost) -> None:
    host.is_served = True
    host.variables["a"] = 1
    with pytest.raises(InputError, match="no notebook"):
        release_from_panel(RecordingProgress(), host, ["a"])
    assert host.variables == {"a": 1}


def test_small_outputs_and_figures_of_it_are_no_hindrance(notebook: IPythonHost) -> None:
    run(notebook, "x = [1.5, 2, 3]")
    run(notebook, "x")
    assert release(["x"], host=notebook).removed == ("x",)


def test_what_looks_shared_by_python_and_is_not(host: FakeHost) -> None:
    host.variables["pair"] = (np.ones(MB), np.ones(2))
    host.variables["batches"] = [host.variables["pair"]]
    assert held(release(["pair"], host=host)) == {"pair": ["variable `batches` (list, item 0)"]}

    host.variables.update(array=np.ones(MB))
    exec("def closure(array=array): return array\ndel array\nkept = [closure]", host.variables)
    assert "variable `kept` (list, item 0)" in held(release(["closure"], host=host))["closure"]


class _Liar:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("not ready")


class _Lazy(dict[str, Any]):
    ran = False

    def values(self) -> Any:
        type(self).ran = True
        raise RuntimeError("nothing of it should be run")


def test_objects_that_are_come_upon_are_not_asked(host: FakeHost) -> None:
    host.variables.update(y=[np.ones(MB)], liar=_Liar(), lazy=_Lazy(a=np.ones(2)))
    host.variables["z"] = host.variables["y"]
    assert held(release(["y"], host=host)) == {"y": ["variable `z`"]}
    assert not _Lazy.ran


def test_a_cell_that_awaits_keeps_its_variables(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.variables["a"], looks = [1], iter([True, True, False])

    def on_main_thread(function: Callable[[], Any]) -> Future[Any]:
        host.runs_cell = next(looks)
        return FakeHost.on_main_thread(host, function)

    monkeypatch.setattr(host, "on_main_thread", on_main_thread)
    with ThreadPoolExecutor(1) as apart:
        assert apart.submit(release_from_panel, RecordingProgress(), host, ["a"]).result(30).removed == ("a",)
    assert next(looks, "all") == "all"


def test_the_panel_waits_for_the_main_thread(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.variables["a"] = [1]
    progress = RecordingProgress()
    assert release_from_panel(progress, host, ["a"], history=True).removed == ("a",)
    assert [phase for _total, phase in progress.phases] == ["Waiting until no cell runs"] + ["Releasing memory"] * 2
    failed: Future[Any] = Future()
    failed.set_exception(HostError("no kernel"))
    monkeypatch.setattr(host, "on_main_thread", lambda _function: failed)
    with pytest.raises(HostError):
        release_from_panel(progress, host)
