"""Real training with each library: the best is chosen, and a run that resumes is the run that never stopped."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import colabpanel
from colabpanel.errors import ArchiveError, InputError, TrustError
from colabpanel.services.checkpoints.frameworks._base import Parts
from colabpanel.services.checkpoints.frameworks.transformers_folder import TransformersFolder
from colabpanel.services.checkpoints.service import Checkpoints
from colabpanel.services.checkpoints.trees import arrays_in

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries' own making


def _data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 8)).astype(np.float32)
    return x, (x.sum(axis=1) > 0).astype(np.float32)


# Lightning


def _lightning(seed: int, folder: Path, epochs: int, callbacks: list[Any]) -> tuple[Any, Any]:
    lightning = pytest.importorskip("lightning.pytorch")
    torch = pytest.importorskip("torch")

    class Module(lightning.LightningModule):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))
            self.losses: list[float] = []
            self.fails_at = -1

        def training_step(self, batch: Any, index: int) -> Any:
            if index == self.fails_at:
                raise ZeroDivisionError
            loss = torch.nn.functional.mse_loss(self.net(batch[0]).squeeze(1), batch[1])
            self.losses.append(loss.item())
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_loss", torch.nn.functional.mse_loss(self.net(batch[0]).squeeze(1), batch[1]))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters(), 1e-2)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2)]

    lightning.seed_everything(seed, verbose=False)
    module = Module()
    trainer = lightning.Trainer(
        max_epochs=epochs,
        callbacks=callbacks,
        default_root_dir=folder,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    return trainer, module


def _loaders() -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")

    x, y = map(torch.from_numpy, _data())
    data = torch.utils.data.TensorDataset(x, y)
    return torch.utils.data.DataLoader(data, 16, shuffle=True), torch.utils.data.DataLoader(data, 32)


def test_lightning_resumes_to_the_bit(tmp_path: Path) -> None:
    trainer, whole = _lightning(0, tmp_path, 4, [])
    trainer.fit(whole, *_loaders())

    checkpoints = Checkpoints(tmp_path / "run", monitor="val_loss", keep_last=None)
    trainer, half = _lightning(0, tmp_path, 2, [checkpoints.lightning()])
    trainer.fit(half, *_loaders())
    rows = checkpoints.table()
    assert [row.step for row in rows] == [4, 8]
    assert min(rows, key=lambda row: row.metrics["val_loss"]).is_best

    again = Checkpoints(tmp_path / "run", monitor="val_loss", keep_last=None)
    trainer, resumed = _lightning(1, tmp_path, 4, [again.lightning()])
    trainer.fit(resumed, *_loaders(), ckpt_path=again.path("last") / "lightning.ckpt")
    assert resumed.losses == whole.losses[8:]
    for one, two in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert one.equal(two)

    _, fresh = _lightning(2, tmp_path, 1, [])
    restored = again.restore(fresh, which=8)
    assert restored.restored[0] == "model"
    assert "optimizer" in dict(restored.not_restored)
    for one, two in zip(half.state_dict().values(), fresh.state_dict().values(), strict=True):
        assert one.equal(two)


def test_lightning_resumes_to_the_bit_without_validation(tmp_path: Path) -> None:
    trainer, whole = _lightning(0, tmp_path, 4, [])
    trainer.fit(whole, _loaders()[0])
    for epochs in (1, 3):
        checkpoints = Checkpoints(tmp_path / f"run-{epochs}", monitor="loss", keep_last=None)
        trainer, half = _lightning(0, tmp_path, epochs, [checkpoints.lightning()])
        trainer.fit(half, _loaders()[0])
        trainer, resumed = _lightning(1, tmp_path, 4, [checkpoints.lightning()])
        trainer.fit(resumed, _loaders()[0], ckpt_path=checkpoints.path("last") / "lightning.ckpt")
        assert resumed.losses == whole.losses[4 * epochs :]


def test_lightning_files_are_read_without_running_code(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    from colabpanel.services.checkpoints.frameworks.lightning_trainer import LightningTrainer

    checkpoints = Checkpoints(tmp_path / "run", monitor="val_loss")
    trainer, module = _lightning(0, tmp_path, 1, [checkpoints.lightning()])
    trainer.fit(module, *_loaders())
    assert set(checkpoints.restore(which="last").model) == set(module.state_dict())
    with pytest.raises(InputError, match="put into its module"):
        checkpoints.restore([], which="last")
    weights = colabpanel.restore_checkpoint(tmp_path / "run", "last").model
    assert set(weights) == set(module.state_dict())
    assert colabpanel.checkpoint_contents(tmp_path / "run", "last").tensors
    outcome = LightningTrainer()
    torch.save({"state_dict": 3}, tmp_path / "lightning.ckpt")
    with pytest.raises(ArchiveError, match="holds no weights"):
        outcome.restore(tmp_path, Parts(None), strict=True, trusted=False)
    torch.save({"state_dict": {}, "callbacks": Path()}, tmp_path / "lightning.ckpt")
    with pytest.raises(TrustError, match="would run code"):
        outcome.restore(tmp_path, Parts(None), strict=True, trusted=False)
    assert outcome.restore(tmp_path, Parts(None), strict=True, trusted=True).model == {}


def test_lightning_saves_when_training_fails(tmp_path: Path) -> None:
    pytest.importorskip("lightning.pytorch")
    checkpoints = Checkpoints(tmp_path / "run", monitor="val_loss", every_steps=2)
    trainer, module = _lightning(0, tmp_path, 1, [checkpoints.lightning()])
    module.fails_at = 3
    with pytest.raises(ZeroDivisionError):
        trainer.fit(module, *_loaders())
    rows = [(row.step, row.epoch, row.tags) for row in checkpoints.table()]
    assert rows == [(2, 0, ()), (3, 0, ("ZeroDivisionError",))]


def test_one_callback_of_lightning_serves_several_runs(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run", monitor="val_loss", keep_last=None)
    callback = checkpoints.lightning()
    for fails_at in (-1, 0, -1):
        trainer, module = _lightning(0, tmp_path, 1, [callback])
        module.fails_at = fails_at
        with pytest.raises(ZeroDivisionError) if fails_at == 0 else contextlib.nullcontext():
            trainer.fit(module, _loaders()[0])
    assert [(row.step, row.epoch, row.tags) for row in checkpoints.table()] == [(4, 1, ()), (4, 1, ())]


# Transformers


def _transformers(seed: int, folder: Path, epochs: int, callbacks: list[Any]) -> Any:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")

    transformers.set_seed(seed)
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=2
    )
    random = np.random.default_rng(0)
    rows = [{"input_ids": torch.from_numpy(random.integers(0, 50, 6)), "labels": n % 2} for n in range(16)]
    arguments = transformers.TrainingArguments(
        str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=4,
        eval_strategy="epoch",
        save_strategy="no",
        lr_scheduler_type="constant",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        seed=seed,
    )
    model = transformers.BertForSequenceClassification(config)
    return transformers.Trainer(model, arguments, train_dataset=rows, eval_dataset=rows, callbacks=callbacks)


def test_transformers_resumes_to_the_bit(tmp_path: Path) -> None:
    whole = _transformers(0, tmp_path / "a", 4, [])
    whole.train()

    checkpoints = Checkpoints(tmp_path / "run", monitor="val_loss", keep_last=None)
    half = _transformers(0, tmp_path / "b", 2, [checkpoints.transformers()])
    half.train()
    rows = checkpoints.table()
    assert [(row.step, row.epoch, row.framework) for row in rows] == [(4, 1, "transformers"), (8, 2, "transformers")]
    assert min(rows, key=lambda row: row.metrics["eval_loss"]).is_best

    resumed = _transformers(0, tmp_path / "c", 4, [])
    resumed.train(resume_from_checkpoint=str(checkpoints.path("last")))
    for one, two in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert one.equal(two)

    fresh = _transformers(5, tmp_path / "d", 1, []).model
    restored = checkpoints.restore(fresh, which=8)
    assert restored.restored[0] == "model"
    for one, two in zip(half.model.state_dict().values(), fresh.state_dict().values(), strict=True):
        assert one.equal(two)


def test_transformers_saves_when_asked_and_its_weights_are_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    checkpoints = Checkpoints(tmp_path / "run", every_steps=3, keep_last=None, monitor="loss")
    trainer = _transformers(0, tmp_path / "a", 1, [checkpoints.transformers()])
    trainer.args.eval_strategy = "no"
    trainer.train()
    assert [row.step for row in checkpoints.table()] == [3]
    state = checkpoints.restore(which="last").model
    assert any(name.startswith("bert.") for name in state)
    with pytest.raises(InputError, match="put into its model"):
        checkpoints.restore([], which="last")

    folder = tmp_path / "own"
    folder.mkdir()
    model = torch.nn.Sequential(torch.nn.Embedding(4, 3), torch.nn.Linear(3, 4, bias=False))
    weight = model[0].weight
    model[1].weight = weight
    torch.save({"0.weight": weight}, folder / "pytorch_model.bin")
    (folder / "more").mkdir()
    (folder / "more/config.json").write_text("{}")
    checkpoints.save(TransformersFolder(folder), step=9)
    other = torch.nn.Sequential(torch.nn.Embedding(4, 3), torch.nn.Linear(3, 4, bias=False))
    other[1].weight = other[0].weight
    checkpoints.restore(other, which=9)
    assert torch.equal(other.state_dict()["1.weight"], model.state_dict()["0.weight"])
    assert (checkpoints.path(9) / "more/config.json").read_text() == "{}"
    (folder / "pytorch_model.bin").unlink()
    checkpoints.save(TransformersFolder(folder), step=10)
    with pytest.raises(ArchiveError, match="no weights in this checkpoint"):
        checkpoints.restore(other, which=10)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_transformers_resumes_from_where_an_error_ended_it(tmp_path: Path, error: type[BaseException]) -> None:
    whole = _transformers(0, tmp_path / "a", 3, [])
    whole.train()
    checkpoints = Checkpoints(tmp_path / "run", monitor="val_loss", keep_last=None)
    half = _transformers(0, tmp_path / "b", 3, [checkpoints.transformers(), _failing_trainer(6, error)])
    with pytest.raises(error), checkpoints.saving_on_error(half.model):
        half.train()
    rows = [(row.step, row.epoch, row.framework, row.tags) for row in checkpoints.table()]
    assert rows == [(4, 1, "transformers", ()), (6, 1.5, "transformers", (error.__name__,))]
    resumed = _transformers(0, tmp_path / "c", 3, [])
    resumed.train(resume_from_checkpoint=str(checkpoints.path("last")))
    for one, two in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert one.equal(two)


def _failing_trainer(step: int, error: type[BaseException]) -> Any:
    transformers = pytest.importorskip("transformers")

    class Failing(transformers.TrainerCallback):  # type: ignore[name-defined]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == step:
                raise error

    return Failing()


def test_metrics_are_of_this_training_and_of_all_its_data(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run", monitor="eval_one_loss", keep_last=None)
    callback = checkpoints.transformers()
    trainer = _transformers(0, tmp_path / "a", 1, [callback])
    trainer.eval_dataset = {"one": trainer.eval_dataset, "two": trainer.eval_dataset}
    trainer.train()
    (row,) = checkpoints.table()
    assert {"eval_one_loss", "eval_two_loss"} <= set(row.metrics)
    again = _transformers(0, tmp_path / "b", 3, [callback, _failing_trainer(4, RuntimeError)])
    again.args.eval_strategy = "no"
    with pytest.raises(RuntimeError):
        again.train()
    assert checkpoints.table()[-1].tags == ("RuntimeError",)
    assert checkpoints.table()[-1].metrics == {}


def test_a_trainer_that_does_not_begin_leaves_nothing(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run", monitor="val_loss")
    trainer = _transformers(0, tmp_path / "a", 1, [checkpoints.transformers()])
    with pytest.raises(Exception, match="nowhere"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "nowhere"))
    assert checkpoints.table() == []


# scikit-learn, and whatever is no model of a library


def test_estimators_and_trees_of_arrays(tmp_path: Path) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = _data()
    checkpoints = Checkpoints(tmp_path / "run", monitor="score")
    model = linear.SGDClassifier(random_state=0)
    for step in range(1, 4):
        model.partial_fit(x, y, classes=[0.0, 1.0])
        checkpoints.save(model, step=step, metrics={"score": model.score(x, y)})
    restored = Checkpoints(tmp_path / "run", monitor="score").restore(which="last").model
    assert np.array_equal(restored.coef_, model.coef_)

    restored.partial_fit(x, y)
    model.partial_fit(x, y)
    assert np.array_equal(restored.coef_, model.coef_)

    tree: dict[str, Any] = {"dense": {"kernel": np.ones((3, 4)), "bias": np.zeros(4)}, "step": 5}
    checkpoint = checkpoints.save(tree, step=9, optimizer=[np.arange(3)]).result()
    assert (checkpoint.framework, checkpoint.parameters) == ("snapshot", 16)
    found = checkpoints.restore(which="last")
    assert np.array_equal(found.model["dense"]["kernel"], tree["dense"]["kernel"])
    assert found.restored[:2] == ("model", "optimizer")


def test_pipelines_tell_what_is_in_their_steps(tmp_path: Path) -> None:
    pipeline, ensemble = pytest.importorskip("sklearn.pipeline"), pytest.importorskip("sklearn.ensemble")
    linear, scaling = pytest.importorskip("sklearn.linear_model"), pytest.importorskip("sklearn.preprocessing")
    x, y = _data()
    scaled = pipeline.FeatureUnion([("one", scaling.StandardScaler())])
    model = pipeline.Pipeline([("scaled", scaled), ("none", None), ("line", linear.LogisticRegression())]).fit(x, y)
    names = [name for name, _ in arrays_in(model)]
    assert {"scaled.one.mean_", "line.coef_", "line.intercept_"} <= set(names)
    assert len(set(names)) == len(names)
    voting = ensemble.VotingClassifier([("line", linear.LogisticRegression())]).fit(x, y)
    assert "estimators_.0.coef_" in dict(arrays_in(voting))
