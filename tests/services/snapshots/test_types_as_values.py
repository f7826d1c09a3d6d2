"""What data hold beside plain values comes back for somebody else, too: types, units of time, namespaces."""

from __future__ import annotations

import array
import collections
import datetime as dt
import decimal
import fractions
import pathlib
import pickle
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colabpanel.errors import ColabPanelError
from colabpanel.services.snapshots.catalog import contents
from colabpanel.services.snapshots.service import dump, load

TYPES = [int, str, float, bool, list, dict, tuple, set, frozenset, bytearray, complex, object, range, slice]
TYPES += [collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque]
TYPES += [dt.datetime, dt.date, dt.time, dt.timedelta, dt.timezone, decimal.Decimal, fractions.Fraction]
TYPES += [np.ndarray, array.array, pathlib.PurePosixPath]


@pytest.fixture(autouse=True)
def _unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colabpanel.services.snapshots.reader.is_signed_by_us", lambda *_: False)


def _trip(path: Path, value: Any) -> Any:
    dump(path, {"value": value})
    assert contents(path).variables[0].needs == ()
    return load(path)["value"]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_a_type_that_is_a_value_is_itself(tmp_path: Path, kind: type) -> None:
    value = {"casts": [{"id": kind}], "pair": (kind, 1), "day": dt.timedelta(3), "names": {"a", "b"}}
    assert _trip(tmp_path / "a.snapshot.zip", value) == value
    for protocol in (4, 5):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
        assert load(tmp_path / "a.pkl")["a"] == value


@pytest.mark.parametrize(
    "value",
    [
        collections.defaultdict(set, {"a": {1}}),
        collections.defaultdict(collections.Counter, {"a": collections.Counter("aab")}),
        collections.defaultdict(collections.deque),
        collections.defaultdict(list, a=[1]),
        [np.timedelta64(5, "h"), np.datetime64("2024-01-01"), np.datetime64("NaT"), np.timedelta64(3)],
        [np.dtype("M8[25us]"), np.dtype(">m8[D]"), np.dtype([("a", "M8[ns]"), ("b", "i4")])],
    ],
    ids=str,
)
def test_it_comes_back(tmp_path: Path, value: Any) -> None:
    found = _trip(tmp_path / "a.snapshot.zip", value)
    assert repr(found) == repr(value)
    assert getattr(found, "default_factory", None) is getattr(value, "default_factory", None)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_moments_in_pickles_of_others_keep_their_unit(tmp_path: Path, protocol: int) -> None:
    value = {"spans": np.array([1, 2], "m8[h]"), "moments": np.array(["2024-01-01", "NaT"], "M8[ns]")}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
    found = load(tmp_path / "a.pkl")["a"]
    for name, wanted in value.items():
        assert found[name].dtype == wanted.dtype
        np.testing.assert_array_equal(found[name], wanted)


def test_a_namespace_may_hold_itself(tmp_path: Path) -> None:
    root = types.SimpleNamespace(name="root", children=[])
    root.children.append(types.SimpleNamespace(parent=root, empty=types.SimpleNamespace()))
    found = _trip(tmp_path / "a.snapshot.zip", root)
    assert (found.name, found.children[0].parent is found) == ("root", True)
    assert found.children[0].empty == types.SimpleNamespace()


@pytest.mark.skipif(not hasattr(np, "dtypes") or not hasattr(np.dtypes, "StringDType"), reason="an old NumPy")
def test_missing_texts_of_numpy(tmp_path: Path) -> None:
    value = np.array(["a", None], np.dtypes.StringDType(na_object=None))
    assert _trip(tmp_path / "a.snapshot.zip", value).tolist() == ["a", None]


class _Calls:
    """Pickles as a call of something, or as an object made past its class."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self._reduced = call, arguments

    def __reduce__(self) -> Any:
        return self._reduced


@pytest.mark.parametrize(
    "evil",
    [
        _Calls(list, range(10**9)),
        _Calls(tuple, range(10**9)),
        _Calls(set, range(10**9)),
        _Calls(str, b"x"),
        _Calls(int, "9" * 5000),
        _Calls(np.ndarray, (10**12,)),
    ],
    ids=lambda evil: evil._reduced[0].__name__,
)
@pytest.mark.parametrize("beside", [None, int, types.SimpleNamespace])
def test_what_is_named_is_not_called_for_it(tmp_path: Path, evil: _Calls, beside: Any) -> None:
    held = types.SimpleNamespace(a=1) if beside is types.SimpleNamespace else beside
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([beside if beside is int else None, evil]))
    with pytest.raises(ColabPanelError):
        load(tmp_path / "a.pkl")
    assert held != evil


@pytest.mark.parametrize("code", [b"\x81", b"\x92"])
def test_nothing_is_made_past_its_class(tmp_path: Path, code: bytes) -> None:
    named = b"\x80\x04cbuiltins\nint\n)" + (b"}" if code == b"\x92" else b"") + code
    (tmp_path / "a.pkl").write_bytes(named + b"cbuiltins\nint\n\x86.")
    with pytest.raises(ColabPanelError):
        load(tmp_path / "a.pkl")
