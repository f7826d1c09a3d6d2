"""What is rare: versions to come, odd relatives of common types, and Drive's ways of deleting."""

from __future__ import annotations

import json
import pickle
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colabpanel.errors import ArchiveError, JobCancelledError, TrustError
from colabpanel.progress import Progress
from colabpanel.services.snapshots import rebuild
from colabpanel.services.snapshots.allowed import resolve
from colabpanel.services.snapshots.catalog import contents, delete_snapshot
from colabpanel.services.snapshots.exporting import export_snapshot
from colabpanel.services.snapshots.service import dump, load
from colabpanel.services.snapshots.stand_ins import StandIn
from colabpanel.services.waiting import apart
from tests.fakes import RecordingProgress


class Relative(np.ndarray[Any, Any]):
    """An array of a kind of somebody's own."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.snapshot.zip"


def _rewrite(path: Path, **changes: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), **changes}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_a_newer_version_is_named(path: Path) -> None:
    dump(path, {"a": 1})
    _rewrite(path, version=2)
    with pytest.raises(ArchiveError, match="newer colabpanel"):
        load(path)
    _rewrite(path, format="another")
    with pytest.raises(ArchiveError, match="not a snapshot"):
        contents(path)


def test_names_of_the_format_do_nothing_elsewhere() -> None:
    with pytest.raises(TypeError, match=r"colabpanel\.load"):
        rebuild.array(1)
    with pytest.raises(TypeError, match=r"colabpanel\.load"):
        rebuild.build("numpy.view")


def test_what_is_hidden_cannot_be_changed() -> None:
    call = StandIn(len)
    assert call("ab") == 2
    with pytest.raises(AttributeError):
        call.name = 1
    with pytest.raises(ImportError):
        resolve("numpy.random.nowhere", "x")
    with pytest.raises(ImportError):
        resolve("datetime", "nothing")


def test_arrays_of_other_kinds_and_buffers_go_through_pickle(path: Path) -> None:
    value: Any = np.arange(100_000.0).view(Relative)
    buffer = pickle.PickleBuffer(bytearray(b"x" * 800_000))
    masked = np.ma.masked_array(np.array([1, "a"], object), [True, False])
    objects = np.zeros(3, [("a", object), ("b", int)])
    snapshot = dump(path, {"value": value, "masked": masked, "objects": objects, "buffer": buffer})
    assert snapshot.status == "ok"
    with zipfile.ZipFile(path) as archive:
        assert any(info.filename.endswith(".bin") and info.file_size == 800_000 for info in archive.infolist())
    found = load(path)
    assert type(found["value"]) is Relative
    assert found["value"][99_999] == 99_999
    assert found["masked"].mask.tolist() == [True, False]
    assert bytes(found["buffer"]) == b"x" * 800_000
    assert load(path, names=["objects"])["objects"]["b"].tolist() == [0, 0, 0]


def test_missing_strings_of_pandas(path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    array = np.array([pandas.NA if number % 2 else None for number in range(3000)], object)
    array[5], array[6] = "text", float("nan")
    dump(path, {"array": array})
    found = load(path)["array"]
    assert (found[1], found[0], found[5]) == (pandas.NA, None, "text") or found[1] is pandas.NA
    assert found[6] != found[6]


def test_tensors_that_numpy_cannot_hold(path: Path) -> None:
    torch = pytest.importorskip("torch")
    sparse = torch.eye(3).to_sparse()
    snapshot = dump(path, {"sparse": sparse, "meta": torch.empty(3, device="meta"), "marked": _marked(torch)})
    assert "sparse" in snapshot.saved
    found = load(path, trusted=True, names=["sparse", "marked"])
    assert torch.equal(found["sparse"].to_dense(), torch.eye(3))
    assert found["marked"].note == "mine"


def _marked(torch: Any) -> Any:
    tensor = torch.ones(2)
    tensor.note = "mine"
    return tensor


def test_exports_of_other_libraries(path: Path, tmp_path: Path) -> None:
    torch, polars = pytest.importorskip("torch"), pytest.importorskip("polars")
    dump(
        path,
        {
            "tensor": torch.ones(2, dtype=torch.bfloat16),
            "polars": polars.DataFrame({"a": [1]}),
            "series": polars.Series("a", [1]),
            "mixed": [np.zeros(2), np.zeros(3)],
            "code": lambda: 1,
        },
    )
    found = export_snapshot(path, tmp_path / "out")
    assert sorted(file.name for file in found.files) == ["polars.parquet", "tensor.npy"]
    assert {pair[0] for pair in found.skipped} == {"series", "mixed", "code"}
    assert np.load(tmp_path / "out" / "tensor.npy").tolist() == [1, 1]


def test_deleting_on_drive_empties_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump(path, {"a": 1})
    emptied = []
    monkeypatch.setattr("colabpanel.services.mounts.is_remote", lambda _: True)
    monkeypatch.setattr("os.truncate", lambda file, size: emptied.append((file, size)))
    delete_snapshot(path)
    assert emptied == [(path, 0)]
    assert not path.exists()


def test_a_refusal_by_name_alone(path: Path) -> None:
    path.write_bytes(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.")
    with pytest.raises(TrustError) as caught:
        load(path)
    assert "posix.system" in caught.value.hint


def test_work_that_hangs_is_left_behind() -> None:
    hanging = threading.Event()

    class CancelSoon(Progress):
        def advance(self, amount: int = 1) -> None:
            raise JobCancelledError

    def work(_: Progress) -> None:
        hanging.wait(20)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colabpanel.services.waiting._GRACE", 0.1)
        with pytest.raises(JobCancelledError):
            apart(work, CancelSoon())
    hanging.set()


def test_work_apart_is_told_to_stop_and_passes_on_its_progress() -> None:
    progress = RecordingProgress()

    def work(told: Progress) -> int:
        told.start(3, "Working")
        for _ in range(3):
            told.advance()
        return 7

    assert apart(work, progress) == 7
    assert (progress.phases, progress.done) == ([(3, "Working")], 3)
    with pytest.raises(ZeroDivisionError):
        apart(lambda _: 1 // 0, progress)

    seen = threading.Event()

    class Interrupted(Progress):
        def advance(self, amount: int = 1) -> None:
            if threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt

    def endless(told: Progress) -> None:
        try:
            while True:
                told.advance()
        except JobCancelledError:
            seen.set()
            raise

    with pytest.raises(KeyboardInterrupt):
        apart(endless, Interrupted())
    assert seen.wait(60)


def test_no_member_is_lost_in_json(tmp_path: Path) -> None:
    dump(tmp_path / "a.snapshot.zip", {"twice": {1: "a", "1": "b"}, "once": [{1: "a", 2: "b"}]})
    found = export_snapshot(tmp_path / "a.snapshot.zip", tmp_path / "out")
    assert [file.name for file in found.files] == ["once.json"]
    assert [name for name, _ in found.skipped] == ["twice"]
