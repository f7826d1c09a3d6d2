"""The table of variables: sizes, what changed, and that nothing stalls or breaks it."""

from __future__ import annotations

import datetime as dt
import functools
import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colabpanel.services.snapshots.describe import shape_of
from colabpanel.services.snapshots.fingerprint import fingerprint, fingerprints
from colabpanel.services.snapshots.service import dump, load
from colabpanel.services.snapshots.sizes import size_of
from colabpanel.services.snapshots.table import change_of, variable_table


class Hostile:
    """Fails, whatever it is asked."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return Hostile
        raise RuntimeError(name)

    def __len__(self) -> int:
        raise RuntimeError


def test_sizes_of_arrays_count_their_memory_once() -> None:
    array = np.zeros(1_000_000)
    counted = set[int]()
    assert size_of(array, counted).held == 8_000_000
    assert size_of(array[10:20], counted).held == 0
    assert size_of([array, array[1:]]).held == pytest.approx(8_000_000, rel=0.01)
    assert size_of(array).pickled == 0


def test_sizes_of_containers_are_estimated_from_samples() -> None:
    rows = [{"n": number, "text": f"row {number}"} for number in range(100_000)]
    real = sum(sys.getsizeof(row) + sum(map(sys.getsizeof, row.values())) for row in rows[:1000]) * 100
    assert size_of(rows).held == pytest.approx(real + sys.getsizeof(rows), rel=0.3)
    assert size_of(np.array(["x" * (100 + n) for n in range(1000)], object)).held > 100_000
    cycle: list[Any] = []
    cycle.append(cycle)
    assert size_of(cycle).held < 1000
    assert size_of(sys).held < 1000


def test_sizes_of_libraries() -> None:
    pandas, torch = pytest.importorskip("pandas"), pytest.importorskip("torch")
    sparse, image = pytest.importorskip("scipy.sparse"), pytest.importorskip("PIL.Image")
    polars = pytest.importorskip("polars")
    assert size_of(pandas.DataFrame(np.zeros((1000, 10)))).held == pytest.approx(80_000, rel=0.1)
    assert size_of(pandas.Series(["a"] * 1000, dtype=object)).at_least
    tensor = torch.zeros(1000)
    assert size_of([tensor, tensor[:5]]).held == pytest.approx(4000, abs=400)
    assert size_of(sparse.eye(1000, format="csr")).held == pytest.approx(16_000, rel=0.3)
    assert size_of(image.new("RGB", (100, 100))).held == 30_000
    assert size_of(polars.DataFrame({"a": range(1000)})).held == 8000


def test_looking_is_bounded_whatever_there_is() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep, deep]
    wide = [[[[0] * 100] * 100] * 100] * 100
    began = time.monotonic()
    for value in (deep, wide, {"a": [wide] * 1000}, Hostile(), [Hostile()]):
        size_of(value)
        fingerprint(value)
    assert time.monotonic() - began < 5


def test_the_table_is_sorted_and_says_what_can_be_saved() -> None:
    big, part = np.zeros(1000), None
    part = big[5:]
    rows = variable_table({"small": [1], "part": part, "gen": (n for n in "a"), "big": big, "np": np, "odd": Hostile()})
    by_name = {row.name: row for row in rows}
    assert [row.size for row in rows if row.name in {"big", "part"}] in ([8000, 0], [0, 8000])
    assert not by_name["gen"].savable
    assert "import" in by_name["np"].note
    assert by_name["small"].shape == "1"
    assert {change_of(row, {}) for row in rows} == {"new"}


def test_what_changed_since_the_last_snapshot() -> None:
    torch = pytest.importorskip("torch")
    variables: dict[str, Any] = {
        "same": np.arange(100_000),
        "array": np.arange(100_000),
        "list": [1, [2, {"a": 3}]],
        "tensor": torch.zeros(10),
        "object": Hostile(),
        "gone": 1,
        "text": "abc",
    }
    last = fingerprints(variables)
    variables["array"][0] = 9
    variables["list"][1][1]["a"] = 4
    variables["tensor"][3] = 1
    variables["new"] = 1
    change = {row.name: change_of(row, last) for row in variable_table(variables)}
    assert change == {
        "same": "same",
        "array": "changed",
        "list": "changed",
        "tensor": "changed",
        "object": "unknown",
        "gone": "same",
        "text": "same",
        "new": "new",
    }


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers() | st.text() | st.binary() | st.none(), max_size=20))
def test_a_fingerprint_tells_small_values_apart(value: list[Any]) -> None:
    assert fingerprint(value) == fingerprint(list(value))
    assert fingerprint([*value, 1]) != fingerprint(value)
    assert fingerprint({"a": value}) != fingerprint({"b": value})


def test_fingerprints_of_frames() -> None:
    pandas = pytest.importorskip("pandas")

    def frame() -> Any:
        count = 1000
        made = pandas.DataFrame(
            {
                "n": np.arange(count),
                "f": np.linspace(0, 1, count),
                "text": [f"row {number}" for number in range(count)],
                "kind": pandas.Categorical(["a", "b"] * (count // 2)),
                "when": pandas.date_range("2026-01-01", periods=count, tz="UTC"),
                "maybe": pandas.array([1, None] * (count // 2), dtype="Int64"),
                "mixed": [1, "a", None, pandas.Timestamp(0)] * (count // 4),
            }
        )
        return made.set_index(["n", "text"], drop=False)

    before = fingerprint(frame())
    assert before is not None
    assert fingerprint(frame()) == before
    changes: list[Any] = [
        ("f", 0, 2.0),
        ("text", 0, "other"),
        ("kind", 0, "b"),
        ("when", 0, pandas.Timestamp("2020", tz="UTC")),
        ("maybe", 0, 5),
        ("mixed", 0, 2),
    ]
    for column, row, value in changes:
        changed = frame()
        changed.iloc[row, changed.columns.get_loc(column)] = value
        assert fingerprint(changed) not in {before, None}, column
    assert fingerprint(frame().rename(columns={"f": "g"})) != before
    assert fingerprint(frame()[::-1]) != before
    assert fingerprint(frame()["f"]) != fingerprint(frame()["f"].rename("g"))
    assert fingerprint(frame().assign(own=[object()] * 1000)) is None


def test_frames_are_what_they_hold_however_pandas_keeps_it(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": [1.0, 2.0], "c": [3, 4], "t": ["x", "y"]})
    joined = pandas.concat([frame[:1], frame[1:]])[list(frame.columns)]
    for other in (frame.copy(), frame.assign(d=1).drop(columns="d"), joined):
        assert fingerprint(other.reset_index(drop=True)) == fingerprint(frame)
    dump(tmp_path / "a.snapshot.zip", {"frame": frame})
    assert fingerprint(load(tmp_path / "a.snapshot.zip")["frame"]) == fingerprint(frame)
    ordered = pandas.Categorical(["a", "b"], ordered=True)
    assert fingerprint(pandas.Series(ordered)) != fingerprint(pandas.Series(pandas.Categorical(["a", "b"])))


def test_values_that_only_look_alike() -> None:
    torch = pytest.importorskip("torch")
    ones = torch.ones(3, dtype=torch.bfloat16)
    alike: list[tuple[Any, Any]] = [
        (np.zeros(3, [("a", "i4")]), np.zeros(3, [("a", "f4")])),
        (ones, ones.view(torch.int16)),
        ({"logs": [[0.0] * 500] * 25, "epoch": 1}, {"logs": [[0.0] * 500] * 25, "epoch": 2}),
        (10**5000, 10**5000 + 1),
        (10**5000, -(10**5000)),
        (1, True),
    ]
    for one, other in alike:
        assert fingerprint(one) not in {fingerprint(other), None}


def test_a_look_is_short_whatever_there_is() -> None:
    pandas = pytest.importorskip("pandas")
    text = [f"row {number}" for number in range(5000)]
    values: list[Any] = [
        pandas.DataFrame({f"c{number}": text for number in range(100)}),
        pandas.DataFrame({f"c{number}": pandas.array([1, None] * 2500, dtype="Int64") for number in range(100)}),
        [set(range(500)) for _ in range(500)],
        [["\xe4" * 5000] * 500] * 20,
        [dict.fromkeys(range(300_000)) for _ in range(5)],
        [[np.zeros(3)] * 500] * 20,
        [pandas.DataFrame({"a": [1]})] * 500,
        [[[1] * 100] * 100] * 100,
        np.str_("a" * 10_000_000),
        np.zeros(3, [("image", "f4", (1000, 1000))]),
    ]
    for value in values:
        steps = 0

        def count(*_: object) -> None:
            nonlocal steps
            steps += 1

        sys.setprofile(count)
        try:
            fingerprint(value)
        finally:
            sys.setprofile(None)
        assert steps < 250_000, type(value)


def test_nothing_of_the_classes_of_a_notebook_is_run_to_tell_a_change() -> None:
    pandas = pytest.importorskip("pandas")
    asked: list[str] = []

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            asked.append(name)
            return super().__getattribute__(name)

        def __hash__(cls) -> int:
            asked.append("hash")
            return 1

    class Zone(dt.tzinfo):
        def utcoffset(self, _: Any) -> dt.timedelta:
            asked.append("utcoffset")
            return dt.timedelta(hours=1)

        def dst(self, _: Any) -> None:
            return None

        def tzname(self, _: Any) -> str:
            return "zone"

    moment, times = pandas.Timestamp("2026-01-01", tz=Zone()), pandas.Series(pandas.to_datetime(["2026"]))
    values = [Meta("Own", (), {})(), moment, times]
    asked.clear()
    assert [fingerprint(value) is None for value in values] == [True, True, False]
    assert asked == []


def test_a_fingerprint_is_the_same_in_another_process() -> None:
    text = "{'set': {'a', 'b', 'c', (1, 'd')}, 'frozen': frozenset('xyz'), 'list': [1.5, None, b'x', np.float32(2)]}"
    value = eval(text)
    code = (
        "import numpy as np; from colabpanel.services.snapshots.fingerprint import fingerprint; "
        f"print(fingerprint({text}))"
    )
    seen = set()
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        seen.add(done.stdout.strip())
    assert seen == {fingerprint(value)}


def test_a_look_copies_nothing_large() -> None:
    torch = pytest.importorskip("torch")
    large = np.zeros((4000, 4000))
    values = [
        large,
        large[:, ::2],
        large.T,
        torch.from_numpy(large).t(),
        torch.zeros(10_000_000).half()[::2],
        "x" * 50_000_000,
    ]
    tracemalloc.start()
    try:
        assert None not in map(fingerprint, values)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_of_many_members_some_from_all_over_are_looked_at() -> None:
    for many in (list(range(20_000)), {str(n): n for n in range(20_000)}, [[n] * 100 for n in range(2000)]):
        assert fingerprint(many) is not None
    images = [np.zeros((64, 64)) for _ in range(20_000)]
    before = fingerprint(images)
    for image in images[15_000:15_100]:
        image[:] = 1
    assert fingerprint(images) not in {before, None}
    assert fingerprint(set(range(20_000))) is None


def test_the_layout_of_an_array_does_not_count() -> None:
    torch = pytest.importorskip("torch")
    wide = np.arange(1_000_000.0).reshape(1000, 1000)
    assert fingerprint(np.asfortranarray(wide)) == fingerprint(wide)
    half = torch.from_numpy(wide).bfloat16()
    assert fingerprint(half.t()) not in {fingerprint(half), None}
    assert fingerprint(half.t()) == fingerprint(half.t().contiguous())
    assert fingerprint(np.float64(1)) not in {fingerprint(np.float64(2)), None}


def test_fingerprints_of_odd_arrays() -> None:
    wide = np.arange(10_000).reshape(100, 100)
    for array in (np.asfortranarray(wide), wide[::2, ::3], np.array(5), np.zeros((0, 3))):
        assert fingerprint(array) == fingerprint(array.copy(order="K"))
    assert fingerprint(np.array([object()])) is None
    assert fingerprint(wide) != fingerprint(wide.astype(float))


def test_nothing_of_a_class_of_the_notebook_is_run_to_tell_its_size() -> None:
    asked: list[str] = []
    space: dict[str, Any] = {"__name__": "__main__", "asked": asked, "numpy": np}
    exec(
        "class Model:\n"
        "    shape = property(lambda self: asked.append('shape'))\n"
        "    nbytes = property(lambda self: asked.append('nbytes'))\n"
        "    def __len__(self): asked.append('len')\n"
        "class Rows(list):\n"
        "    def __len__(self): asked.append('len')\n"
        "class Array(numpy.ndarray): pass\n"
        "model, rows, array = Model(), Rows([1, 2]), numpy.zeros((2, 3)).view(Array)\n",
        space,
    )
    shapes = {name: shape_of(space[name]) for name in ("model", "rows", "array")}
    assert size_of(space["model"]).held > 0
    assert asked == []
    assert shapes == {"model": "", "rows": "2", "array": "2 x 3 float64"}
    assert size_of(space["array"]).held == 48


class _Slotted:
    __slots__ = ("held", "unset")

    def __init__(self, held: object) -> None:
        self.held = held


def test_what_hides_in_fields_of_a_class_is_counted() -> None:
    text = "x" * 5_000_000
    for value in (_Slotted(text), functools.partial(print, text), _Slotted([text])):
        assert size_of(value).held > 5_000_000, value
    for hidden in ((one for one in [text]), iter([text])):
        assert size_of(hidden).at_least
    assert not size_of(_Slotted(1)).at_least
