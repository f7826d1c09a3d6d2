"""Memory of a GPU: listed apart, released, and given back."""

from __future__ import annotations

from typing import Any

import pytest

from colabpanel.errors import InputError
from colabpanel.services.memory.referrers import referrers
from colabpanel.services.memory.releasing import release
from colabpanel.services.memory.shrinking import shrink
from colabpanel.services.memory.variables import variables
from tests.fakes import FakeHost

MB = 1 << 20


@pytest.fixture
def torch() -> Any:
    module = pytest.importorskip("torch")
    if not module.cuda.is_available():
        pytest.skip("this PyTorch sees no GPU")
    return module


def test_tensors_on_the_gpu_are_listed_apart(torch: Any, host: FakeHost) -> None:
    tensor = torch.zeros(4 * MB, device="cuda")
    host.variables.update(
        tensor=tensor, part=tensor[5:], both={"gpu": torch.zeros(MB, device="cuda"), "cpu": b"x" * MB}
    )
    host.variables["model"] = torch.nn.Linear(1024, 1024, device="cuda")
    rows = {row.name: row for row in variables(host=host)}
    assert (rows["tensor"].device, rows["tensor"].device_size, rows["tensor"].size) == ("cuda:0", 16 * MB, 0)
    assert (rows["part"].device_size, rows["part"].shares) == (0, ("tensor",))
    assert rows["both"].device_size == 4 * MB
    assert MB <= rows["both"].size < MB + 2000
    assert rows["model"].device_size == (1024 * 1024 + 1024) * 4


def test_released_memory_goes_back_to_the_gpu(torch: Any, host: FakeHost) -> None:
    release(caches=True, host=host)
    host.variables.update(tensor=torch.zeros(64 * MB, device="cuda"), holder=[])
    reserved = torch.cuda.memory_reserved()
    free = torch.cuda.mem_get_info()[0]
    host.variables["holder"].append(host.variables["tensor"])
    kept = release(["tensor"], caches=True, host=host)
    assert [one.words for one in kept.still_held[0].referrers] == ["variable `holder` (list, item 0)"]
    assert kept.gpu_freed == 0
    released = release(["holder"], caches=True, host=host)
    assert released.gpu_freed == 256 * MB
    assert torch.cuda.memory_reserved() == reserved - 256 * MB
    assert torch.cuda.mem_get_info()[0] - free >= 256 * MB
    assert "256 MB" in next(step.sentence for step in released.steps if step.what == "torch")


def test_gradients_and_states_on_the_gpu_count(torch: Any, host: FakeHost) -> None:
    model = torch.nn.Linear(1024, 1024, bias=False, device="cuda")
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 1024, device="cuda")).sum().backward()
    optimizer.step()
    host.variables.update(model=model, optimizer=optimizer)
    rows = {row.name: row for row in variables(host=host)}
    assert rows["model"].device_size == 8 * MB
    assert rows["optimizer"].device_size == pytest.approx(8 * MB, abs=1000)
    del model, optimizer
    assert referrers("model", host=host) == []


def test_a_part_of_a_tensor_is_copied_on_the_gpu(torch: Any, host: FakeHost) -> None:
    host.variables["part"] = torch.arange(4 * MB, device="cuda")[5:10]
    with pytest.raises(InputError, match="all of which it keeps in memory") as left:  # nothing tells who else has it
        shrink("part", how="copy", host=host)
    exec(left.value.hint.removeprefix("Run: "), host.variables)
    assert host.variables["part"].untyped_storage().nbytes() == 40
    assert host.variables["part"].device.type == "cuda"
    assert host.variables["part"].tolist() == [5, 6, 7, 8, 9]
