"""Files of others, under the rules that hold for ours: what is plain loads, and what would run is named."""

from __future__ import annotations

import array
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from colabpanel.errors import ArchiveError, InputError, TrustError
from colabpanel.services.snapshots.catalog import contents
from colabpanel.services.snapshots.foreign.numpy_files import describe_npy
from colabpanel.services.snapshots.service import load

PLAIN = np.array([{"a": 1}, "text", None, (1, 2.5)], object)


class Runs:
    """What a file may not run, unless it is trusted."""

    def __reduce__(self) -> Any:
        return os.path.join, ("a", "b")


RUNS = np.array([Runs(), 1], object)


def _pickles(path: Path, *values: Any) -> Path:
    path.write_bytes(b"".join(pickle.dumps(value) for value in values))
    return path


def _needs(path: Path) -> dict[str, tuple[str, ...] | None]:
    return {variable.name: variable.needs for variable in contents(path).variables}


def test_arrays_of_plain_objects_load_as_their_pickles_do(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PLAIN)
    np.savez_compressed(tmp_path / "b.npz", x=PLAIN, y=np.arange(3))
    assert load(tmp_path / "a.npy")["a"].tolist() == PLAIN.tolist()
    found = load(tmp_path / "b.npz")
    assert found["x"].tolist() == PLAIN.tolist()
    assert found["y"].tolist() == [0, 1, 2]
    assert _needs(tmp_path / "b.npz") == {"x": (), "y": ()}


def test_what_an_array_of_objects_would_run_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", RUNS)
    np.savez(tmp_path / "b.npz", x=RUNS, y=np.arange(3))
    for path, name in ((tmp_path / "a.npy", "a"), (tmp_path / "b.npz", "x")):
        with pytest.raises(TrustError, match=f"{name} in {path.name}") as refused:
            load(path)
        assert "posixpath.join" in refused.value.hint
        assert load(path, trusted=True)[name].tolist() == ["a/b", 1]
        assert _needs(path)[name] == ("posixpath.join",)


def test_records_with_objects_ask_for_trust(tmp_path: Path) -> None:
    records = np.array([(1, {"a": 1})], [("n", "i4"), ("o", "O")])
    np.save(tmp_path / "a.npy", records)
    with pytest.raises(TrustError, match="no plain data"):
        load(tmp_path / "a.npy")
    assert load(tmp_path / "a.npy", trusted=True)["a"].tolist() == records.tolist()


def test_one_member_refuses_itself_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", x=RUNS, y=np.arange(3))
    assert load(tmp_path / "b.npz", names={"y": "z"})["z"].tolist() == [0, 1, 2]


def test_several_pickles_are_several_variables(tmp_path: Path) -> None:
    path = _pickles(tmp_path / "log.pkl", {"epoch": 1}, [1, 2], "three")
    assert load(path) == {"log": {"epoch": 1}, "log_2": [1, 2], "log_3": "three"}
    assert load(path, trusted=True) == load(path)
    assert load(path, names=["log_2"]) == {"log_2": [1, 2]}
    assert [(one.name, one.status) for one in contents(path).variables] == [
        ("log", "saved"),
        ("log_2", "saved"),
        ("log_3", "saved"),
    ]
    with pytest.raises(InputError, match="log_4") as missing:
        load(path, names=["log_4"])
    assert "log, log_2, log_3" in missing.value.hint


def test_of_several_pickles_one_that_runs_code_refuses_itself_alone(tmp_path: Path) -> None:
    path = _pickles(tmp_path / "log.pkl", 1, Runs(), 3)
    with pytest.raises(TrustError, match=r"log_2 in log\.pkl"):
        load(path)
    assert load(path, names=["log", "log_3"]) == {"log": 1, "log_3": 3}
    assert _needs(path) == {"log": (), "log_2": ("posixpath.join",), "log_3": ()}


@pytest.mark.parametrize("trusted", [False, True])
def test_a_pickle_that_is_cut_short_leaves_those_before_it(tmp_path: Path, trusted: bool) -> None:
    path = _pickles(tmp_path / "log.pkl", 1, list(range(100)))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ArchiveError) as damaged:
        load(path, trusted=trusted)
    assert "names=['log']" in damaged.value.hint
    assert load(path, names=["log"], trusted=trusted) == {"log": 1}
    last = contents(path).variables[-1]
    assert (last.name, last.status, last.note) == ("log_2", "skipped", "This is damaged or cut short.")


def test_padding_behind_a_pickle_is_none(tmp_path: Path) -> None:
    path = _pickles(tmp_path / "log.pkl", 1)
    path.write_bytes(path.read_bytes() + b"\0\0\r\n")
    assert load(path) == {"log": 1}
    assert len(contents(path).variables) == 1


def test_padding_behind_an_array_is_none_and_rubbish_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(3))
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(100))
    assert list(load(path)) == ["a"]
    assert len(contents(path).variables) == 1
    path.write_bytes(whole + b"rubbish")
    with pytest.raises(ArchiveError, match="no array"):
        load(path)
    assert load(path, names=["a"])["a"].tolist() == [0, 1, 2]


def test_several_arrays_are_several_variables(tmp_path: Path) -> None:
    record = np.array([(1, b"a"), (2, b"b")], [("n", "<i4"), ("t", "S3")])
    path = tmp_path / "a.npy"
    with path.open("wb") as stream:
        for array in (np.eye(2), PLAIN, record, np.zeros((0, 3)), np.asfortranarray(np.arange(6).reshape(2, 3))):
            np.save(stream, array)
    for in_place in (False, True):
        found = load(path, mmap=in_place)
        assert list(found) == ["a", "a_2", "a_3", "a_4", "a_5"]
        assert found["a_2"].tolist() == PLAIN.tolist()
        assert found["a_3"].tolist() == record.tolist()
        assert found["a_4"].shape == (0, 3)
        assert found["a_5"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert load(path, names=["a_5"])["a_5"].flags.f_contiguous
    assert [one.name for one in contents(path).variables] == list(found)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArchiveError) as damaged:
        load(path)
    assert "names=['a', 'a_2', 'a_3', 'a_4']" in damaged.value.hint
    assert list(load(path, names=["a_2", "a_4"])) == ["a_2", "a_4"]
    assert [one.status for one in contents(path).variables] == ["saved"] * 4 + ["skipped"]


@pytest.mark.filterwarnings("ignore:Stored array in format 3")
@given(
    hnp.arrays(
        hnp.scalar_dtypes() | hnp.unicode_string_dtypes() | hnp.byte_string_dtypes() | hnp.array_dtypes(),
        hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
    )
)
def test_where_one_array_ends_is_told_without_numpy(tmp_path_factory: pytest.TempPathFactory, array: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.npy"
    with path.open("wb") as stream:
        np.save(stream, array)
        np.save(stream, np.arange(3))
    assert [one.name for one in describe_npy(path)] == ["any", "any_2"]
    found = load(path)
    assert (found["any"].dtype, found["any"].shape) == (array.dtype, array.shape)
    assert found["any"].tobytes() == array.tobytes()
    assert found["any_2"].tolist() == [0, 1, 2]


def test_an_array_that_python_2_wrote(tmp_path: Path) -> None:
    header = b"{'descr': '<i4', 'fortran_order': False, 'shape': (2L,), }\n"
    head = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "a.npy").write_bytes(head + np.array([4, 5], "<i4").tobytes())
    assert contents(tmp_path / "a.npy").variables[0].shape == "2 <i4"
    with pytest.warns(UserWarning, match="Python 2"):
        assert load(tmp_path / "a.npy")["a"].tolist() == [4, 5]


@pytest.mark.parametrize("descr", ["'O'", "'object'", "'i4,O'", "[('a', 'i4,O')]", "[('a', 'O')]", "('O', (2,))"])
@pytest.mark.parametrize("in_place", [False, True])
def test_no_way_of_writing_a_type_makes_objects_of_bytes(tmp_path: Path, descr: str, in_place: bool) -> None:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n".encode()
    head = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "a.npy").write_bytes(head + bytes(range(1, 65)))
    with pytest.raises(ArchiveError):
        load(tmp_path / "a.npy", mmap=in_place)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_files_of_joblib_need_trust_and_say_so(tmp_path: Path, protocol: int) -> None:
    joblib, path = pytest.importorskip("joblib"), tmp_path / "model.pkl"
    joblib.dump({"w": np.arange(5), "deep": [np.eye(2)]}, path, protocol=protocol)
    with pytest.raises(TrustError, match="joblib"):
        load(path)
    assert load(path, trusted=True)["model"]["w"].tolist() == [0, 1, 2, 3, 4]
    assert _needs(path) == {"model": ("joblib.numpy_pickle.NumpyArrayWrapper",)}


def test_a_text_about_joblib_is_a_text(tmp_path: Path) -> None:
    text = "joblib.numpy_pickle\nNumpyArrayWrapper\n"
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(text))
    assert load(tmp_path / "a.pkl") == {"a": text}


@pytest.mark.parametrize("offsets", ["[0, -1]", "[0, NaN]", "[0, 1e999]"])
def test_sizes_of_tensors_are_numbers(tmp_path: Path, offsets: str) -> None:
    header = f'{{"w": {{"dtype": "F32", "shape": [1], "data_offsets": {offsets}}}}}'.encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(60))
    with pytest.raises(ArchiveError):
        contents(tmp_path / "a.safetensors")


def test_of_safetensors_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    tools = pytest.importorskip("safetensors.numpy")
    tools.save_file({"w": np.ones(3), "v": np.zeros(2)}, tmp_path / "a.safetensors")
    assert list(load(tmp_path / "a.safetensors", names=["v"])) == ["v"]


def test_a_type_whose_parts_are_fewer_than_none_is_damage(tmp_path: Path) -> None:
    header = b"{'descr': [('a', '|u1', (-128,))], 'fortran_order': False, 'shape': (1,), }"
    head = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "a.npy").write_bytes(head)
    for look in (contents, load):
        with pytest.raises(ArchiveError):
            look(tmp_path / "a.npy")


def test_a_pickle_ends_where_it_ends(tmp_path: Path) -> None:
    pickles = b"\x80\x04\x95" + (6).to_bytes(8, "little") + b"K\x01.K\x02.K\x03."
    (tmp_path / "a.pkl").write_bytes(pickles)
    assert load(tmp_path / "a.pkl") == {"a": 1, "a_2": 2, "a_3": 3}
    assert len(contents(tmp_path / "a.pkl").variables) == 3


ALIGNED = np.dtype([("a", "i1"), ("b", "i8")], align=True)
TITLED = np.dtype([(("title", "a"), "i4"), ("b", "f8")])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "value",
    [
        np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.zeros(3, ALIGNED),
        np.ones(3, TITLED),
        np.array(["", "a"]),
        np.array([np.str_(""), np.bytes_(b""), np.float32(2)], object),
        np.str_(""),
        np.empty((2, 0)),
    ],
    ids=["transposed", "fortran", "aligned", "titled", "text", "scalars", "nothing", "empty"],
)
def test_pickles_of_arrays_are_what_they_were(tmp_path: Path, value: Any, protocol: int) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
    found = load(tmp_path / "a.pkl")["a"]
    assert type(found) is type(value)
    assert found.dtype == value.dtype
    assert found.dtype.fields == value.dtype.fields
    assert found.dtype.isalignedstruct == value.dtype.isalignedstruct
    assert found.tolist() == value.tolist()
    assert np.shape(found) == np.shape(value)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_python(tmp_path: Path, protocol: int) -> None:
    value = [array.array("i", [1, 2]), array.array("d"), {"r": range(3), "l": [range(2)]}, b"", slice(1, None)]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
    assert load(tmp_path / "a.pkl")["a"] == value
