"""Tensors on a GPU in snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from colabpanel.services.snapshots.fingerprint import fingerprint
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


def test_arrays_of_jax_come_back_on_the_gpu(tmp_path: Path) -> None:
    jax = pytest.importorskip("jax")
    if jax.default_backend() != "gpu":
        pytest.skip("this JAX sees no GPU")
    weights = jax.numpy.arange(1000.0)
    snapshot = dump(tmp_path / "a.snapshot.zip", {"weights": weights, "key": jax.random.key(3)})
    assert "copied from its device" in snapshot.variables[0].note
    found = load(tmp_path / "a.snapshot.zip")
    assert {device.platform for device in found["weights"].devices()} == {"gpu"}
    assert (found["weights"] == weights).all()
    assert jax.random.uniform(found["key"]) == jax.random.uniform(jax.random.key(3))


def test_what_has_changed_on_a_gpu_is_not_said_to_be_as_it_was() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch sees no GPU")
    assert fingerprint(torch.zeros(5, device="cuda")) is None
