"""Reloading: what holds something of a module behaves as the new file says."""

from __future__ import annotations

import importlib
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.services.modules.patching import Patcher
from colabpanel.services.modules.reloading import ModuleReloader
from tests.fakes import FakeHost

OLD = """
import enum, functools
from dataclasses import dataclass, field

RATE = 0.1
def plain(x, y=1): return x + y
def doubled(function):
    @functools.wraps(function)
    def inner(*args): return 2 * function(*args)
    return inner
@doubled
def wrapped(x): return x
def recursive(n):
    def down(n): return 0 if n == 0 else 1 + down(n - 1)
    return down(n)
class Base:
    def who(self): return "base"
class Model(Base):
    kind = "old"
    def __init__(self): self.x = 1
    def who(self): return "old " + super().who()
    @property
    def double(self): return self.x * 2
    @classmethod
    def make(cls): return cls()
    @staticmethod
    def help(): return "old"
    def gone(self): return 1
@dataclass
class Point:
    x: int = 1
class Colour(enum.Enum):
    RED = 1
class Slim:
    __slots__ = ("a",)
    def get(self): return "old"
"""

NEW = (
    OLD.replace("RATE = 0.1", "RATE = 0.2\ndef fresh(): return 'fresh'")
    .replace("return x + y", "return x * 10 + y")
    .replace("y=1", "y=2")
    .replace("return 2 *", "return 3 *")
    .replace("def wrapped(x): return x", "def wrapped(x): return x + 100")
    .replace("else 1 +", "else 2 +")
    .replace('"base"', '"new base"')
    .replace('kind = "old"', 'kind = "new"')
    .replace('"old " +', '"new " +')
    .replace("self.x * 2", "self.x * 3")
    .replace('def help(): return "old"', 'def help(): return "new"')
    .replace("def gone(self): return 1", 'def added(self): return "added " + super().who()')
    .replace("x: int = 1", "x: int = 5\n    tags: list = field(default_factory=list)")
    .replace("RED = 1", "RED = 2")
    .replace('return "old"', 'return "new"')
)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    (tmp_path / "cp_live.py").write_text(OLD)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("cp_live", None)
    return importlib.import_module("cp_live")


def _reloader(host: FakeHost, folder: Path) -> ModuleReloader:
    reloader = ModuleReloader(host, lambda: [folder])
    reloader.start()
    return reloader


def test_everything_that_is_held_behaves_as_the_new_file(module: Any, host: FakeHost, tmp_path: Path) -> None:
    names = ("plain", "wrapped", "recursive", "Model", "Point", "Colour", "Slim", "RATE")
    host.variables.update({name: getattr(module, name) for name in names})
    held = dict(host.variables)
    model, slim = module.Model(), module.Slim()
    reloader = _reloader(host, tmp_path)
    assert reloader.look() == []
    (tmp_path / "cp_live.py").write_text(NEW)
    (event,) = reloader.look()
    assert (event.name, event.error, event.kept) == ("cp_live", "", ("Colour",))
    assert held["plain"](1) == 12
    assert held["wrapped"](1) == 303
    assert held["recursive"](3) == 6
    assert (model.who(), model.double, model.kind, model.added()) == ("new new base", 3, "new", "added new base")
    assert (held["Model"].make().who(), held["Model"].help()) == ("new new base", "new")
    assert not hasattr(model, "gone")
    assert isinstance(model, module.Model)
    assert (held["Point"]().x, held["Point"]().tags) == (5, [])
    assert slim.get() == "new"
    assert host.variables["RATE"] == 0.2
    assert host.variables["Colour"].RED.value == 2
    assert module.fresh() == "fresh"
    assert module.plain is held["plain"]
    assert [one.changed for one in reloader.loaded()] == [False]


def test_a_file_with_an_error_keeps_the_old_version(
    module: Any, host: FakeHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reloader = _reloader(host, tmp_path)
    started, ended = host.watchers[0]
    for text, words in (("def plain(:\n", "SyntaxError"), (OLD + "\nRATE = 9\n1 / 0\n", "ZeroDivisionError")):
        (tmp_path / "cp_live.py").write_text(text)
        started()
        assert f"cp_live was not reloaded: {words}" in capsys.readouterr().err
        started()
        assert capsys.readouterr().err == ""
        assert (module.plain(1), module.RATE) == (2, 0.1)
    assert [one.changed for one in reloader.loaded()] == [True]
    ended()
    (tmp_path / "cp_live.py").write_text(NEW)
    started()
    assert module.plain(1) == 12
    assert [event.error.partition(":")[0] for event in reloader.events()] == ["", "ZeroDivisionError", "SyntaxError"]
    reloader.start()
    reloader.stop()
    reloader.stop()
    assert (reloader.enabled, host.watchers) == (False, [])


def test_modules_are_reloaded_after_those_they_take_from(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cp_a.py").write_text("from cp_b import LIMIT, Base\nclass Mine(Base): pass\nSHOWN = LIMIT + 1\n")
    (tmp_path / "cp_b.py").write_text("LIMIT = 1\nclass Base:\n    def f(self): return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module: Any = importlib.import_module("cp_a")
    mine = module.Mine()
    reloader = _reloader(host, tmp_path)
    (tmp_path / "cp_a.py").write_text("from cp_b import LIMIT, Base\nclass Mine(Base): pass\nSHOWN = LIMIT + 2\n")
    (tmp_path / "cp_b.py").write_text("LIMIT = 10\nclass Base:\n    def f(self): return 22\n")
    assert [event.name for event in reloader.look()] == ["cp_b", "cp_a"]
    assert (module.SHOWN, mine.f()) == (12, 22)


def test_the_notebooks_own_values_are_not_taken_for_the_modules(module: Any, host: FakeHost, tmp_path: Path) -> None:
    module.COUNT = host.variables["COUNT"] = 7
    reloader = _reloader(host, tmp_path)
    (tmp_path / "cp_live.py").write_text(OLD + "\nCOUNT = 8\n")
    reloader.look()
    assert (module.COUNT, host.variables["COUNT"]) == (8, 7)


def test_equal_constants_of_other_modules_are_left_alone(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = "SEED = 0\nDEBUG = False\n"
    (tmp_path / "site-packages").mkdir()
    for name in ("cp_one", "cp_two", "site-packages/cp_lib"):
        (tmp_path / f"{name}.py").write_text(constants)
    (tmp_path / "cp_user.py").write_text("from cp_one import SEED, DEBUG as ON\nDEBUG = False\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.syspath_prepend(str(tmp_path))
    one, two, lib, user = (importlib.import_module(name) for name in ("cp_one", "cp_two", "cp_lib", "cp_user"))
    reloader = _reloader(host, tmp_path)
    (tmp_path / "cp_one.py").write_text("SEED = 42\nDEBUG = True\n")
    (tmp_path / "site-packages/cp_lib.py").write_text("SEED = 1\n")
    assert [event.name for event in reloader.look()] == ["cp_one"]
    assert [(module.SEED, module.DEBUG) for module in (one, two, lib, user)] == [
        (42, True),
        (0, False),
        (0, False),
        (42, False),
    ]


KINDS = """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Config:
    rate: int = 1
class Error(Exception): pass
class Registry:
    def __init__(self): self.kinds = {"config": Config}
def handle(): return VERSION
DEFAULT, ALL, REGISTRY, HANDLERS, ONE_OF = Config(), [Config], Registry(), {"a": [handle]}, {Config}
VERSION = 1
"""


def test_what_a_module_makes_is_of_the_classes_that_go_by_its_names(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cp_kinds.py").write_text(KINDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    kinds: Any = importlib.import_module("cp_kinds")
    held, reloader = kinds.Config(), _reloader(host, tmp_path)
    more = "class Worse(Error): pass\ndef fail(): raise Worse\n"
    (tmp_path / "cp_kinds.py").write_text(KINDS.replace("VERSION = 1", "VERSION = 2") + more)
    assert [event.error for event in reloader.look()] == [""]
    assert isinstance(kinds.DEFAULT, kinds.Config)
    assert held == kinds.DEFAULT
    assert kinds.ALL == [kinds.Config] == list(kinds.ONE_OF) == list(kinds.REGISTRY.kinds.values())
    assert isinstance(kinds.REGISTRY, kinds.Registry)
    assert kinds.HANDLERS["a"][0] is kinds.handle
    assert pickle.loads(pickle.dumps(kinds.ALL[0]())) == held
    with pytest.raises(kinds.Error):
        kinds.fail()


def test_one_that_failed_for_its_neighbour_is_tried_again(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cp_amain.py").write_text("def go(): return 1\n")
    (tmp_path / "cp_helper.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    main: Any = importlib.import_module("cp_amain")
    importlib.import_module("cp_helper")
    reloader = _reloader(host, tmp_path)
    (tmp_path / "cp_amain.py").write_text("from cp_helper import fresh\ndef go(): return fresh()\n")
    assert "cannot import name" in reloader.look()[0].error
    assert reloader.look() == []
    (tmp_path / "cp_helper.py").write_text("def fresh(): return 22\n")
    assert {event.name: event.error for event in reloader.look()} == {"cp_helper": "", "cp_amain": ""}
    assert main.go() == 22


def test_an_interrupt_keeps_the_old_version_and_it_is_tried_again(module: Any, host: FakeHost, tmp_path: Path) -> None:
    reloader = _reloader(host, tmp_path)
    (tmp_path / "cp_live.py").write_text("RATE = 5\nraise KeyboardInterrupt\n")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            reloader.look()
    assert module.RATE == 0.1


def test_a_file_that_is_gone_or_only_touched_changes_nothing(
    module: types.ModuleType, host: FakeHost, tmp_path: Path
) -> None:
    reloader = _reloader(host, tmp_path)
    (tmp_path / "cp_live.py").write_text(OLD)
    assert reloader.look() == []
    (tmp_path / "cp_live.py").unlink()
    assert reloader.look() == []


BODIES = st.sampled_from(["return x", "return x + 1", "return [x]", "return (x, y)", "return str(x) * 2"])
HEADS = st.sampled_from(["x, y=1", "x, *, y=2", "x, y='a'"])


def _made(head: str, body: str, kind: str) -> Any:
    names: dict[str, Any] = {"__name__": "cp_generated"}
    if kind == "function":
        exec(f"def f({head}):\n    {body}\nresult = f", names)
    elif kind == "closure":
        exec(f"def outer():\n    y = 7\n    def f({head}):\n        {body}\n    return f\nresult = outer()", names)
    else:
        exec(f"class A:\n    def f(self, {head}):\n        {body}\nresult = A", names)
    return names["result"]


@given(HEADS, BODIES, HEADS, BODIES, st.sampled_from(["function", "closure", "method"]))
def test_an_old_one_behaves_as_the_new_one(head: str, body: str, new_head: str, new_body: str, kind: str) -> None:
    old, new = _made(head, body, kind), _made(new_head, new_body, kind)
    instance = old() if kind == "method" else None
    assert Patcher().patch(old, new)
    call, like = (old, new) if instance is None else (instance.f, new().f)
    assert call(3) == like(3)


def test_what_cannot_be_changed_is_left_alone() -> None:
    def enclosing(value: int) -> Any:
        return lambda: value

    old: Any = lambda: 1  # noqa: E731 - a plain one
    assert not Patcher().patch(old, enclosing(2))
    assert old() == 1
    assert not Patcher().patch(1, 2)
    assert not Patcher().patch(type("A", (), {"__slots__": ("a",)}), type("A", (), {"__slots__": ("b",)}))
    assert not Patcher().patch(type("A", (int,), {}), type("A", (str,), {}))
    assert Patcher().patch(old, old)
