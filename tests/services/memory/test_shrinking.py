"""What would take less memory, and the changes that are safe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colabpanel.errors import InputError, JobCancelledError, SpaceError, StorageError
from colabpanel.hosts._base import IPythonHost
from colabpanel.services.memory.panel_calls import shrink_from_panel
from colabpanel.services.memory.shrinking import How, Saving, mapped, numbers, savings, shrink, texts
from colabpanel.services.memory.shrinking.models import Task, WouldChangeError
from colabpanel.services.memory.shrinking.numbers import INTEGERS
from tests.fakes import FakeHost, RecordingProgress

MB = 1 << 20
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the tests may lie in memory."""
    monkeypatch.setattr(mapped, "mount_of", lambda _path: ("/", "ext4"))


def found(host: Any) -> dict[tuple[str, How], Saving]:
    return {(saving.name, saving.how): saving for saving in savings(host=host)}


def test_small_integers(host: FakeHost) -> None:
    host.variables.update(bytes=np.arange(MB) % 100, shorts=np.arange(MB) % 3000, long=np.arange(MB) << 40)
    assert [(saving.name, saving.saved) for saving in savings(host=host)] == [("bytes", 7 * MB), ("shorts", 6 * MB)]
    saving = found(host)["bytes", "integers"]
    assert saving.lossless
    assert saving.safe
    assert saving.code == "bytes = bytes.astype('int8')"
    assert "wraps around beyond 127" in saving.sentence
    before = host.variables["bytes"].copy()
    shrunk = shrink("bytes", how="integers", host=host)
    assert host.variables["bytes"].dtype == np.int8
    assert np.array_equal(host.variables["bytes"], before)
    assert (shrunk.before, shrunk.after, shrunk.still_held, shrunk.file) == (8 * MB, MB, (), None)
    assert shrunk.freed is not None


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["int16", "int32", "int64", "uint8", "uint16", "uint64"]),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.integers(0, 70),
)
def test_whatever_integers_become_they_stay_the_same(kind: str, extreme: int, small: int) -> None:
    limits = np.iinfo(kind)
    array = np.array([small, min(max(extreme, int(limits.min)), int(limits.max)), 0], kind).reshape(3, 1)
    assert INTEGERS.make is not None
    try:
        made, _file = INTEGERS.make(array, Task("x", Path(), RecordingProgress()))
    except WouldChangeError:
        return
    assert made.dtype.itemsize < array.dtype.itemsize
    assert made.tolist() == array.tolist()


def test_floats_are_offered_only_where_they_stay_exact(host: FakeHost) -> None:
    exact = np.arange(MB, dtype=float)
    exact[7] = np.nan
    exact.flags.writeable = False
    large, inexact = np.full(MB, 1e300), RANDOM.random(MB)
    host.variables.update(exact=exact, inexact=inexact, large=large)
    del exact
    rows = found(host)
    assert rows["exact", "float32"].safe
    assert not rows["inexact", "float32"].lossless
    assert "change by up to 3e-08" in rows["inexact", "float32"].sentence
    assert "become infinite" in rows["large", "float32"].sentence
    assert shrink("exact", how="float32", host=host).after == 4 * MB
    assert not host.variables["exact"].flags.writeable
    with pytest.raises(InputError, match="left to you") as caught:
        shrink("inexact", how="float32", host=host)
    assert caught.value.hint == "Run: inexact = inexact.astype('float32')"
    assert host.variables["inexact"] is inexact


def test_every_value_is_looked_at_before_anything_changes(host: FakeHost) -> None:
    floats, whole = np.zeros(MB), np.zeros(MB, int)
    floats[12_345], whole[12_345] = 0.1, 1 << 40
    host.variables.update(floats=floats, whole=whole)
    assert set(found(host)) == {("floats", "float32")}, "the sample does not see it"
    with pytest.raises(InputError, match="would not stay") as caught:
        shrink("floats", how="float32", host=host)
    assert "floats.astype" in caught.value.hint
    with pytest.raises(InputError, match="would not become smaller"):
        shrink("whole", how="integers", host=host)
    assert host.variables["floats"] is floats
    assert host.variables["whole"] is whole


def test_a_value_that_changes_meanwhile_is_noticed(host: FakeHost) -> None:
    host.variables["array"] = array = np.zeros(3 * MB, int)

    class Meddling(RecordingProgress):
        def advance(self, amount: int = 1) -> None:
            array[-1] = 5 if amount else 0
            super().advance(amount)

    with pytest.raises(InputError, match="would not stay"):
        shrink("array", how="integers", host=host, progress=Meddling())
    with pytest.raises(JobCancelledError):
        shrink("array", how="integers", host=host, progress=RecordingProgress(cancel_after=1))
    assert host.variables["array"] is array


def _frame() -> Any:
    pandas = pytest.importorskip("pandas")
    count = MB
    return pandas.DataFrame(
        {
            "id": np.arange(count),
            "x": np.arange(count) / 2,
            "random": RANDOM.random(count),
            "kind": pandas.Series(np.array(["one", "two", "three"], object)[np.arange(count) % 3], dtype=object),
            "text": pandas.Series([f"text {number % 5}" for number in range(count)], dtype=object),
            "other": pandas.Series([f"other {number}" for number in range(count)], dtype=object),
            7: np.arange(count) % 7,
            (1, 2): np.arange(count) % 7,
        }
    )


def test_columns_of_frames(host: FakeHost) -> None:
    frame = _frame()
    frame.loc[3, "text"] = float("nan")
    host.variables["frame"] = frame
    rows = found(host)
    assert rows["frame", "integers"].code == "frame = frame.astype({'id': 'int32', 7: 'int8'})"
    assert rows["frame", "category"].code == "frame = frame.astype({'kind': 'category', 'text': 'category'})"
    assert not rows["frame", "float32"].safe
    copy = frame.copy()
    for how in ("integers", "category"):
        shrunk = shrink("frame", how=how, host=host)
        assert shrunk.after < shrunk.before
    made = host.variables["frame"]
    assert [str(dtype) for dtype in made.dtypes] == [
        *("int32", "float64", "float64", "category", "category", "object", "int8", "int64")
    ]
    assert made.astype(copy.dtypes.to_dict()).equals(copy)
    assert not any(np.shares_memory(block.values, other.values) for block, other in _blocks(made, frame))


def _blocks(one: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    plain = [[block for block in frame._mgr.blocks if isinstance(block.values, np.ndarray)] for frame in (one, other)]
    return ((first, second) for first in plain[0] for second in plain[1])


def test_columns_alone_and_frames_that_are_exact(host: FakeHost) -> None:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series([f"text {number % 5}" for number in range(MB)])
    halves = pandas.DataFrame({"a": np.arange(MB) / 2, "b": np.arange(MB) / 4})
    host.variables.update(series=series, halves=halves, whole=pandas.Series(np.arange(MB)))
    rows = found(host)
    assert rows["series", "category"].code == "series = series.astype('category')"
    assert rows["whole", "integers"].code == "whole = whole.astype('int32')"
    for name, how in (("series", "category"), ("halves", "float32"), ("whole", "integers")):
        shrink(name, how=how, host=host)  # type: ignore[arg-type]
    assert host.variables["series"].astype(series.dtype).equals(series)
    assert host.variables["halves"].astype(float).equals(halves)
    assert str(host.variables["whole"].dtype) == "int32"


def test_texts_that_are_not_all_texts_are_left_alone(host: FakeHost) -> None:
    pandas = pytest.importorskip("pandas")
    mixed = pandas.Series(["a", 1, True, 1.0] * (MB // 4), dtype=object)
    hidden = pandas.Series(["some text"] * MB, dtype=object)
    host.variables.update(
        mixed=mixed,
        missing=pandas.Series(["some text", None] * (MB // 2), dtype=object),
        hidden=hidden,
        twice=pandas.DataFrame(np.zeros((MB, 2), int), columns=["a", "a"]),
        empty=pandas.Series([], dtype=object),
    )
    assert set(found(host)) == {("hidden", "category")}
    hidden.iloc[12_345] = None
    with pytest.raises(InputError, match="would not stay"):
        shrink("hidden", how="category", host=host)
    assert host.variables["hidden"] is hidden


def test_a_frame_whose_floats_turn_out_inexact_keeps_those(host: FakeHost) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": np.zeros(MB), "b": np.zeros(MB)})
    frame.loc[12_345, "a"] = 0.1
    host.variables["frame"] = frame
    shrink("frame", how="float32", host=host)
    assert [str(dtype) for dtype in host.variables["frame"].dtypes] == ["float64", "float32"]


def test_parts_that_keep_a_large_array_alive(host: FakeHost) -> None:
    pandas, torch = pytest.importorskip("pandas"), pytest.importorskip("torch")
    column = pandas.DataFrame(np.zeros((MB, 8)))[[0]]
    host.variables.update(
        part=np.arange(MB)[5:10],
        tensor=torch.arange(MB)[5:10],
        trained=torch.zeros(MB, requires_grad=True)[5:10],
        rows=pandas.DataFrame(np.zeros((MB, 2)), copy=False)[10:20],
        half=np.zeros(MB)[: MB // 2 + 1],
        column=column,
    )
    rows = found(host)
    assert {name for name, how in rows if how == "copy"} >= {"part", "tensor", "rows"}
    assert not {("trained", "copy"), ("half", "copy")} & set(rows)
    assert rows["part", "copy"].sentence.startswith("It is 40 bytes of 8.0 MB")
    assert rows["tensor", "copy"].code == "tensor = tensor.clone()"
    assert not rows["tensor", "copy"].safe
    for name in ("part", "rows"):
        assert shrink(name, how="copy", host=host).after < 1000
    assert host.variables["part"].tolist() == [5, 6, 7, 8, 9]
    assert host.variables["part"].base is None
    assert len(host.variables["rows"]) == 10


def test_a_part_of_what_something_else_holds_is_left_alone(host: FakeHost) -> None:
    """A module's buffer, for example, in which the part writes."""
    buffer = np.zeros(4_000_000)
    host.variables["part"] = buffer[:100]
    (saving,) = savings(host=host)
    assert not saving.safe
    assert "Something else refers to the whole" in saving.sentence
    with pytest.raises(InputError):
        shrink("part", how="copy", host=host)
    assert host.variables["part"].base is buffer


def test_missing_texts_that_would_become_something_else_stay(host: FakeHost) -> None:
    pandas = pytest.importorskip("pandas")
    texts = ["a repeated text", "another one"] * MB
    host.variables.update(
        whole=pandas.Series(texts, dtype="string"), holes=pandas.Series([*texts, None], dtype="string")
    )
    assert {name for name, how in found(host) if how == "category"} == {"whole"}


def test_a_column_may_have_an_entry_of_any_name(host: FakeHost) -> None:
    pandas = pytest.importorskip("pandas")
    host.variables["series"] = pandas.Series(np.zeros(MB), index=["columns", *range(MB - 1)])
    for _, how in found(host):
        shrink("series", how=how, host=host)


def test_large_arrays_become_files(host: FakeHost) -> None:
    rows = RANDOM.random((1 << 11, 1 << 12))
    host.variables.update(rows=rows.copy(), columns=np.asfortranarray(rows), strided=np.ones((8 * MB, 2))[:, 0])
    files = {name for name, how in found(host) if how == "file"}
    assert files == {"rows", "columns"}
    for name in files:
        progress = RecordingProgress()
        shrunk = shrink(name, how="file", host=host, progress=progress)
        assert shrunk.file is not None
        assert shrunk.file.parent == host.workspace
        assert (shrunk.before, shrunk.after) == (64 * MB, 0)
        assert progress.done == 128 * MB
        made = host.variables[name]
        assert np.array_equal(made, rows)
        assert made.flags.f_contiguous == (name == "columns")
        made[0, 0] = 7
        assert np.load(shrunk.file, mmap_mode="r")[0, 0] == rows[0, 0], "the file stays what it was"


def test_a_file_that_cannot_be_is_not_left_half_written(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.zeros(8 * MB)
    host.variables["array"] = array
    with pytest.raises(JobCancelledError):
        shrink("array", how="file", host=host, progress=RecordingProgress(cancel_after=20 * MB))
    with pytest.raises(JobCancelledError):
        shrink("array", how="file", host=host, progress=RecordingProgress(cancel_after=80 * MB))
    monkeypatch.setattr(mapped, "mount_of", lambda _path: ("/", "tmpfs"))
    with pytest.raises(InputError, match="not on a disk"):
        shrink("array", how="file", host=host)
    monkeypatch.setattr(mapped, "mount_of", lambda _path: ("/", "ext4"))
    monkeypatch.setattr(mapped, "free_bytes", lambda _path: 70 * MB)
    with pytest.raises(SpaceError, match="would not fit"):
        shrink("array", how="file", host=host)
    assert os.listdir(host.workspace) == []
    assert host.variables["array"] is array


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_disk_is_told(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.variables["array"] = array = np.zeros(8 * MB)

    def write(value: Any, _file: Any, _task: Task) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(value.data)

    monkeypatch.setattr(mapped, "_write_values", write)
    with pytest.raises(StorageError, match="disk is full"):
        shrink("array", how="file", host=host)
    assert os.listdir(host.workspace) == []
    assert host.variables["array"] is array


def test_a_file_that_reads_differently_is_deleted(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.variables["array"] = array = np.zeros(8 * MB)

    def write(value: Any, file: Any, _task: Task) -> None:
        file.write(bytes(value.nbytes - 1) + b"\1")

    monkeypatch.setattr(mapped, "_write_values", write)
    with pytest.raises(InputError, match="would not stay"):
        shrink("array", how="file", host=host)
    assert os.listdir(host.workspace) == []
    assert host.variables["array"] is array


def test_lists_are_only_talked_about(host: FakeHost) -> None:
    host.variables.update(
        arrays=[np.full(8, number) for number in range(20_000)],
        floats=[number + 0.5 for number in range(MB)],
        whole=list(range(1000, MB)),
        mixed=[1000.5, "text"] * MB,
        uneven=[np.zeros(number % 7) for number in range(20_000)],
        views=[np.zeros(100)[:50] for _ in range(20_000)],
    )
    rows = found(host)
    assert {name for name, how in rows if how == "one_array"} == {"arrays", "floats", "whole"}
    assert rows["arrays", "one_array"].code == "arrays = numpy.stack(arrays)"
    assert rows["arrays", "one_array"].lossless
    with pytest.raises(InputError, match="nothing can be appended") as caught:
        shrink("floats", how="one_array", host=host)
    assert caught.value.hint == "Run: floats = numpy.array(floats)"


def test_what_others_use_is_not_replaced(host: FakeHost) -> None:
    array = np.zeros(MB, int)
    host.variables.update(array=array, same=array, view=array[5:], listed=[array])
    assert savings(host=host) == []
    with pytest.raises(InputError, match="shares its memory with same, view, listed") as caught:
        shrink("array", how="integers", host=host)
    assert "others" in caught.value.hint
    assert host.variables["array"] is array


def test_outputs_keep_the_old_one(notebook: IPythonHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook.shell.run_cell("import numpy as np\narray = np.zeros(1 << 20, int)\narray", store_history=True)
    with pytest.raises(InputError, match="with Out") as caught:
        shrink("array", how="integers", host=notebook)
    assert "history=True" in caught.value.hint


def test_who_still_holds_the_old_one_is_said(host: FakeHost) -> None:
    array = host.variables.setdefault("array", np.zeros(MB, int))
    shrunk = shrink("array", how="integers", host=host)
    assert {one.kind for one in shrunk.still_held} <= {"hidden", "running"}  # by the version of Python
    assert shrunk.still_held
    assert array.dtype == np.int64


def test_what_cannot_be_shrunk(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.variables.update(small=np.zeros(5, int), array=np.zeros(MB, int), objects=np.array([None] * MB))
    with pytest.raises(InputError, match="no variable gone"):
        shrink("gone", how="integers", host=host)
    for name, how in (("small", "integers"), ("array", "nonsense"), ("objects", "integers"), ("small", "file")):
        with pytest.raises(InputError, match="would not become smaller"):
            shrink(name, how=how, host=host)  # type: ignore[arg-type]

    def no_memory(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(numbers, "_as", no_memory)
    with pytest.raises(SpaceError, match="not enough memory"):
        shrink("array", how="integers", host=host)
    host.is_served = True
    with pytest.raises(InputError, match="no notebook"):
        shrink("array", how="integers", host=host)


def test_advice_never_fails(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    host.variables.update(array=np.zeros(MB, int), frame=pandas.DataFrame({"a": ["x"] * MB}))

    def fail(*_: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(numbers, "_smaller_integer", fail)
    monkeypatch.setitem(numbers._CHOICES, "integers", fail)
    monkeypatch.setattr(texts, "_may_be_text", fail)
    assert savings(host=host) == []


def test_without_the_libraries_there_is_nothing_to_shrink(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.variables["rows"] = [str(number) for number in range(100_000)]
    for name in ("numpy", "pandas", "torch"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert savings(host=host) == []


def test_the_panel_shrinks_on_the_main_thread(host: FakeHost) -> None:
    host.variables["array"] = np.zeros(MB, int)
    progress = RecordingProgress()
    assert shrink_from_panel(progress, host, "array", "integers").after == MB
    assert [phase for _total, phase in progress.phases] == ["Waiting until no cell runs", "Converting"]


def test_what_is_said_of_integers_holds_for_all_of_them(host: FakeHost) -> None:
    host.variables["labels"] = np.zeros(1_000_000, "i8")
    host.variables["labels"][777_777] = 70_000
    saving = found(host)["labels", "integers"]
    assert (saving.code, saving.saved) == ("labels = labels.astype('int32')", 4_000_000)
