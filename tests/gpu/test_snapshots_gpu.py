"""Tensors on a GPU in snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from colabpanel.services.snapshots.service import dump, load


def test_tensors_come_back_in_the_host_s_memory(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch sees no GPU")
    weights = torch.arange(1000.0, device="cuda")
    snapshot = dump(tmp_path / "a.snapshot.zip", {"weights": weights, "part": weights[10:20]})
    assert "moved from cuda:0" in snapshot.variables[0].note
    found = load(tmp_path / "a.snapshot.zip")
    assert found["weights"].device.type == "cpu"
    assert torch.equal(found["part"], weights[10:20].cpu())
