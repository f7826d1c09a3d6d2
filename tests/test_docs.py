"""The code in docs/checkpoints.md runs, the lines that people paste as well as ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import colabpanel
from colabpanel.services.checkpoints.service import active_checkpoints

PAGE = Path(__file__).parents[1] / "docs/checkpoints.md"
pytestmark = pytest.mark.filterwarnings("ignore")


def _blocks(library: str) -> list[str]:
    return re.findall(rf"^```python {library}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def _run(library: str, names: dict[str, Any]) -> dict[str, Any]:
    blocks = _blocks(library)
    assert len(blocks) >= 3
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
        for one in active_checkpoints():
            one.wait()
            one.close()
    return names


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drive").mkdir()


def test_keras_as_it_is_pasted_and_ours(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    random = np.random.default_rng(0)
    x = random.normal(size=(100, 4)).astype(np.float32)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    names = _run("keras", {"keras": keras, "colabpanel": colabpanel, "my_model": model, "x": x, "y": x[:, 0] > 0})
    assert (tmp_path / "training_1/cp.weights.h5").is_file()
    assert names["restored"].not_restored == ()
    rows = colabpanel.checkpoints(tmp_path / "drive/training_1", monitor="val_accuracy")
    assert [row.epoch for row in rows][-1] == 4
    assert {row.kind for row in colabpanel.checkpoints(tmp_path / "training_1")} == {"colabpanel", "keras"}


def test_pytorch_as_it_is_pasted_and_ours(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.Adam(model.parameters())
    losses = iter([3.0, 1.0, 2.0, 4.0])

    def train_one_epoch(model: Any, optimizer: Any) -> None:
        optimizer.zero_grad()
        model(torch.randn(8, 4)).sum().backward()
        optimizer.step()

    names = _run(
        "torch",
        {
            "colabpanel": colabpanel,
            "torch": torch,
            "model": model,
            "optimizer": optimizer,
            "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1),
            "train_one_epoch": train_one_epoch,
            "validate": lambda _model: next(losses),
        },
    )
    assert names["restored"].checkpoint.epoch == 4
    assert names["restored"].not_restored == ()
    assert set(names["weights"]) == {"weight", "bias"}
    assert colabpanel.find_checkpoint(tmp_path / "drive/classifier", "best", monitor="val_loss").step == 1
    assert (tmp_path / "half.safetensors").is_file()
    assert {row.step for row in colabpanel.checkpoints("run")} >= {999 // 500 * 500}
