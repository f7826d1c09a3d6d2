"""Checkpoints of models on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colabpanel.services.checkpoints.service import Checkpoints

STEPS = 3


def _train(torch: Any, model: Any, optimizer: Any) -> list[float]:
    losses = []
    for _ in range(STEPS):
        x = torch.randn(32, 8, device="cuda")
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _made(torch: Any) -> tuple[Any, Any]:
    model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.Dropout(0.3), torch.nn.Linear(64, 1)).cuda()
    return model, torch.optim.AdamW(model.parameters(), 1e-2)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """PyTorch that sees a GPU, and computes the same each time."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    found: Any = pytest.importorskip("torch")
    if not found.cuda.is_available():
        pytest.skip("this PyTorch sees no GPU")
    found.use_deterministic_algorithms(True)
    yield found
    found.use_deterministic_algorithms(False)


def test_a_run_on_a_gpu_resumes(torch: Any, tmp_path: Path) -> None:
    model, optimizer = _made(torch)
    _train(torch, model, optimizer)
    checkpoints = Checkpoints(tmp_path / "run", monitor="loss", mode="min")
    checkpoints.save(model, step=STEPS, metrics={"loss": 1.0}, optimizer=optimizer)
    uninterrupted = _train(torch, model, optimizer)
    other, its_optimizer = _made(torch)
    restored = checkpoints.restore(other, which="last", optimizer=its_optimizer)
    assert "random numbers of CUDA" in restored.restored
    assert next(other.parameters()).is_cuda
    assert _train(torch, other, its_optimizer) == uninterrupted


def test_what_is_saved_is_the_model_as_it_was_when_save_returned(torch: Any, tmp_path: Path) -> None:
    model = torch.nn.Linear(4000, 4000, bias=False, device="cuda")
    checkpoints = Checkpoints(tmp_path / "run", monitor="loss", keep_last=None)
    kept = []
    for step in range(4):
        kept.append(model.weight.detach().cpu())
        checkpoints.save(model, step=step)
        with torch.no_grad():
            model.weight.add_(1)
    for step, weight in enumerate(kept):
        assert torch.equal(checkpoints.restore(which=step).model["weight"].cpu(), weight)


def test_lightning_on_a_gpu_resumes_to_the_bit(torch: Any, tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch")
    data = torch.utils.data.TensorDataset(torch.arange(512.0).reshape(64, 8) / 512, torch.arange(64.0) / 64)

    class Module(lightning.LightningModule):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))

        def training_step(self, batch: Any, _index: int) -> Any:
            return (self.net(batch[0]).squeeze(1) - batch[1]).square().mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), 1e-2)

    def train(epochs: int, callbacks: list[Any], resumed: Path | None = None) -> list[Any]:
        lightning.seed_everything(0, verbose=False)
        module, quiet = Module(), dict.fromkeys(("enable_checkpointing", "enable_progress_bar", "logger"), False)
        trainer = lightning.Trainer(
            max_epochs=epochs, callbacks=callbacks, accelerator="gpu", devices=1, default_root_dir=tmp_path, **quiet
        )
        trainer.fit(module, torch.utils.data.DataLoader(data, 16, shuffle=True), ckpt_path=resumed)
        return [one.detach().cpu() for one in module.parameters()]

    checkpoints = Checkpoints(tmp_path / "run", monitor="loss", keep_last=None)
    whole = train(4, [])
    train(2, [checkpoints.lightning()])
    resumed = train(4, [checkpoints.lightning()], checkpoints.path("last") / "lightning.ckpt")
    assert all(torch.equal(one, two) for one, two in zip(whole, resumed, strict=True))


def test_transformers_on_a_gpu_resumes_from_where_an_error_ended_it(torch: Any, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    rows = [{"input_ids": torch.arange(6) + n, "labels": n % 2} for n in range(16)]
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}

    class Failing(transformers.TrainerCallback):  # type: ignore[name-defined]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 6:
                raise KeyboardInterrupt

    def trainer(name: str, *callbacks: Any) -> Any:
        transformers.set_seed(0)
        options = {"num_train_epochs": 3, "per_device_train_batch_size": 4, "seed": 0, "save_strategy": "no"}
        arguments = transformers.TrainingArguments(str(tmp_path / name), report_to=[], disable_tqdm=True, **options)
        model = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=50, **sizes))
        return transformers.Trainer(model, arguments, train_dataset=rows, callbacks=list(callbacks))

    whole, checkpoints = trainer("whole"), Checkpoints(tmp_path / "run", monitor="loss")
    whole.train()
    with pytest.raises(KeyboardInterrupt):
        trainer("half", checkpoints.transformers(), Failing()).train()
    resumed = trainer("resumed")
    resumed.train(resume_from_checkpoint=str(checkpoints.path("last")))
    assert next(resumed.model.parameters()).is_cuda
    for one, two in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(one, two)
