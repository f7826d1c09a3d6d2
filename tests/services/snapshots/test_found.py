"""What a hostile tester found, and stays mended."""

from __future__ import annotations

import array
import json
import types
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from colabpanel.errors import ColabPanelError, InputError
from colabpanel.services.snapshots import trust
from colabpanel.services.snapshots.catalog import contents, delete_snapshot, snapshots
from colabpanel.services.snapshots.exporting import export_snapshot
from colabpanel.services.snapshots.service import dump, load


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.snapshot.zip"


def _trip(path: Path, variables: dict[str, Any]) -> dict[str, Any]:
    assert dump(path, variables).status == "ok"
    return load(path)


def test_views_without_strides(path: Path) -> None:
    a = np.arange(10.0)
    found = _trip(path, {"a": a, "row": a[None, :], "column": a[:, None], "wide": np.broadcast_to(a, (3, 10))})
    np.testing.assert_array_equal(found["wide"], np.broadcast_to(a, (3, 10)))
    found["a"][0] = 9
    assert found["row"][0, 0] == found["column"][0, 0] == 9


def test_frames_that_copy_on_write_share_nothing(path: Path) -> None:
    pandas = pytest.importorskip("pandas", minversion="3")
    frame = pandas.DataFrame({"a": [1.0, 2, 3], "b": [4.0, 5, 6]})
    found = _trip(path, {"frame": frame, "series": frame["a"], "array": frame["a"].to_numpy()})
    found["series"].iloc[0] = 99
    found["array"][1] = 98
    pandas.testing.assert_frame_equal(found["frame"], frame)
    again = _trip(path, {"one": frame, "two": frame, "part": frame.iloc[:2]})
    assert again["one"] is again["two"]
    again["part"].iloc[0, 0] = 5
    pandas.testing.assert_frame_equal(again["one"], frame)


def test_arrays_share_memory_that_none_of_them_owns(path: Path) -> None:
    memory = bytearray(64)
    table = np.zeros((100, 100))
    found = _trip(
        path,
        {
            "a": np.frombuffer(memory, "u1"),
            "b": np.frombuffer(memory, "u1"),
            "column": table[:, 3],
            "same": table[:, 3],
        },
    )
    found["a"][0] = 7
    found["column"][5] = 7
    assert found["b"][0] == found["same"][5] == 7


def test_tensors_and_arrays_share_memory(path: Path) -> None:
    torch = pytest.importorskip("torch")
    a = np.arange(6.0)
    found = _trip(path, {"a": a, "t": torch.from_numpy(a)})
    found["t"][0] = 50
    assert found["a"][0] == 50


def test_what_can_change_is_the_same_object_in_both(path: Path) -> None:
    generator, objects = np.random.default_rng(0), np.array(["x", "y", None] * 500, object)
    found = _trip(
        path, {"g": generator, "h": {"g": generator}, "a": objects, "b": objects, "old": np.random.RandomState(1)}
    )
    assert found["g"] is found["h"]["g"]
    assert found["a"] is found["b"]


def test_what_cannot_change_keeps_variables_apart(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    dump(
        path,
        {
            "plain": np.array([1, "x"], object),
            "code": np.array([pandas.offsets.Day(1), lambda: 1], object),
            "time": pandas.Timestamp("2020"),
            "other": [pandas.Timestamp("2020"), np.float32(1), len],
        },
    )
    monkeypatch.setattr("colabpanel.services.snapshots.reader.is_signed_by_us", lambda *_: False)
    assert load(path, names=["plain"])["plain"].tolist() == [1, "x"]
    assert load(path, names=["time"])["time"] == pandas.Timestamp("2020")


def test_frequencies_that_text_does_not_say(path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    index = pandas.date_range("2020", periods=4, freq=pandas.DateOffset(months=1))
    snapshot = dump(path, {"index": index, "frame": pandas.DataFrame({"a": range(4)}, index=index)})
    assert "frequency" in snapshot.variables[0].note
    assert load(path)["index"].tolist() == index.tolist()


def test_an_animation_at_a_later_frame(path: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    frames = [image.new("RGB", (8, 8), (90 * number, 20, 99)) for number in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with image.open(tmp_path / "a.gif") as opened:
        assert _trip(path, {"i": opened})["i"].n_frames == 3
        opened.seek(1)
        snapshot = dump(path, {"i": opened})
        assert snapshot.variables[0].note == "Of several frames the one that is shown is kept."
        assert load(path)["i"].tobytes() == opened.tobytes()


def test_exports_do_not_write_over_each_other(path: Path, tmp_path: Path) -> None:
    dump(path, {"a/b": 1, "a_b": 2, "A_B": 3, "bad": "\udc80"})
    found = export_snapshot(path, tmp_path / "out")
    assert [file.name for file in found.files] == ["a_b.json", "a_b-2.json", "A_B-3.json"]
    assert [pair[0] for pair in found.skipped] == ["bad"]


@pytest.mark.parametrize("name", ["\ud83d\ude00", "\udc80"])
def test_names_that_are_no_text(path: Path, name: str) -> None:
    with pytest.raises(InputError, match="Variables have names"):
        dump(path, {name: 1})


class Raising:
    """Objects that fail when they are looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError

    def __sizeof__(self) -> int:
        raise RuntimeError


class Silent(Exception):  # noqa: N818 - what it is called is not the point
    def __str__(self) -> str:
        raise RuntimeError


class Failing:
    def __reduce__(self) -> Any:
        raise Silent


class Once:
    """Can be pickled once only."""

    def __init__(self) -> None:
        self.left = 1

    def __reduce__(self) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError("only once")
        return list, ()


def test_odd_objects_do_not_lose_the_others(path: Path) -> None:
    nameless = types.ModuleType("x")
    del nameless.__dict__["__name__"]
    shared = [1]
    once = Once()
    variables = {
        "raising": Raising(),
        "failing": Failing(),
        "mock": Mock(spec=types.ModuleType),
        "nameless": nameless,
        "once": [once, shared],
        "again": [shared],
        "fine": [1],
    }
    assert "fine" in dump(path, variables).saved
    assert load(path, names=["fine"]) == {"fine": [1]}


def test_arrays_of_the_standard_library(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colabpanel.services.snapshots.reader.is_signed_by_us", lambda *_: False)
    assert _trip(path, {"a": array.array("d", [1.5])})["a"] == array.array("d", [1.5])


def test_a_base_that_is_gone_is_not_built_on(tmp_path: Path) -> None:
    large, (a, b, c) = np.random.default_rng(0).random(10_000), (tmp_path / f"{n}.snapshot.zip" for n in "abc")
    dump(a, {"large": large})
    dump(b, {"large": large, "n": 1}, base=a)
    a.unlink()
    assert dump(c, {"large": large}, base=b).reused == 0
    np.testing.assert_array_equal(load(c)["large"], large)
    for name in ("one.zip", ".x.snapshot.zip"):
        with pytest.raises(InputError, match="with such a name"):
            dump(tmp_path / name, {"n": 1}, base=c)


def test_a_base_under_another_name_is_needed_all_the_same(tmp_path: Path) -> None:
    large, (a, b) = np.arange(10_000), (tmp_path / f"{n}.snapshot.zip" for n in "ab")
    dump(a, {"large": large})
    dump(b, {"large": large}, base=a)
    a.rename(tmp_path / "renamed.snapshot.zip")
    with pytest.raises(InputError, match="builds on"):
        delete_snapshot(tmp_path / "renamed.snapshot.zip")


def _damage(path: Path, change: Any, method: int = zipfile.ZIP_STORED, signature: bytes = b"x") -> None:
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.read("manifest.json"))
        others = {name: archive.read(name) for name in archive.namelist() if not name.startswith("manifest")}
    change(told)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in others.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", json.dumps(told), method)
        archive.writestr("manifest.sig", signature)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["skeletons"][0].update(offset="a"),
        lambda told: told["skeletons"][0].update(offset=-(10**20)),
        lambda told: told["skeletons"][0].update(names=[["x"]]),
        lambda told: told["skeletons"][0].update(names=["other"]),
        lambda told: told["variables"][0].update(size="a"),
        lambda told: told["variables"][0].update(name=[1]),
        lambda told: told.update(arrays=["a"]),
        lambda told: told.update(created="x"),
        lambda told: told.update(versions=[]),
        lambda told: told.update(leaves=[1]),
        lambda told: told.update(more=[[]] * 6_000_000),
    ],
    ids=range(11),
)
def test_lists_of_contents_that_are_not_what_they_should_be(path: Path, change: Any) -> None:
    dump(path, {"a": np.arange(3)})
    _damage(path, change)
    with pytest.raises(ColabPanelError):
        load(path, names=["a"])
    with pytest.raises(ColabPanelError):
        load(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_compressed_lists_of_contents_are_refused(path: Path, method: int) -> None:
    dump(path, {"a": 1})
    _damage(path, lambda told: None, method)
    with pytest.raises(ColabPanelError):
        contents(path)
    assert snapshots(path.parent)[0].problem


@pytest.mark.parametrize("signature", ["\ufffd\ufffd", "none", "", "0" * 64])
def test_odd_signatures(signature: str) -> None:
    trust.signature_of(b"data")
    assert not trust.is_signed_by_us(b"data", signature)


def test_a_signature_without_end(path: Path) -> None:
    dump(path, {"a": 1})
    _damage(path, lambda told: None, signature=bytes(5000))
    with pytest.raises(ColabPanelError, match="not a snapshot"):
        contents(path)


def test_damaged_files_of_others(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(100))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[200] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    (tmp_path / "short.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "wide.npy").write_bytes(b"\x93NUMPY\x02\x00" + (1 << 22).to_bytes(4, "little") + b"(1," * 1_400_000)
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }\n"
    (tmp_path / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    for name in ("a.npz", "short.npy", "wide.npy", "huge.npy"):
        with pytest.raises(ColabPanelError):
            load(tmp_path / name)
    for name in ("short.npy", "wide.npy", "huge.npy"):
        with pytest.raises(ColabPanelError):
            contents(tmp_path / name)


def test_weights_of_types_that_numpy_has_not(tmp_path: Path) -> None:
    torch, tools = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    tools.save_file({"w": torch.ones(3, dtype=torch.bfloat16)}, tmp_path / "a.safetensors")
    found = load(tmp_path / "a.safetensors")["w"]
    assert np.asarray(found.float() if hasattr(found, "float") else found).astype(float).tolist() == [1, 1, 1]


def test_five_thousand_variables_in_seconds(path: Path) -> None:
    variables = {f"v{number}": np.full(3, number) for number in range(5000)}
    found = _trip(path, variables)
    assert found["v4999"].tolist() == [4999] * 3
