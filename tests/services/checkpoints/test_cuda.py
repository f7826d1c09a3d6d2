"""What is done for tensors on a GPU, with CUDA's own calls replaced: a real one is in tests/gpu."""

from __future__ import annotations

from typing import Any

import pytest

from colabpanel.services.checkpoints.randomness import random_state, restore_random

torch = pytest.importorskip("torch")

from colabpanel.services.checkpoints.frameworks.torch_buffers import Buffers  # noqa: E402 - it needs torch


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every tensor is said to be on a GPU, and what CUDA is asked for is noted."""
    noted: list[str] = []
    empty = torch.empty

    def reserve(*arguments: Any, pin_memory: bool = False, **options: Any) -> Any:
        noted.append("pinned" if pin_memory else "pageable")
        return empty(*arguments, **options)

    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda _: True), raising=False)
    monkeypatch.setattr(torch, "empty", reserve)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: noted.append("synchronize"))
    return noted


def test_tensors_of_a_gpu_are_copied_into_pinned_memory_that_is_used_again(calls: list[str]) -> None:
    buffers, state = Buffers(), {"w": torch.arange(6.0).reshape(2, 3), "step": 1}
    first = buffers.copy(state)
    assert calls == ["pinned", "synchronize"]
    state["w"] += 1
    second = buffers.copy(state)
    assert calls == ["pinned", "synchronize", "synchronize"]
    assert second["w"].data_ptr() == first["w"].data_ptr()
    assert torch.equal(second["w"], state["w"])


def test_the_random_numbers_of_every_gpu_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [torch.tensor([1, 2], dtype=torch.uint8), torch.tensor([3, 4], dtype=torch.uint8)]
    given: list[Any] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: states)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", given.extend)
    done, problems = restore_random(random_state())
    assert "random numbers of CUDA" in done
    assert problems == []
    assert all(torch.equal(one, two) for one, two in zip(given, states, strict=True))
