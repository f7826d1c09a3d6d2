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
