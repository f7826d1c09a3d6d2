"""Arrays, keys and training states of JAX in snapshots and checkpoints, and what Orbax wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import colabpanel
from colabpanel.services.checkpoints.comparing import checkpoint_contents
from colabpanel.services.checkpoints.found.scan import find_checkpoints
from colabpanel.services.checkpoints.found.tensors import tensors_of
from colabpanel.services.checkpoints.models import TensorInfo
from tests.snapshot_calls import round_trip

jax = pytest.importorskip("jax")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries' own making

NUMBERS = ["float16", "bfloat16", "float32", "float8_e4m3fn", "int8", "int32", "uint8", "uint32", "bool", "complex64"]


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4)])
def test_arrays_come_back(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    array = jax.numpy.arange(np.prod(shape)).reshape(shape).astype(dtype)
    back = round_trip(tmp_path, array=array)["array"]
    assert isinstance(back, jax.Array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert np.asarray(back).tobytes() == np.asarray(array).tobytes()


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
def test_keys_come_back(tmp_path: Path, kind: str) -> None:
    key = jax.random.split(jax.random.key(7, impl=kind), 3)
    back = round_trip(tmp_path, key=key)["key"]
    assert back.dtype == key.dtype
    assert jax.random.uniform(back[1]) == jax.random.uniform(key[1])


def test_one_array_stays_one(tmp_path: Path) -> None:
    array = jax.numpy.ones(3)
    back = round_trip(tmp_path, array=array, tree={"a": array, "b": [array, None]})
    assert back["tree"]["a"] is back["array"] is back["tree"]["b"][0]


def _trained(epochs: range, state: Any = None) -> tuple[Any, list[float]]:
    """Train a small network with noise; returns its parameters, optimizer state and key, and the losses."""
    linen, optax = pytest.importorskip("flax.linen"), pytest.importorskip("optax")
    model, optimizer = linen.Sequential([linen.Dense(8), linen.relu, linen.Dense(1)]), optax.adamw(1e-2)
    x = jax.random.normal(jax.random.key(1), (64, 8))
    y = x.sum(axis=1, keepdims=True)
    if state is None:
        params = model.init(jax.random.key(2), x)
        state = {"params": params, "optimizer": optimizer.init(params), "key": jax.random.key(3)}

    def loss_of(params: Any, noise: Any) -> Any:
        return ((model.apply(params, x + 0.1 * noise) - y) ** 2).mean()

    losses = []
    for _ in epochs:
        key, noisy = jax.random.split(state["key"])
        loss, gradient = jax.value_and_grad(loss_of)(state["params"], jax.random.normal(noisy, x.shape))
        updates, optimized = optimizer.update(gradient, state["optimizer"], state["params"])
        state = {"params": optax.apply_updates(state["params"], updates), "optimizer": optimized, "key": key}
        losses.append(float(loss))
    return state, losses


def test_training_with_flax_and_optax_resumes_to_the_bit(tmp_path: Path) -> None:
    _, uninterrupted = _trained(range(6))
    state, losses = _trained(range(3))
    checkpoints = colabpanel.Checkpoints(tmp_path / "run", monitor="loss")
    checkpoints.save(state, step=3, metrics={"loss": losses[-1]}).result()
    restored = colabpanel.Checkpoints(tmp_path / "run", monitor="loss").restore(which="best")
    assert type(restored.model["optimizer"][0]).__name__ == "ScaleByAdamState"
    assert _trained(range(3, 6), restored.model)[1] == uninterrupted[3:]
    shown = checkpoint_contents(tmp_path / "run", "last")
    assert ((8, 1), "float32") in {(one.shape, one.dtype) for one in shown.tensors}


@pytest.mark.parametrize("ocdbt", [True, False])
def test_checkpoints_of_orbax_are_listed_and_looked_into(tmp_path: Path, ocdbt: bool) -> None:
    orbax = pytest.importorskip("orbax.checkpoint")
    tree = {"params": {"w": jax.numpy.ones((3, 4)), "b": jax.numpy.zeros(4, "bfloat16")}, "step": np.int32(7)}
    handler = orbax.PyTreeCheckpointHandler(use_ocdbt=ocdbt)
    with orbax.CheckpointManager(tmp_path, orbax.Checkpointer(handler)) as manager:
        manager.save(7, tree, metrics={"loss": 0.5})
        manager.wait_until_finished()
    found = find_checkpoints(tmp_path)
    assert [(one.kind, one.step) for one in found] == [("orbax", 7)]
    assert set(tensors_of(found[0].path)) >= {
        TensorInfo("w", "params", (3, 4), "float32"),
        TensorInfo("b", "params", (4,), "bfloat16"),
    }
