"""Folders of any library: compared, exported, and their weights restored."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import colabpanel
from colabpanel.cli import main
from colabpanel.errors import ArchiveError, InputError, MissingLibraryError, OutsideRootError, SpaceError, TrustError
from colabpanel.services.checkpoints.service import Checkpoints

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with checkpoints of ours and of others."""
    folder = tmp_path / "run"
    checkpoints = Checkpoints(folder, monitor="val_loss", keep_last=None)
    for step, loss in ((1, 0.5), (2, 0.25)):
        model = torch.nn.Linear(3, step + 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        checkpoints.save(
            model, step=step, metrics={"val_loss": loss, "only" if step == 1 else "other": 1}, optimizer=optimizer
        )
    checkpoints.wait()
    checkpoints.close()
    torch.save({"model_state_dict": torch.nn.Linear(3, 2).state_dict(), "epoch": 4}, folder / "epoch=4-step=40.pt")
    return folder


def test_two_of_ours_are_compared(run: Path) -> None:
    found = colabpanel.compare_checkpoints(run, 1, 2)
    assert found.changed[0] == ("model: weight", "float32 2 x 3", "float32 3 x 3")
    assert found.metrics == {"val_loss": (0.5, 0.25), "only": (1.0, None), "other": (None, 1.0)}
    assert (found.first.parameters, found.second.parameters) == (8, 12)
    assert found.only_first == found.only_second == ()
    mixed = colabpanel.compare_checkpoints(run, "last", "step-00000001")
    assert {tensor.part for tensor in mixed.second.tensors} >= {"model", "optimizer"}
    with pytest.raises(InputError, match="no checkpoint 9"):
        colabpanel.compare_checkpoints(run, 1, 9)


def test_the_best_is_told_by_a_metric(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = colabpanel.compare_checkpoints(run, "best", 1, monitor="val_loss")
    assert (found.first.checkpoint.step, found.second.checkpoint.step) == (2, 1)
    exported = colabpanel.export_checkpoint(run, "best", tmp_path / "w", monitor="val_loss", mode="max")
    assert exported.size == colabpanel.export_checkpoint(run, 1, tmp_path / "w").size
    with pytest.raises(InputError, match="without the name of a metric") as caught:
        colabpanel.checkpoint_contents(run, "best")
    assert caught.value.hint == "Name one as monitor (or --monitor); there are: only, other, val_loss."
    assert main(["checkpoints", "show", str(run), "best", "--monitor", "val_loss"]) == 0
    assert "step-00000002" in capsys.readouterr().out


@pytest.mark.parametrize("which", ["step-00000001", "epoch=4-step=40.pt", 1])
def test_weights_are_exported_in_half(run: Path, tmp_path: Path, which: str | int) -> None:
    import safetensors.torch

    exported = colabpanel.export_checkpoint(run, which, tmp_path / "out/w.safetensors", dtype="bfloat16")
    assert (exported.tensors, exported.converted) == (2, 2)
    found = safetensors.torch.load_file(exported.path)
    assert {name: (value.dtype, tuple(value.shape)) for name, value in found.items()} == {
        "weight": (torch.bfloat16, (2, 3)),
        "bias": (torch.bfloat16, (2,)),
    }
    assert [path.name for path in exported.path.parent.iterdir()] == ["w.safetensors"]


class _Layer(NamedTuple):
    kernel: Any
    bias: Any


def _tree(width: int) -> dict[str, Any]:
    turned = np.asfortranarray(np.arange(3.0 * width, dtype=np.float32).reshape(3, width))
    tree: dict[str, Any] = {"layers": [_Layer(turned, np.zeros(width))], "rate": np.float32(0.5), "name": "net"}
    tree["itself"] = tree
    return tree


def test_trees_of_arrays_are_told_compared_and_exported(tmp_path: Path) -> None:
    import safetensors.numpy

    checkpoints = Checkpoints(tmp_path / "run")
    for step in (1, 2):
        tree = _tree(step)
        checkpoints.save(tree, step=step, optimizer=[{"mu": np.ones(step)}]).result()
    found = colabpanel.compare_checkpoints(tmp_path / "run", 1, 2)
    assert (found.first.parameters, found.second.parameters, found.same) == (5, 9, 1)
    assert found.changed == (
        ("model: layers.0.kernel", "float32 3 x 1", "float32 3 x 2"),
        ("model: layers.0.bias", "float64 1", "float64 2"),
        ("optimizer: 0.mu", "float64 1", "float64 2"),
    )
    exported = colabpanel.export_checkpoint(tmp_path / "run", 2, tmp_path / "w.safetensors")
    weights = safetensors.numpy.load_file(exported.path)
    assert sorted(weights) == ["layers.0.bias", "layers.0.kernel", "rate"]
    assert np.array_equal(weights["layers.0.kernel"], tree["layers"][0].kernel)
    half = colabpanel.export_checkpoint(tmp_path / "run", 2, tmp_path / "half.safetensors", dtype="float16")
    weights = safetensors.numpy.load_file(half.path)
    assert (half.converted, str(weights["layers.0.kernel"].dtype), weights["rate"].shape) == (3, "float16", ())
    assert np.array_equal(weights["layers.0.kernel"], tree["layers"][0].kernel)


def test_trees_with_tensors_and_with_numbers_that_numpy_lacks(tmp_path: Path) -> None:
    import safetensors

    ml_dtypes = pytest.importorskip("ml_dtypes")
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save({"a": torch.ones(2, 3).T, "b": np.arange(3)}, step=1).result()
    checkpoints.save({"a": np.array([1.5, -2], ml_dtypes.bfloat16)}, step=2).result()
    for step, names in ((1, ["a", "b"]), (2, ["a"])):
        exported = colabpanel.export_checkpoint(tmp_path / "run", step, tmp_path / "w", dtype="float32")
        with safetensors.safe_open(exported.path, "numpy") as file:
            assert sorted(file.keys()) == names
            first = file.get_tensor("a")
        assert (first.dtype, exported.converted) == (np.float32, step - 1)
    assert first.tolist() == [1.5, -2]
    kept = colabpanel.export_checkpoint(tmp_path / "run", 2, tmp_path / "w", dtype="bfloat16")
    with safetensors.safe_open(kept.path, "pt") as file:
        assert file.get_tensor("a").dtype == torch.bfloat16


def test_a_list_of_arrays_that_makes_no_sense_is_not_believed(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "run").save({"a": np.ones(2)}, step=1).result()
    listed = tmp_path / "run/step-00000001/model.arrays.json"
    for text in ("[", "{}x", '[{"part": 1}]', '[{"part": "a", "name": "b", "shape": [-1], "dtype": "c"}]', "[" * 10**5):
        listed.write_text(text)
        assert colabpanel.checkpoint_contents(tmp_path / "run", 1).tensors == ()


def test_what_an_estimator_has_learned(tmp_path: Path) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    model = linear.LinearRegression().fit(np.eye(3), np.arange(3.0))
    Checkpoints(tmp_path / "run").save(model, step=1).result()
    names = [tensor.name for tensor in colabpanel.checkpoint_contents(tmp_path / "run", 1).tensors]
    assert {"coef_", "intercept_"} <= set(names)
    assert colabpanel.export_checkpoint(tmp_path / "run", 1, tmp_path / "w.safetensors").tensors == len(names)


def test_exports_that_cannot_be(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no type to export to"):
        colabpanel.export_checkpoint(run, 1, tmp_path / "w", dtype="int3")
    with pytest.raises(InputError, match="is a folder"):
        colabpanel.export_checkpoint(run, 1, run)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="no safetensors file"):
        colabpanel.export_checkpoint(run, 1, tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    checkpoints = Checkpoints(run, monitor="val_loss", keep_last=None)
    checkpoints.save({"text": "x"}, step=7).result()
    with pytest.raises(InputError, match="no weights in"):
        colabpanel.export_checkpoint(run, 7, tmp_path / "w")
    checkpoints.save({"a.b": np.ones(1), "a": {"b": np.ones(1)}}, step=8).result()
    with pytest.raises(InputError, match="would have one name"):
        colabpanel.export_checkpoint(run, 8, tmp_path / "w")
    checkpoints.save({"a": np.ones(1, np.complex128)}, step=9).result()
    with pytest.raises(InputError, match="cannot be written as safetensors"):
        colabpanel.export_checkpoint(run, 9, tmp_path / "w")
    torch.save({"epoch": 1}, run / "nothing.pt")
    with pytest.raises(InputError, match="no weights in"):
        colabpanel.export_checkpoint(run, "nothing.pt", tmp_path / "w")
    (run / "cut.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(ArchiveError, match="damaged"):
        colabpanel.export_checkpoint(run, "cut.safetensors", tmp_path / "w")
    assert not (tmp_path / "w").exists()


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def test_a_file_that_runs_code_gives_no_weights(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"w": Evil()}, run / "evil.pt")
    with pytest.raises(TrustError):
        colabpanel.export_checkpoint(run, "evil.pt", tmp_path / "w")
    with pytest.raises(TrustError):
        colabpanel.restore_checkpoint(run, "evil.pt")
    assert not (tmp_path / "ran").exists()


def test_a_link_out_of_the_root_is_not_followed(run: Path, tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1)}, tmp_path / "secret.pt")
    (run / "link.pt").symlink_to(tmp_path / "secret.pt")
    (run / "step-00000001/model.pt").unlink()
    (run / "step-00000001/model.pt").symlink_to(tmp_path / "secret.pt")
    for name in ("link.pt", "step-00000001"):
        with pytest.raises(OutsideRootError):
            colabpanel.checkpoint_contents(run, name, root=run)
        with pytest.raises(OutsideRootError):
            colabpanel.export_checkpoint(run, name, run / "w.safetensors", root=run)
    assert colabpanel.checkpoint_contents(run, "link.pt").tensors


def _in_shards(folder: Path, names: list[str], suffix: str = "safetensors") -> Path:
    index = folder / f"model.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {f"w{n}": name for n, name in enumerate(names)}}))
    return index


def test_links_of_files_in_several_pieces_are_not_followed_out_of_the_root(run: Path, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file({"w0": torch.ones(1)}, tmp_path / "secret.safetensors")
    shard = run / "model-00001-of-00001.safetensors"
    shard.symlink_to(tmp_path / "secret.safetensors")
    _in_shards(run, [shard.name])
    for end in ("index", "data-00000-of-00001"):
        (tmp_path / end).write_bytes(b"secret")
    (run / "one.index").write_bytes(b"")
    (run / "one.data-00000-of-00001").symlink_to(tmp_path / "data-00000-of-00001")
    (run / "two.index").symlink_to(tmp_path / "index")
    (run / "two.data-00000-of-00001").write_bytes(b"")
    for name in ("model.safetensors.index.json", "one", "two"):
        with pytest.raises(OutsideRootError):
            colabpanel.checkpoint_contents(run, name, root=run)
        with pytest.raises(OutsideRootError):
            colabpanel.export_checkpoint(run, name, run / "w.safetensors", root=run)
    assert colabpanel.checkpoint_contents(run, "model.safetensors.index.json").tensors


def test_only_the_shards_of_an_index_are_read(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for number, name in enumerate([*names, "other.safetensors"]):
        safetensors.save_file({f"w{number}": torch.ones(1)}, tmp_path / name)
    index = _in_shards(tmp_path, names)
    assert set(colabpanel.restore_checkpoint(tmp_path, index.name).model) == {"w0", "w1"}
    (tmp_path / names[1]).unlink()
    with pytest.raises(ArchiveError, match="which is not there"):
        colabpanel.restore_checkpoint(tmp_path, index.name)
    torch.save({"w0": torch.ones(1)}, tmp_path / "model-00001-of-00001.bin")
    index = _in_shards(tmp_path, ["model-00001-of-00001.bin"], "bin")
    assert set(colabpanel.restore_checkpoint(tmp_path, index.name).model) == {"w0"}


def test_a_damaged_checkpoint_is_not_exported(run: Path, tmp_path: Path) -> None:
    file = run / "step-00000001/model.pt"
    state = torch.load(file)
    torch.save({name: value + 1 for name, value in state.items()}, file)
    with pytest.raises(ArchiveError, match=r"is damaged: model\.pt"):
        colabpanel.export_checkpoint(run, 1, tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_numbers_that_numpy_does_not_have_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file({"w": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "st.safetensors")
    exported = colabpanel.export_checkpoint(tmp_path, "st.safetensors", tmp_path / "out/w", dtype="float32")
    assert safetensors.load_file(exported.path)["w"].tolist() == [1.0, 1.0]
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingLibraryError, match="bfloat16") as caught:
        colabpanel.restore_checkpoint(tmp_path, "st.safetensors")
    assert caught.value.hint == "Run: pip install torch"


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_damaged_folders_of_transformers_are_told(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "checkpoint-5"
    folder.mkdir()
    (folder / "trainer_state.json").write_text("{}")
    (folder / name).write_bytes(b"x" * 100)
    with pytest.raises(InputError):
        colabpanel.export_checkpoint(tmp_path, folder.name, tmp_path / "w")
    torch.save(torch.ones(1), folder / name)
    with pytest.raises(InputError):
        colabpanel.restore_checkpoint(tmp_path, folder.name)


def test_a_small_file_of_large_weights_is_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"w": torch.ones(1).expand(1 << 50)}, run / "endless.pt")
    with pytest.raises(SpaceError, match="are free there"):
        colabpanel.export_checkpoint(run, "endless.pt", tmp_path / "w")
    monkeypatch.setattr("colabpanel.services.checkpoints.exporting.free_bytes", lambda _: 1 << 60)
    with pytest.raises(SpaceError, match="of memory"):
        colabpanel.export_checkpoint(run, "endless.pt", tmp_path / "w", dtype="float16", root=tmp_path)
    assert not (tmp_path / "w").exists()


def test_any_kind_is_restored(run: Path) -> None:
    model = torch.nn.Linear(3, 2)
    restored = colabpanel.restore_checkpoint(run, 1, model)
    assert restored.restored[0] == "model"
    restored = colabpanel.restore_checkpoint(run, "epoch=4-step=40.pt", model)
    assert restored.checkpoint.kind == "torch"
    found = colabpanel.restore_checkpoint(run, "epoch=4-step=40.pt")
    assert torch.equal(found.model["weight"], model.weight)
    with pytest.raises(InputError, match="has the shape"):
        colabpanel.restore_checkpoint(run, "epoch=4-step=40.pt", torch.nn.Linear(9, 9))
    with pytest.raises(InputError, match="takes no weights"):
        colabpanel.restore_checkpoint(run, "epoch=4-step=40.pt", object())
    assert colabpanel.find_checkpoint(run, "best", monitor="val_loss").step == 2


def test_files_of_keras_and_safetensors(tmp_path: Path) -> None:
    import safetensors.numpy

    keras = pytest.importorskip("keras")

    def built(units: int = 2) -> Any:
        return keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(units)])

    model = built()
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    model.save_weights(tmp_path / "w.03-0.5.weights.h5")
    model.save(tmp_path / "whole.keras")
    safetensors.numpy.save_file({"weight": np.ones((2, 3), np.float32)}, tmp_path / "st.safetensors")
    for name in ("w.03-0.5.weights.h5", "whole.keras"):
        other = built()
        colabpanel.restore_checkpoint(tmp_path, name, other)
        assert np.array_equal(other.get_weights()[0], model.get_weights()[0])
        weights = colabpanel.restore_checkpoint(tmp_path, name).model
        assert any(np.array_equal(value, model.get_weights()[0]) for value in weights.values())
        exported = colabpanel.export_checkpoint(tmp_path, name, tmp_path / f"{name}.safetensors", dtype="float16")
        assert exported.converted >= 2
        with pytest.raises(InputError, match="do not fit"):
            colabpanel.restore_checkpoint(tmp_path, name, built(7))
    with pytest.raises(InputError, match="takes no weights of safetensors"):
        colabpanel.restore_checkpoint(tmp_path, "st.safetensors", built())
    with pytest.raises(InputError, match="no bfloat16"):
        colabpanel.export_checkpoint(tmp_path, "whole.keras", tmp_path / "x.safetensors", dtype="bfloat16")
    layer = torch.nn.Linear(3, 2, bias=False)
    colabpanel.restore_checkpoint(tmp_path, "st.safetensors", layer)
    assert layer.weight.sum() == 6
    (tmp_path / "cut.weights.h5").write_bytes((tmp_path / "w.03-0.5.weights.h5").read_bytes()[:500])
    with pytest.raises(ArchiveError, match="damaged"):
        colabpanel.restore_checkpoint(tmp_path, "cut.weights.h5")


def test_a_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from colabpanel.services.checkpoints.frameworks._registry import framework_called

    for module in (
        "colabpanel.services.checkpoints.callbacks.for_keras",
        "colabpanel.services.checkpoints.frameworks.lightning_trainer",
    ):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingLibraryError) as caught:
        colabpanel.Checkpoints(tmp_path / "run").keras()
    assert caught.value.hint == "Run: pip install keras"
    with pytest.raises(MissingLibraryError):
        framework_called("lightning")


def _command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["checkpoints", *arguments, "--json"])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return code, answer


def test_the_command_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(run)
    code, answer = _command(capsys, "list", folder, "--monitor", "val_loss")
    assert code == 0
    assert [(one["name"], one["is_best"]) for one in answer["checkpoints"]] == [
        ("step-00000001", False),
        ("step-00000002", True),
        ("epoch=4-step=40.pt", False),
    ]
    code, answer = _command(capsys, "show", folder, "1")
    assert (code, answer["parameters"]) == (0, 8)
    code, answer = _command(capsys, "compare", folder, "1", "2")
    assert (code, answer["parameters"]) == (0, [8, 12])
    code, answer = _command(capsys, "export", folder, "2", str(tmp_path / "w.safetensors"), "--dtype", "float16")
    assert (code, answer["tensors"]) == (0, 2)
    code, answer = _command(capsys, "verify", folder)
    assert (code, answer["status"]) == (0, "ok")
    (run / "step-00000001/model.pt").write_bytes(b"")
    code, answer = _command(capsys, "verify", folder)
    assert (code, answer["status"]) == (3, "partial")
    assert "model.pt has 0 bytes" in answer["checkpoints"][0]["problem"]
    code, answer = _command(capsys, "show", folder, "1")
    assert (code, answer["status"]) == (3, "partial")
    code, answer = _command(capsys, "prune", folder, "--monitor", "val_loss", "--keep-last", "1")
    assert (code, answer["deleted"]) == (0, ["step-00000001"])
    code, answer = _command(capsys, "show", folder, "9")
    assert (code, answer["status"]) == (1, "rejected")
    assert "There are:" in answer["hint"]
