"""Dumping and loading: what is saved, what is told, and what the file is."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import struct
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import colabpanel
from colabpanel.errors import ArchiveError, InputError, MissingLibraryError, OutsideRootError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.limits.amounts import Amount
from colabpanel.services.limits.applying import Limit
from colabpanel.services.snapshots import codecs, namespace, pickling
from colabpanel.services.snapshots.catalog import contents
from colabpanel.services.snapshots.codecs import _registry
from colabpanel.services.snapshots.codecs._base import Codec, built
from colabpanel.services.snapshots.exporting import export_snapshot
from colabpanel.services.snapshots.panel_calls import dump_chosen, load_chosen
from colabpanel.services.snapshots.service import draft, dump, dump_summary, load
from tests.fakes import FakeHost, RecordingProgress


class Box:
    def __init__(self, value: Any) -> None:
        self.value = value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.snapshot.zip"


def test_what_cannot_be_saved_is_named_and_the_rest_is_saved(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (tmp_path / "file").open() as stream:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        variables = {
            "good": [1],
            "generator": (n for n in "a"),
            "lock": {"inside": threading.Lock()},
            "stream": stream,
            "json": json,
            "np": np,
            "deep": deep,
            "also": np.arange(3),
        }
        snapshot = dump(path, variables)
        while deep:
            deep = deep[0]
    assert (snapshot.status, snapshot.saved) == ("partial", ("good", "also"))
    notes = {variable.name: variable.note for variable in snapshot.variables}
    assert "generator" in notes["generator"]
    assert "lock" in notes["lock"]
    assert "open file" in notes["stream"]
    assert "nested too deeply" in notes["deep"]
    assert (notes["json"], notes["np"]) == ("import json", "import numpy as np")
    assert set(load(path)) == {"good", "also"}
    assert "Saved 2 variables" in dump_summary(snapshot)
    assert "4 variables could not be saved" in dump_summary(snapshot)
    assert [variable.status for variable in contents(path).variables].count("skipped") == 4


def test_objects_that_fail_in_odd_ways_are_reasons_too(path: Path) -> None:
    class Odd:
        def __reduce__(self) -> Any:
            raise ZeroDivisionError("in <it>")

    snapshot = dump(path, {"odd": Odd(), "fine": 1})
    assert snapshot.skipped[0].note == "It cannot be saved: in <it>"
    assert pickling._reason(ValueError()) == "It cannot be saved (ValueError)."
    assert "FooBar object" in pickling._reason(TypeError("cannot pickle 'FooBar' object"))


def test_aliases_are_kept_within_and_across_variables(path: Path) -> None:
    shared, array, box = [1], np.arange(100), Box(None)
    box.value = box
    cycle: list[Any] = []
    cycle.append(cycle)
    variables = {
        "a": {"x": shared, "array": array},
        "b": [shared, box],
        "box": box,
        "array": array,
        "view": array[10:20],
        "turned": array.reshape(10, 10).T,
        "cycle": cycle,
        "alone": [1],
    }
    dump(path, variables)
    found = load(path)
    assert found["a"]["x"] is found["b"][0]
    assert found["b"][1] is found["box"] is found["box"].value
    assert found["a"]["array"] is found["array"]
    assert found["cycle"][0] is found["cycle"]
    found["array"][15] = 99
    assert found["view"][5] == found["turned"][5, 1] == 99
    assert load(path, names=["view"])["view"].tolist() == list(range(10, 20))
    assert load(path, names=["alone"]) == {"alone": [1]}
    with zipfile.ZipFile(path) as archive:
        assert sum(name.endswith(".npy") for name in archive.namelist()) == 1


def test_views_without_their_whole_share_what_they_span(path: Path) -> None:
    array = np.arange(1_000_000)
    dump(
        path, {"a": array[100:200], "b": array[150:300:2], "far": array[900_000:900_010], "reversed": array[120:100:-1]}
    )
    found = load(path)
    assert found["far"].tolist() == list(range(900_000, 900_010))
    assert found["reversed"].tolist() == list(range(120, 100, -1))
    found["a"][50] = -1
    assert found["b"][0] == -1
    assert path.stat().st_size < 20_000


def test_lists_of_arrays_keep_their_aliases(path: Path) -> None:
    images = [np.full(300, number) for number in range(50)]
    dump(path, {"images": images, "first": images[0], "part": images[3][:10], "again": {"images": images}})
    found = load(path)
    assert found["first"] is found["images"][0]
    assert found["images"] is found["again"]["images"]
    found["images"][3][0] = 99
    assert found["part"][0] == 99
    dump(path, {"images": images, "last": images[-1]})
    found = load(path)
    assert found["last"] is found["images"][-1]
    assert load(path, names=["last"])["last"].tolist() == [49] * 300
    dump(path, {"images": images, "some": images[10:40], "all": list(images)})
    found = load(path)
    assert found["some"][0] is found["images"][10]
    assert found["all"][49] is found["images"][49]


def test_many_objects_are_kept_together_rather_than_compared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickling, "_COMPARED", 1)
    shared = {"n": 1}
    rows = [shared, *({"n": number} for number in range(500))]
    dump(path, {"rows": rows, "one": [shared], "text": "alone"})
    found = load(path)
    assert found["one"][0] is found["rows"][0]
    assert len(contents(path).variables) == 3


def test_the_file_is_a_zip_that_others_read(path: Path, tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((300, 400))
    dump(path, {"array": array, "images": [np.zeros((8, 8), np.uint8)] * 2, "text": "x"})
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        data = path.read_bytes()
        for info in archive.infolist():
            start = info.header_offset
            lengths = struct.unpack_from("<HH", data, start + 26)
            assert (start + 30 + sum(lengths)) % 64 == 0
    with np.load(path) as found:
        name = next(name for name in found.files if name.startswith("leaves/"))
        np.testing.assert_array_equal(found[name], array)
    assert subprocess.run(["unzip", "-tqq", str(path)], check=False).returncode == 0


def test_names_and_prefixes(path: Path) -> None:
    dump(path, {"a": 1, "b": [2]})
    into: dict[str, Any] = {"kept": 0}
    assert load(path, names="a", into=into) == {"a": 1}
    assert load(path, names={"a": "x", "b": "y"}, into=into) == {"x": 1, "y": [2]}
    assert into == {"kept": 0, "a": 1, "x": 1, "y": [2]}
    with pytest.raises(InputError, match="no variable called 'z'") as caught:
        load(path, names=["z"])
    assert "a, b" in caught.value.hint
    with pytest.raises(InputError, match="both be called 'x'"):
        load(path, names={"a": "x", "b": "x"})


def test_dump_takes_the_notebook_s_variables(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Shell:
        user_ns: ClassVar[dict[str, Any]] = {
            "x": 1,
            "y": [2],
            "_hidden": 3,
            "In": [],
            "exit": print,
            "np": np,
            "mine": 5,
            "quit": 7,
        }
        user_ns_hidden: ClassVar[dict[str, Any]] = {"mine": 4, "exit": print}

    class Host:
        shell = Shell()

        def namespace(self) -> dict[str, Any]:
            return Shell.user_ns

    monkeypatch.setattr("colabpanel.services.snapshots.service.detect", Host)
    assert dump(path).saved == ("x", "y", "mine")
    assert dump(path, names=["x"]).saved == ("x",)
    with pytest.raises(InputError, match="no variable called 'zz'"):
        dump(path, names=["zz"])
    Shell.user_ns.clear()
    with pytest.raises(InputError, match="nothing to save"):
        dump(path)


def test_paths_that_cannot_be_used(path: Path, tmp_path: Path) -> None:
    with pytest.raises(PathError, match="is a folder"):
        dump(tmp_path, {"a": 1})
    with pytest.raises(OutsideRootError):
        dump(path, {"a": 1}, root=tmp_path / "elsewhere")
    with pytest.raises(OutsideRootError):
        load(path, root=tmp_path / "elsewhere")
    with pytest.raises(PathError, match="does not exist"):
        load(path)
    with pytest.raises(InputError, match="Variables have names"):
        dump(path, {1: 2})  # type: ignore[dict-item]
    with pytest.raises(StorageError, match="Google Drive is not mounted"):
        dump("/content/drive/MyDrive/a.zip", {"a": 1})
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(ArchiveError, match="not a file of variables"):
        load(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "files.zip", "w") as archive:
        archive.writestr("a.jpg", b"x")
    with pytest.raises(ArchiveError, match="is an archive of files"):
        load(tmp_path / "files.zip")


def test_not_enough_memory_is_told_before_it_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    little = Limit(Amount((1 << 30) - (1 << 20), 1 << 30), "container")
    monkeypatch.setattr(namespace, "applying_limit", lambda: little)
    monkeypatch.setattr(namespace, "_SPARE", 1 << 20)
    with pytest.raises(InputError, match=r"takes about .* of memory"):
        dump(path, {"rows": [{"n": n, "t": f"text {n}"} for n in range(100_000)]})
    assert dump(path, {"array": np.zeros(10_000_000)}).status == "ok"


def test_mmap_reads_in_place(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.arange(1000.0)
    dump(path, {"array": array, "stack": [np.full(20, n) for n in range(30)], "turned": np.asfortranarray(np.eye(5))})
    found = load(path, mmap=True)
    np.testing.assert_array_equal(found["array"], array)
    np.testing.assert_array_equal(found["turned"], np.eye(5))
    found["array"][0] = 5
    assert load(path)["array"][0] == 0
    assert found["stack"][3].tolist() == [3] * 20
    monkeypatch.setattr("colabpanel.services.snapshots.service.is_remote", lambda _: True)
    with pytest.raises(InputError, match="Drive or a network"):
        load(path, mmap=True)


def test_on_drive_it_is_read_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colabpanel.services.snapshots.writer.is_remote", lambda _: True)
    progress = RecordingProgress()
    dump(path, {"array": np.arange(200_000), "plain": [1]}, progress=progress)
    assert [phase for _, phase in progress.phases] == ["Saving", "Verifying", "Putting it into place"]
    assert load(path)["plain"] == [1]
    real = colabpanel.services.snapshots.container.write_at  # type: ignore[attr-defined]

    def torn(handle: int, data: Any, start: int) -> None:
        real(handle, bytes(len(memoryview(data).cast("B"))) if start == 64 * 64 else data, start)

    monkeypatch.setattr("colabpanel.services.snapshots.container.write_at", torn)
    monkeypatch.setattr("colabpanel.services.snapshots.container._GATHERS", False)
    before = path.read_bytes()
    try:
        dump(path, {"array": np.arange(9_000_000), "plain": [2]})
    except ArchiveError:
        assert path.read_bytes() == before


def test_progress_adds_up(path: Path) -> None:
    progress = RecordingProgress()
    dump(path, {"array": np.arange(300_000), "text": "x" * 1000}, progress=progress)
    total = progress.phases[0][0]
    assert total is not None
    assert math.isclose(progress.done, total, rel_tol=0.01)
    loading = RecordingProgress()
    load(path, progress=loading)
    assert loading.phases[0][1] == "Loading"
    assert math.isclose(loading.done, total, rel_tol=0.01)


def test_other_packages_may_add_codecs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Codec(
        "tests",
        lambda kind: (lambda box, _: built("tests.box", box.value)) if kind is Box else None,
        {"box": lambda _reader, value: Box(value)},
    )

    class Point:
        name = "tests"

        @staticmethod
        def load() -> Codec:
            return taken

    monkeypatch.setattr(_registry, "entry_points", lambda group: [Point] if group == "colabpanel.codecs" else [])
    monkeypatch.setattr(_registry, "_reducers", {})
    _registry._codec.cache_clear()
    _registry._foreign.cache_clear()
    snapshot = dump(path, {"box": Box([1, np.arange(3)])})
    assert snapshot.variables[0].needs == ()
    assert load(path)["box"].value[1].tolist() == [0, 1, 2]
    taken.builders.clear()  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"kind that is not known here \(tests.box\)"):
        load(path)
    _registry._codec.cache_clear()
    _registry._foreign.cache_clear()


def test_a_library_that_is_missing_is_named() -> None:
    with pytest.raises(InputError, match="not known here"):
        codecs.builder_of("nowhere.thing")
    if importlib.util.find_spec("jax") is None:
        with pytest.raises(MissingLibraryError, match="jax, which is not installed") as caught:
            codecs.builder_of("jax.array")
        assert caught.value.hint == "Run: pip install jax"


@pytest.mark.parametrize("kind", ["jax", "tensorflow"])
def test_codecs_of_libraries_that_are_not_here_are_read_at_least(kind: str) -> None:
    source = Path(codecs.__file__).with_name(_registry._OURS[kind] + ".py").read_text()
    compile(source, kind, "exec")
    assert "CODEC = Codec(" in source


def test_files_of_others(path: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    numpy_tools = pytest.importorskip("safetensors.numpy")
    np.save(tmp_path / "one.npy", np.arange(3))
    np.savez(tmp_path / "two.npz", x=np.arange(3), y=np.eye(2))
    pandas.DataFrame({"a": [1]}).to_parquet(tmp_path / "three.parquet")
    numpy_tools.save_file({"w": np.ones(3, np.float32)}, tmp_path / "four.safetensors")
    assert load(tmp_path / "one.npy")["one"].tolist() == [0, 1, 2]
    assert load(tmp_path / "one.npy", mmap=True)["one"].tolist() == [0, 1, 2]
    assert set(load(tmp_path / "two.npz")) == {"x", "y"}
    assert load(tmp_path / "three.parquet")["three"]["a"].tolist() == [1]
    assert load(tmp_path / "four.safetensors", names={"w": "v"})["v"].tolist() == [1, 1, 1]
    with pytest.raises(InputError, match="no variable called"):
        load(tmp_path / "two.npz", names=["z"])
    shapes = {name: contents(tmp_path / name).variables for name in ("one.npy", "two.npz", "four.safetensors")}
    assert [variable.shape for variable in shapes["two.npz"]] == ["3 <i8", "2 x 2 <f8"]
    assert shapes["four.safetensors"][0].shape == "3 F32"
    assert contents(tmp_path / "three.parquet").kind == "parquet"
    for name in ("one.npy", "two.npz", "three.parquet", "four.safetensors"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        with pytest.raises(InputError):
            load(tmp_path / name)


def test_an_export_of_what_is_not_there_is_refused(path: Path, tmp_path: Path) -> None:
    dump(path, {"a": 1})
    with pytest.raises(InputError, match="holds no variable called 'nope'") as caught:
        export_snapshot(path, tmp_path / "out", names=["nope"])
    assert caught.value.hint == "It holds: a."
    assert not (tmp_path / "out").exists()


def test_exports(path: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    image = pytest.importorskip("PIL.Image").new("RGB", (3, 4))
    dump(
        path,
        {
            "array": np.arange(3),
            "images": [np.zeros((2, 2)), np.ones((2, 2))],
            "frame": pandas.DataFrame({"a": [1]}),
            "picture": image,
            "plain": {"a": [1]},
            "odd": {1, 2},
        },
    )
    found = export_snapshot(path, tmp_path / "out")
    assert sorted(file.name for file in found.files) == [
        "array.npy",
        "frame.parquet",
        "images.npy",
        "picture.png",
        "plain.json",
    ]
    assert (found.status, [pair[0] for pair in found.skipped]) == ("partial", ["odd"])
    assert np.load(tmp_path / "out/images.npy").shape == (2, 2, 2)
    assert json.loads((tmp_path / "out/plain.json").read_text()) == {"a": [1]}
    assert export_snapshot(path, tmp_path / "out", names="array").status == "ok"
    with pytest.raises(OutsideRootError):
        export_snapshot(path, "/elsewhere", root=tmp_path)


def test_a_snapshot_of_another_python_is_read(path: Path, tmp_path: Path) -> None:
    others = [Path(f"/root/.pyenv/versions/{name}/bin/python") for name in ("3.10.13", "3.12.1", "3.13.0")]
    others = [Path(sys.executable), *(other for other in others if other.exists())]
    code = "import pickle, sys; sys.stdout.buffer.write(pickle.dumps({'a': [1, (2, b'x')]}, 5))"
    for other in others:
        data = subprocess.run([str(other), "-c", code], capture_output=True, check=True).stdout
        (tmp_path / "a.pkl").write_bytes(data)
        assert load(tmp_path / "a.pkl")["a"] == {"a": [1, (2, b"x")]}


def test_drafts_predict_what_is_written(path: Path) -> None:
    drafted = draft({"array": np.zeros(1 << 20), "text": "x"})
    size = dump(path, {"array": np.zeros(1 << 20), "text": "x"}).size
    assert drafted.size <= size < drafted.size + 4096
    assert dataclasses.is_dataclass(drafted.outcomes["array"])


def test_a_dump_that_would_save_nothing_leaves_the_earlier_one(path: Path) -> None:
    dump(path, {"a": 1})
    with pytest.raises(InputError, match=r"Nothing of this can be saved: g is left out\. .*generator"):
        dump(path, {"g": (n for n in "ab")})
    assert load(path) == {"a": 1}


@pytest.mark.parametrize("variables", [["df", "xs"], [1, 2], 5, "text"])
def test_what_has_no_names_is_refused(path: Path, variables: Any) -> None:
    with pytest.raises(InputError, match="Variables are given by name") as caught:
        dump(path, variables)
    assert "names=" in caught.value.hint


def test_two_names_for_one_are_refused_in_any_file(path: Path, tmp_path: Path) -> None:
    dump(path, {"a": 1, "b": 2})
    np.savez(tmp_path / "x.npz", a=np.zeros(1), b=np.ones(1))
    for file in (path, tmp_path / "x.npz"):
        with pytest.raises(InputError, match="cannot both be called 'w'"):
            load(file, names={"a": "w", "b": "w"})


def test_names_of_other_files_become_identifiers_that_differ(host: FakeHost, tmp_path: Path) -> None:
    tools = pytest.importorskip("safetensors.numpy")
    names = ["l.w", "l/w", "l_w", "class", "1a"]
    tools.save_file({name: np.full(1, at, np.float32) for at, name in enumerate(names)}, tmp_path / "x.safetensors")
    made = load_chosen(Progress(), host, str(tmp_path / "x.safetensors"), names)
    assert made == ["l_w_2", "l_w_3", "l_w", "class_", "_1a"]
    assert [host.variables[name].item() for name in made] == [0, 1, 2, 3, 4]


def test_older_ones_stay_where_something_was_left_out(host: FakeHost, tmp_path: Path) -> None:
    host.variables = {"x": 1, "g": (n for n in "ab")}
    first = dump_chosen(Progress(), host, str(tmp_path), "one", ["x"]).snapshot.path
    older = first.rename(tmp_path / "one-20200101-000000.snapshot.zip")
    dumped = dump_chosen(Progress(), host, str(tmp_path), "one", ["x", "g"], keep=1)
    assert (dumped.snapshot.status, dumped.deleted, older.exists()) == ("partial", (), True)
    assert dump_chosen(Progress(), host, str(tmp_path), "one", ["x"], keep=1).deleted
