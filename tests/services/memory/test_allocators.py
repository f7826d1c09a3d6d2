"""What the frameworks' allocators tell: by stand-ins for the frameworks, which need devices that are not here."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from colabpanel.services.memory.accelerators import Allocator, allocators

FRAMEWORKS = ("torch", "jax", "tensorflow")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what loads a made-up module; none of the real ones is loaded."""
    for name in list(sys.modules):
        if name.partition(".")[0] in FRAMEWORKS:
            monkeypatch.delitem(sys.modules, name)

    def load(name: str, **members: Any) -> ModuleType:
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return load


def _torch(
    *, cuda: Any = None, mps: Any = None, cuda_is_open: bool = False, mps_is_there: bool = False
) -> dict[str, Any]:
    """Return the members of PyTorch that are used; others would be missed loudly."""
    return {
        "cuda": SimpleNamespace(is_initialized=lambda: cuda_is_open, **(cuda or {})),
        "mps": SimpleNamespace(**(mps or {})),
        "backends": SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps_is_there)),
    }


def test_nothing_is_told_where_nothing_is_loaded(loaded: Any) -> None:
    assert allocators() == ()


def test_pytorch_on_cuda(loaded: Any) -> None:
    told: list[dict[str, Any]] = [
        {"allocated_bytes": {"all": {"current": 10, "peak": 40}}, "reserved_bytes": {"all": {"current": 100}}},
        {},
    ]
    cuda = {"device_count": lambda: 2, "memory_stats_as_nested_dict": lambda number: told[number]}
    loaded("torch", **_torch(cuda=cuda, cuda_is_open=True))
    assert allocators() == (
        Allocator("torch", "cuda:0", allocated=10, reserved=100, peak=40),
        Allocator("torch", "cuda:1"),
    )


def test_pytorch_that_has_not_opened_cuda_is_not_made_to(loaded: Any) -> None:
    loaded("torch", **_torch())
    assert allocators() == ()


@pytest.mark.parametrize("limit", [9, None])
def test_pytorch_on_a_mac(loaded: Any, limit: int | None) -> None:
    mps = {"current_allocated_memory": lambda: 3, "driver_allocated_memory": lambda: 5}
    if limit is not None:  # since PyTorch 2.4
        mps["recommended_max_memory"] = lambda: limit
    loaded("torch", **_torch(mps=mps, mps_is_there=True))
    assert allocators() == (Allocator("torch", "mps", allocated=3, reserved=5, limit=limit),)


def _device(platform: str, number: int, told: dict[str, int] | None) -> Any:
    return SimpleNamespace(platform=platform, id=number, memory_stats=lambda: told)


def test_jax_on_gpus_and_tpus(loaded: Any) -> None:
    gpu = {"bytes_in_use": 1, "pool_bytes": 75, "bytes_reserved": 0, "peak_bytes_in_use": 2, "bytes_limit": 90}
    tpu = {"bytes_in_use": 4, "bytes_reserved": 6}
    clients = {
        "cpu": SimpleNamespace(),
        "cuda": SimpleNamespace(local_devices=lambda: [_device("gpu", 0, gpu)]),
        "tpu": SimpleNamespace(local_devices=lambda: [_device("tpu", 3, tpu), _device("tpu", 4, None)]),
    }
    loaded("jax")
    loaded("jax._src.xla_bridge", _backends=clients)
    assert allocators() == (
        Allocator("jax", "gpu:0", allocated=1, reserved=75, peak=2, limit=90),
        Allocator("jax", "tpu:3", allocated=4, reserved=6),
        Allocator("jax", "tpu:4", trouble="JAX does not tell what is used of this device."),
    )


def test_jax_that_has_opened_nothing_has_nothing(loaded: Any) -> None:
    loaded("jax")
    loaded("jax._src.xla_bridge", _backends={})
    assert allocators() == ()


def test_a_jax_that_cannot_be_asked_without_opening_devices_is_not_asked(loaded: Any) -> None:
    loaded("jax")
    (row,) = allocators()
    assert (row.library, row.allocated) == ("jax", None)
    assert "does not tell which devices" in row.trouble


def _tensorflow(loaded: Any, *, context: Any) -> None:
    devices = {"GPU": [SimpleNamespace(name="/device:GPU:0")], "TPU": [SimpleNamespace(name="/job:w/device:TPU:1")]}
    told = {"GPU:0": {"current": 7, "peak": 8}, "TPU:1": {"current": 9}}
    config = SimpleNamespace(
        list_logical_devices=devices.__getitem__, experimental=SimpleNamespace(get_memory_info=told.__getitem__)
    )
    loaded("tensorflow", config=config)
    loaded("tensorflow.python.eager.context", _context=context)


def test_tensorflow(loaded: Any) -> None:
    _tensorflow(loaded, context=SimpleNamespace(_initialized=True))
    assert allocators() == (
        Allocator("tensorflow", "GPU:0", allocated=7, peak=8),
        Allocator("tensorflow", "TPU:1", allocated=9),
    )


@pytest.mark.parametrize("context", [None, SimpleNamespace(_initialized=False)])
def test_tensorflow_that_has_opened_nothing_is_not_made_to(loaded: Any, context: Any) -> None:
    _tensorflow(loaded, context=context)
    assert allocators() == ()


def test_one_that_fails_says_why_and_leaves_the_others(loaded: Any) -> None:
    def fail() -> bool:
        raise RuntimeError("driver shut down")

    loaded("torch", **(_torch() | {"cuda": SimpleNamespace(is_initialized=fail)}))
    _tensorflow(loaded, context=SimpleNamespace(_initialized=True))
    first, *others = allocators()
    assert (first.library, first.allocated) == ("torch", None)
    assert "driver shut down" in first.trouble
    assert len(others) == 2


def test_one_that_is_just_being_imported_is_left_alone(loaded: Any) -> None:
    loaded("torch", __spec__=SimpleNamespace(_initializing=True))
    assert allocators() == ()


def test_a_real_pytorch_is_not_made_to_open_a_gpu() -> None:
    pytest.importorskip("torch")
    code = (
        "import torch; from colabpanel.services.memory.accelerators import allocators; "
        "assert [one for one in allocators() if one.device != 'mps'] == []; assert not torch.cuda.is_initialized()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
