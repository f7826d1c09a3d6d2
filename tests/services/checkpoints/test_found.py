"""Checkpoints that other libraries wrote are found and looked into, and nothing in them is run."""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from colabpanel.errors import ArchiveError, InputError, LimitError, MissingLibraryError, PathError, TrustError
from colabpanel.services.checkpoints.found.names import Told, told_by
from colabpanel.services.checkpoints.found.scan import find_checkpoints
from colabpanel.services.checkpoints.found.tensors import tensors_of
from colabpanel.services.checkpoints.models import Checkpoint, TensorInfo
from colabpanel.services.snapshots.service import dump

MARK = "ran"


class Evil:
    """What hostile files try to call."""

    def __init__(self, folder: Path) -> None:
        self.command = f"touch {folder / MARK}"

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.fixture(autouse=True)
def _nothing_ran(tmp_path: Path) -> Any:
    yield
    assert not (tmp_path / MARK).exists()


def _write(path: Path, data: bytes | str = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def _aged(*paths: Path) -> None:
    for number, path in enumerate(paths):
        os.utime(path, (1000 + number, 1000 + number))


def _kinds(folder: Path) -> dict[str, str]:
    return {one.name: one.kind for one in find_checkpoints(folder)}


def _only(folder: Path) -> Checkpoint:
    (found,) = find_checkpoints(folder)
    return found


def _torch_zip(path: Path, head: str = "archive") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{head}/data.pkl", pickle.dumps({}))
    return path


def _safetensors(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return _write(path, struct.pack("<Q", len(text)) + text + data)


_W = {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}
_W_TOLD = TensorInfo("w", "model", (2, 2), "float32")


@pytest.mark.parametrize(
    ("name", "keras", "told"),
    [
        ("weights.03-0.45.weights.h5", True, Told(None, 3, {"metric": 0.45})),
        ("weights.03--0.45.weights.h5", True, Told(None, 3, {"metric": -0.45})),
        ("model-epoch=03-val_loss=0.45.keras", True, Told(None, 3, {"val_loss": 0.45})),
        ("cp-0010.weights.h5", True, Told(None, 10)),
        ("0007.keras", True, Told(None, 7)),
        ("model_2024-01-05.keras", True, Told()),
        ("model_20240105.h5", True, Told()),
        ("best.keras", True, Told()),
        ("epoch=3-step=100-val_loss=0.12.ckpt", False, Told(100, 3, {"val_loss": 0.12})),
        ("epoch=3-step=100-v1.ckpt", False, Told(100, 3)),
        ("last.ckpt", False, Told()),
        (
            "a_epoch=3_global_step=9_lr=1e-05_val_loss_epoch=0.50.ckpt",
            False,
            Told(9, 3, {"lr": 1e-05, "val_loss_epoch": 0.5}),
        ),
        ("model_epoch_10.pth", False, Told(None, 10)),
        ("ckpt-step-5000.pt", False, Told(5000)),
        ("ckpt_1000.pt", False, Told()),
        ("loss=1e999-acc=nan-f1=inf.ckpt", False, Told()),
        (f"step={'9' * 400}-epoch={'9' * 4000}.ckpt", False, Told()),
    ],
)
def test_names_tell(name: str, keras: bool, told: Told) -> None:
    assert told_by(name, keras=keras) == told


def test_files_of_all_kinds_are_found_oldest_first(tmp_path: Path) -> None:
    made = [
        _write(tmp_path / "cp-0010.weights.h5"),
        _write(tmp_path / "old.h5", b"\x89HDF\r\n\x1a\n"),
        _torch_zip(tmp_path / "epoch=3-step=100-val_loss=0.12.ckpt"),
        _torch_zip(tmp_path / "a.pt"),
        _torch_zip(tmp_path / "b.pth.tar"),
        _write(tmp_path / "legacy.bin", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.rest"),
        _safetensors(tmp_path / "m.safetensors", _W, bytes(16)),
    ]
    _aged(*made)
    for name in ("x.pt", "y.ckpt", "z.bin", "data.h5", ".hidden.keras", "a.keras.part", "b.keras.tmp", "notes.txt"):
        _write(tmp_path / name)
    for name in ("training_args.bin", "scheduler.pt", "rng_state_0.pth"):
        _torch_zip(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("readme", "no")
    found = find_checkpoints(tmp_path)
    assert [one.name for one in found] == [path.name for path in made]
    assert [one.kind for one in found] == ["keras", "keras", "lightning", "torch", "torch", "torch", "safetensors"]
    assert [one.framework for one in found] == ["keras", "keras", "torch", "torch", "torch", "torch", ""]
    assert found[2].step == 100
    assert found[2].metrics == {"val_loss": 0.12}
    assert [one.size for one in found] == [path.stat().st_size for path in made]
    assert found[0].created == 1000


def test_a_torch_archive_whose_pickle_is_not_first_is_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/version", "3")
        archive.writestr("a/data.pkl", b"N.")
    _write(tmp_path / "cut.pt", (tmp_path / "a.pt").read_bytes()[:60])
    assert _kinds(tmp_path) == {"a.pt": "torch"}


def test_models_in_several_files_are_one(tmp_path: Path) -> None:
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for letter, name in zip("ab", names, strict=True):
        _safetensors(tmp_path / name, {letter: _W["w"]}, bytes(16))
    index = _write(
        tmp_path / "model.safetensors.index.json", json.dumps({"weight_map": {"a": names[0], "b": names[1], "c": 3}})
    )
    found = _only(tmp_path)
    assert (found.name, found.kind, found.path) == (index.name, "safetensors", index)
    assert found.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert [one.name for one in tensors_of(index)] == ["a", "b"]
    for malformed in ("{", "[" * 100_000, "[]", '{"weight_map": 3}'):
        index.write_text(malformed)
        assert _only(tmp_path).size > 100
    (tmp_path / names[1]).unlink()
    index.write_text(json.dumps({"weight_map": {"a": names[0], "b": names[1]}}))
    with pytest.raises(ArchiveError, match="not there"):
        tensors_of(index)
    index.write_text(json.dumps({"weight_map": {"a": "../../etc/passwd"}}))
    with pytest.raises(ArchiveError, match="lists no files"):
        tensors_of(index)


def test_tensorflow_prefixes(tmp_path: Path) -> None:
    for prefix in ("ckpt-5", "model.ckpt-1000", "cp-0010.ckpt"):
        _write(tmp_path / f"{prefix}.index")
        _write(tmp_path / f"{prefix}.data-00000-of-00002")
        _write(tmp_path / f"{prefix}.data-00001-of-00002")
    _write(tmp_path / "alone.index")
    _write(tmp_path / "checkpoint", 'model_checkpoint_path: "ckpt-5"')
    found = {one.name: one for one in find_checkpoints(tmp_path)}
    assert set(found) == {"ckpt-5", "model.ckpt-1000", "cp-0010.ckpt"}
    assert {one.kind for one in found.values()} == {"tensorflow"}
    assert (found["ckpt-5"].step, found["model.ckpt-1000"].step, found["cp-0010.ckpt"].epoch) == (5, 1000, 10)
    assert (found["ckpt-5"].size, found["ckpt-5"].path) == (3, tmp_path / "ckpt-5")


def test_tensors_of_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for end in ("index", "data-00000-of-00001"):
        _write(tmp_path / f"ckpt-5.{end}")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingLibraryError):
        tensors_of(tmp_path / "ckpt-5")
    reader = Mock()
    reader.get_variable_to_shape_map.return_value = {"w": [2, 3], "w/.OPTIMIZER_SLOT/m": [2, 3], "graph": []}
    kinds = {"w": "float32", "w/.OPTIMIZER_SLOT/m": "float32", "graph": "string"}
    reader.get_variable_to_dtype_map.return_value = {k: types.SimpleNamespace(name=v) for k, v in kinds.items()}
    fake = Mock()
    fake.train.load_checkpoint.return_value = reader
    monkeypatch.setitem(sys.modules, "tensorflow", fake)
    expected = [
        TensorInfo("w", "model", (2, 3), "float32"),
        TensorInfo("w/.OPTIMIZER_SLOT/m", "optimizer", (2, 3), "float32"),
    ]
    assert tensors_of(tmp_path / "ckpt-5") == tensors_of(tmp_path / "ckpt-5.index") == expected
    fake.train.load_checkpoint.side_effect = ValueError("bad block")
    with pytest.raises(ArchiveError, match="bad block"):
        tensors_of(tmp_path / "ckpt-5")


def _state(step: Any, best: Any = None, **more: Any) -> str:
    return json.dumps({"global_step": step, "best_model_checkpoint": best, **more})


def test_transformers_folders(tmp_path: Path) -> None:
    log = [
        {"step": 10, "epoch": 1, "loss": 9.0},
        {"step": 20, "epoch": 2, "loss": 0.5, "name": "text", "flag": True, "huge": 10**400},
        {"step": 20, "epoch": 2, "eval_loss": 0.25, "eval_bad": float("nan"), "eval_worse": float("inf"), "a\0b": 1},
        "nonsense",
    ]
    more = {"epoch": 2.0, "log_history": log}
    _write(tmp_path / "checkpoint-10/trainer_state.json", _state(10, "out/checkpoint-10"))
    _write(tmp_path / "checkpoint-20/trainer_state.json", _state(20, r"C:\out\checkpoint-20", **more))
    first, second = sorted(find_checkpoints(tmp_path), key=lambda one: one.step or 0)
    assert (first.kind, first.is_best, second.is_best) == ("transformers", False, True)
    assert (second.step, second.epoch, second.metrics) == (20, 2.0, {"loss": 0.5, "eval_loss": 0.25})


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[" * 100_000, "[]", "NaN", "\x00", '{"log_history": 3}', '{"global_step": 1e999, "epoch": NaN}'),
        *('{"global_step": true, "best_model_checkpoint": 3}', '{"global_step": [1], "log_history": [{"step": [1]}]}'),
    ],
)
def test_malformed_states_leave_what_the_name_tells(tmp_path: Path, text: str) -> None:
    _write(tmp_path / "checkpoint-500/trainer_state.json", text)
    found = _only(tmp_path)
    assert (found.kind, found.step, found.epoch, found.metrics) == ("transformers", 500, None, {})


def test_huge_states_are_not_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "checkpoint-500/trainer_state.json", _state(7))
    assert _only(tmp_path).step == 7
    with path.open("r+b") as file:
        file.truncate((64 << 20) + 1)
    assert _only(tmp_path).step == 500


def test_tensors_of_transformers(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    folder = tmp_path / "checkpoint-500"
    _write(folder / "trainer_state.json", _state(500))
    with pytest.raises(InputError, match="no model"):
        tensors_of(folder)
    torch.save({"w": torch.zeros(3)}, folder / "pytorch_model.bin")
    assert tensors_of(folder) == [TensorInfo("w", "model", (3,), "float32")]
    _safetensors(folder / "model.safetensors", _W, bytes(16))
    torch.save({"state": {0: {"exp_avg": torch.zeros(2, 2)}}, "param_groups": []}, folder / "optimizer.pt")
    assert tensors_of(folder) == [_W_TOLD, TensorInfo("state.0.exp_avg", "optimizer", (2, 2), "float32")]


def test_folders_of_ours_and_unfinished_ones_are_left_out(tmp_path: Path) -> None:
    _write(tmp_path / "checkpoints.json", "{}")
    _write(tmp_path / "step-00000001/checkpoint.json", "{}")
    _write(tmp_path / "step-00000001/_METADATA", "{}")
    _write(tmp_path / "7.orbax-checkpoint-tmp-123/_METADATA", "{}")
    _write(tmp_path / ".hidden/_METADATA", "{}")
    _write(tmp_path / "run/checkpoint-5/trainer_state.json", "{}")
    assert find_checkpoints(tmp_path) == []
    _torch_zip(tmp_path / "step-00000001/model.pt")
    assert find_checkpoints(tmp_path / "step-00000001") == []
    with pytest.raises(PathError):
        find_checkpoints(tmp_path / "nowhere")


def test_links_that_go_round(tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").symlink_to("b.ckpt")
    (tmp_path / "b.ckpt").symlink_to("a.ckpt")
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "lost.pt").symlink_to("nowhere")
    _write(tmp_path / "3/_CHECKPOINT_METADATA", "{}")
    (tmp_path / "3/default").symlink_to(tmp_path / "3", target_is_directory=True)
    _torch_zip(tmp_path / "good.ckpt")
    (tmp_path / "last.ckpt").symlink_to("good.ckpt")
    assert _kinds(tmp_path) == {"3": "orbax", "good.ckpt": "lightning", "last.ckpt": "lightning"}
    with pytest.raises(PathError):
        tensors_of(tmp_path / "a.ckpt")


def test_a_folder_of_thousands_of_files(tmp_path: Path) -> None:
    for number in range(500):
        for end in (".index", ".data-00000-of-00001"):
            (tmp_path / f"ckpt-{number}{end}").touch()
        (tmp_path / f"{number}.txt").touch()
        (tmp_path / f"cp-{number:04}.weights.h5").touch()
    found = find_checkpoints(tmp_path)
    assert len(found) == 1000
    assert {one.step for one in found if one.kind == "tensorflow"} == set(range(500))


def test_tensors_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pt"
    tied = torch.zeros(2, 3, dtype=torch.bfloat16)
    again: list[Any] = [torch.tensor(1)]
    again.append(again)
    whole = {
        "epoch": 3,
        "state_dict": {"a.w": tied, "b.w": tied},
        "optimizer_states": [{"state": {0: again}}],
        "t": tied,
    }
    torch.save(whole, path)
    expected = [
        TensorInfo("a.w", "state_dict", (2, 3), "bfloat16"),
        TensorInfo("b.w", "state_dict", (2, 3), "bfloat16"),
        TensorInfo("0.state.0.0", "optimizer_states", (), "int64"),
        TensorInfo("t", "model", (2, 3), "bfloat16"),
    ]
    assert tensors_of(path) == expected
    torch.save(torch.nn.Linear(2, 1).state_dict(), path, _use_new_zipfile_serialization=False)
    assert _kinds(tmp_path) == {"a.pt": "torch"}
    assert [(one.part, one.name) for one in tensors_of(path)] == [("model", "weight"), ("model", "bias")]
    torch.save(tied, path)
    assert tensors_of(path) == [TensorInfo("tensor", "model", (2, 3), "bfloat16")]


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_with_code_are_listed_and_not_looked_into(tmp_path: Path, zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "epoch=1-step=2.pt"
    torch.save({"state_dict": {}, "x": Evil(tmp_path)}, path, _use_new_zipfile_serialization=zipped)
    assert _only(tmp_path).step == 2
    with pytest.raises(TrustError) as caught:
        tensors_of(path)
    assert not zipped or f"{os.system.__module__}.system" in caught.value.hint


def test_archives_of_tapes_are_not_given_to_torch(tmp_path: Path) -> None:
    import tarfile

    name = tmp_path / "a.pt"
    with tarfile.open(name, "w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".decode("latin-1"))
        archive.addfile(info)
    data = bytearray(name.read_bytes())
    magic = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
    data[:100] = magic.ljust(100, b"\0")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    name.write_bytes(data)
    assert _kinds(tmp_path) == {"a.pt": "torch"}
    with pytest.raises(TrustError):
        tensors_of(name)


def test_damaged_torch_files(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pt"
    torch.save({"w": torch.zeros(100)}, path)
    whole = path.read_bytes()
    for data in (whole[:-30], whole[:300], whole[:0], b"nonsense", whole[:100] + bytes(50) + whole[150:]):
        _write(path, data)
        with pytest.raises(ArchiveError):
            tensors_of(path)
    torch.save({"w": torch.zeros(100)}, path, _use_new_zipfile_serialization=False)
    _write(path, path.read_bytes()[:60])
    with pytest.raises((ArchiveError, TrustError)):
        tensors_of(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes((64 << 20) + 1))
    with pytest.raises(LimitError):
        tensors_of(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "no")
    with pytest.raises(ArchiveError, match=r"none of PyTorch"):
        tensors_of(path)


def test_tensors_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingLibraryError) as caught:
        tensors_of(_torch_zip(tmp_path / "a.pt"))
    assert caught.value.hint == "Run: pip install torch"


def test_tensors_of_safetensors(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "a.safetensors"
    library.save_file({"w": np.zeros((2, 2), np.float32), "n": np.zeros((), np.int64)}, path, metadata={"a": "b"})
    assert set(tensors_of(path)) == {_W_TOLD, TensorInfo("n", "model", (), "int64")}
    _write(path, path.read_bytes()[:-1])
    with pytest.raises(ArchiveError, match="cut short"):
        tensors_of(path)


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"1234567",
            struct.pack("<Q", 2**60) + b"{}",
            struct.pack("<Q", 3) + b"{}",
            struct.pack("<Q", 2) + b"{]",
        ),
        *(struct.pack("<Q", 2) + text for text in (b"[]", b"31", b'""')),
        struct.pack("<Q", 100_000) + b"[" * 100_000,
    ],
)
def test_safetensors_with_malformed_headers(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ArchiveError):
        tensors_of(_write(tmp_path / "a.safetensors", data))


@pytest.mark.parametrize(
    "change",
    [
        *({"shape": [-1]}, {"shape": [1.5]}, {"shape": [True]}, {"shape": 3}, {"dtype": 3}, {"data_offsets": [0, 17]}),
        *({"data_offsets": [0]}, {"data_offsets": [9, 3]}, {"data_offsets": ["0", "1"]}),
    ],
)
def test_safetensors_with_malformed_tensors(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ArchiveError):
        tensors_of(_safetensors(tmp_path / "a.safetensors", {"w": {**_W["w"], **change}}, bytes(16)))


def test_safetensors_with_a_header_beyond_the_limit(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.safetensors", struct.pack("<Q", 100_000_001))
    with path.open("r+b") as file:
        file.truncate(8 + 100_000_001)
    with pytest.raises(LimitError):
        tensors_of(path)


def _h5(path: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((3, 4), np.float32)
        file["optimizer/vars/0"] = np.int32(1)
        file["note"] = "text"
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    return path


_H5_TOLD = [
    TensorInfo("layers/dense/vars/0", "model", (3, 4), "float32"),
    TensorInfo("vars/0", "optimizer", (), "int32"),
]


def test_tensors_of_h5(tmp_path: Path) -> None:
    path = _h5(tmp_path / "a.weights.h5")
    assert tensors_of(path) == _H5_TOLD
    for end in (100, -1000):
        with pytest.raises(ArchiveError):
            tensors_of(_write(tmp_path / "b.h5", path.read_bytes()[:end]))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_tensors_of_keras_archives(tmp_path: Path, method: int) -> None:
    data = _h5(tmp_path / "a.weights.h5").read_bytes()
    path = tmp_path / "a.keras"
    for weights in (data, data[:-1000]):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("metadata.json", "{}")
            archive.writestr("model.weights.h5", weights)
            archive.writestr("config.json", "{}" * 1000)
        if weights == data:
            assert tensors_of(path) == _H5_TOLD
        else:
            with pytest.raises(ArchiveError):
                tensors_of(path)
    with pytest.raises(ArchiveError):
        tensors_of(_write(path, path.read_bytes()[:200]))


def test_tensors_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingLibraryError):
        tensors_of(_write(tmp_path / "a.h5", b"\x89HDF\r\n\x1a\n"))


def _dcp(folder: Path, state: dict[str, Any]) -> Path:
    dcp = pytest.importorskip("torch.distributed.checkpoint")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save(state, checkpoint_id=folder, no_dist=True)
    return folder


def test_distributed_checkpoints(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(3, 2)
    state = {"model": model.state_dict(), "optim": {"state": {"w": torch.zeros(2, dtype=torch.bfloat16)}}, "n": 3}
    folder = _dcp(tmp_path / "step=5", state)
    found = _only(tmp_path)
    assert (found.kind, found.framework, found.step, found.path) == ("dcp", "torch", 5, folder)
    assert set(tensors_of(folder)) == {
        TensorInfo("weight", "model", (2, 3), "float32"),
        TensorInfo("bias", "model", (2,), "float32"),
        TensorInfo("state.w", "optim", (2,), "bfloat16"),
    }
    plain = tensors_of(_dcp(tmp_path / "plain", {"layers.0.weight": torch.zeros(2)}))
    assert plain == [TensorInfo("layers.0.weight", "model", (2,), "float32")]


@pytest.mark.parametrize("what", ["evil", "cut", "nonsense", "another", "called", "spoofed"])
def test_hostile_distributed_checkpoints(tmp_path: Path, what: str) -> None:
    _write(tmp_path / "a/__0_0.distcp")
    data = {
        "evil": pickle.dumps(Evil(tmp_path)),
        "cut": pickle.dumps({"a": "b" * 100})[:50],
        "nonsense": b"nonsense",
        "another": pickle.dumps({"state_dict_metadata": {}}),
        "called": b"ctorch\nload\n(S'a'\ntR.",
        "spoofed": b"ctorch.distributed.checkpoint.metadata\nos.system\n(S'touch a'\ntR.",
    }[what]
    _write(tmp_path / "a/.metadata", data)
    assert _kinds(tmp_path) == {"a": "dcp"}
    with pytest.raises(TrustError if what == "evil" else ArchiveError):
        tensors_of(tmp_path / "a")


def test_distributed_checkpoints_with_too_much_metadata(tmp_path: Path) -> None:
    _write(tmp_path / "a/__0_0.distcp")
    with _write(tmp_path / "a/.metadata").open("r+b") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(LimitError):
        tensors_of(tmp_path / "a")


_ZARRAY = {"shape": [3, 4], "dtype": "<f4", "zarr_format": 2}


@pytest.mark.parametrize("item", ["", "default/", "state/"])
def test_orbax_folders(tmp_path: Path, item: str) -> None:
    folder = tmp_path / "100"
    _write(folder / f"{item}_METADATA", json.dumps({"tree_metadata": {}}))
    _write(folder / f"{item}params.w/.zarray", json.dumps(_ZARRAY))
    _write(folder / f"{item}params.w/0.0")
    _write(folder / f"{item}opt_state/0/zarr.json", json.dumps({"shape": [], "data_type": "bfloat16"}))
    _write(folder / f"{item}opt_state/zarr.json", json.dumps({"node_type": "group"}))
    _write(folder / f"{item}step/.zarray", json.dumps({"shape": [], "dtype": "|b1"}))
    found = _only(tmp_path)
    assert (found.kind, found.step, found.name) == ("orbax", 100, "100")
    assert set(tensors_of(folder)) == {
        TensorInfo("w", "params", (3, 4), "float32"),
        TensorInfo("0", "opt_state", (), "bfloat16"),
        TensorInfo("step", "model", (), "bool"),
    }


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"shape": 3, "dtype": "<f4"}', '{"shape": [-1], "dtype": "<f4"}', '{"shape": [1], "dtype": 3}'],
)
def test_damaged_orbax_folders(tmp_path: Path, text: str) -> None:
    _write(tmp_path / "ckpt_7/_METADATA")
    assert _only(tmp_path).step == 7
    with pytest.raises(InputError, match="cannot be told"):
        tensors_of(tmp_path / "ckpt_7")
    _write(tmp_path / "ckpt_7/params.w/.zarray", text)
    with pytest.raises(ArchiveError):
        tensors_of(tmp_path / "ckpt_7")


def test_packed_orbax_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "7/default/manifest.ocdbt")
    assert _kinds(tmp_path) == {"7": "orbax"}
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tensorstore", None)
        with pytest.raises(MissingLibraryError):
            tensors_of(tmp_path / "7")
    store = pytest.importorskip("tensorstore")
    with pytest.raises(ArchiveError):
        tensors_of(tmp_path / "7")
    base = {"driver": "file", "path": f"{tmp_path}/8/default/"}
    kv = store.KvStore.open({"driver": "ocdbt", "base": base}).result()
    kv.write(b"params.w/.zarray", json.dumps(_ZARRAY).encode()).result()
    assert tensors_of(tmp_path / "8") == [TensorInfo("w", "params", (3, 4), "float32")]


def test_tensors_of_snapshots(tmp_path: Path) -> None:
    path = tmp_path / "a.snapshot.zip"
    dump(path, {"w": np.zeros((1000, 2), np.float32), "n": 3, "text": "words"})
    assert tensors_of(path) == [TensorInfo("w", "variables", (1000, 2), "float32")]


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(PathError):
        tensors_of(tmp_path / "nowhere.pt")
    with pytest.raises(ArchiveError):
        tensors_of(_write(tmp_path / "notes.txt"))
    with pytest.raises(InputError):
        tensors_of(tmp_path)
