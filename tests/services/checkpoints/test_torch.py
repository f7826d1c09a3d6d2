"""Models of PyTorch: saved while training goes on, and resumed to the bit."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colabpanel.errors import InputError, TrustError
from colabpanel.services.checkpoints.service import Checkpoints

torch = pytest.importorskip("torch")

STEPS = 6


class Training:
    """A small model that uses every generator of random numbers, an optimizer with state, and a schedule."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the global generator is what is tested
        random.seed(seed)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.Dropout(0.3), torch.nn.Linear(16, 1)
        )
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-2)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, 1e-2, total_steps=100)

    def step(self) -> float:
        x = torch.randn(32, 8)
        y = x.sum(1, keepdim=True) + random.random() + np.random.rand()  # noqa: NPY002
        loss = ((self.model(x) - y) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        return float(loss.detach())

    @property
    def parts(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer, "scheduler": self.scheduler}


def _opened(path: Path, **options: Any) -> Checkpoints:
    return Checkpoints(path, monitor="loss", **options)


def test_a_run_that_resumes_is_the_run_that_never_stopped(tmp_path: Path) -> None:
    training, checkpoints = Training(), _opened(tmp_path / "run")
    for step in range(1, STEPS):
        loss = training.step()
        checkpoints.save(training.model, step=step, epoch=step / 2, metrics={"loss": loss}, **training.parts)
    uninterrupted = [training.step() for _ in range(STEPS)]
    other = Training(seed=1)
    restored = _opened(tmp_path / "run").restore(other.model, which="last", **other.parts)
    assert [other.step() for _ in range(STEPS)] == uninterrupted
    assert (restored.checkpoint.step, restored.checkpoint.epoch) == (STEPS - 1, (STEPS - 1) / 2)
    assert [what for what in restored.restored if "Keras" not in what] == [  # which another test may have loaded
        *("model", "optimizer", "scheduler"),
        *("random numbers of Python", "random numbers of NumPy", "random numbers of PyTorch"),
    ]
    assert restored.not_restored == ()
    assert restored.model is other.model
    for one, two in zip(training.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_what_is_saved_is_what_was_there_when_it_was_saved(tmp_path: Path) -> None:
    model, checkpoints = torch.nn.Linear(300, 300), _opened(tmp_path / "run", keep_last=None)
    for step in range(5):
        with torch.no_grad():
            model.weight.fill_(step)
        checkpoints.save(model, step=step)
        with torch.no_grad():
            model.weight.fill_(-1)
    checkpoints.wait()
    for step in range(5):
        restored = checkpoints.restore(which=step)
        assert restored.model["weight"].unique().tolist() == [step]


@pytest.mark.parametrize(("monitor", "values", "best"), [("loss", [3, 1, 2], 1), ("accuracy", [0.1, 0.9, 0.5], 1)])
def test_the_best_is_kept_and_restored(tmp_path: Path, monitor: str, values: list[float], best: int) -> None:
    checkpoints = Checkpoints(tmp_path / "run", monitor=monitor, keep_last=1)
    for step, value in enumerate(values):
        checkpoints.save({"w": torch.full((3,), float(step))}, step=step, metrics={monitor: torch.tensor(value)})
    checkpoints.wait()
    assert [(row.step, row.is_best) for row in checkpoints.table()] == [(best, True), (2, False)]
    restored = checkpoints.restore()
    assert restored.model["w"].tolist() == [best] * 3
    assert restored.checkpoint.is_best


def test_what_was_not_restored_is_told(tmp_path: Path) -> None:
    training, checkpoints = Training(), _opened(tmp_path / "run")
    checkpoints.save(training.model, step=1, **training.parts, extra={"position": 7, "note": "x"})
    other = Training()
    restored = checkpoints.restore(other.model, which="last", random=False)
    assert restored.not_restored == (
        ("optimizer", "pass optimizer= to restore it"),
        ("scheduler", "pass scheduler= to restore it"),
    )
    assert restored.extra == {"position": 7, "note": "x"}
    checkpoints.save(training.model, step=2)
    restored = checkpoints.restore(other.model, which="last", optimizer=other.optimizer)
    assert ("optimizer", "it was not saved") in restored.not_restored


def test_several_optimizers_and_extras_with_state(tmp_path: Path) -> None:
    one, two, checkpoints = Training(), Training(), _opened(tmp_path / "run")
    one.step()
    average = torch.optim.swa_utils.AveragedModel(one.model)
    checkpoints.save(
        one.model,
        step=1,
        optimizer={"a": one.optimizer, "b": [two.optimizer]},
        extra={"average": average, "n": 3},
    )
    other, more = Training(1), Training(1)
    fresh = torch.optim.swa_utils.AveragedModel(other.model)
    restored = checkpoints.restore(
        other.model, which=1, optimizer={"a": other.optimizer, "b": [more.optimizer]}, extra={"average": fresh}
    )
    assert {"optimizer a", "optimizer b 1", "average", "extra"} <= set(restored.restored)
    assert other.optimizer.state_dict()["state"][0]["step"] == 1
    assert restored.extra["n"] == 3
    for left, right in zip(average.state_dict().values(), fresh.state_dict().values(), strict=True):
        assert torch.equal(left, right)


def test_a_model_that_does_not_fit_stays_as_it_was(tmp_path: Path) -> None:
    checkpoints = _opened(tmp_path / "run")
    checkpoints.save(torch.nn.Linear(3, 4), step=1)
    wrong = torch.nn.Linear(4, 4)
    before = wrong.weight.clone()
    with pytest.raises(InputError, match=r"shape \(4, 4\) here and \(4, 3\) in the checkpoint"):
        checkpoints.restore(wrong, which="last")
    assert torch.equal(wrong.weight, before)
    more = torch.nn.Sequential(torch.nn.Linear(3, 4))
    with pytest.raises(InputError, match="in the model but not in the checkpoint"):
        checkpoints.restore(more, which="last")
    assert len(checkpoints.restore(more, which="last", strict=False).not_restored) == 4


def test_wrappers_are_looked_through(tmp_path: Path) -> None:
    checkpoints, plain = _opened(tmp_path / "run"), torch.nn.Linear(3, 3)
    checkpoints.save(torch.nn.DataParallel(plain), step=1)
    fresh = torch.nn.Linear(3, 3)
    checkpoints.restore(fresh, which=1)
    assert torch.equal(fresh.weight, plain.weight.cpu())  # where there is a GPU, the wrapper moves it there


def test_a_state_that_would_need_code_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    checkpoints = _opened(tmp_path / "run")
    with pytest.raises(InputError, match=r"holds a .*Path, which cannot be restored without running code"):
        checkpoints.save({"w": torch.ones(1), "where": Path()}, step=1)
    assert list((tmp_path / "run").iterdir()) == []
    with pytest.raises(InputError, match="has no state_dict"):
        checkpoints.save(torch.nn.Linear(1, 1), step=1, optimizer=object())
    with pytest.raises(InputError, match="step takes"):
        checkpoints.save(torch.nn.Linear(1, 1), step=-1)


def test_a_file_that_runs_code_is_not_loaded(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    checkpoints = _opened(tmp_path / "run", keep_last=None)
    folder = checkpoints.save({"w": torch.ones(1)}, step=1).result().path
    torch.save({"w": Evil()}, folder / "model.pt")
    store = checkpoints._local
    from colabpanel.services.checkpoints.files_of import settle
    from colabpanel.services.checkpoints.record import RECORD, as_json

    record = settle(folder, store.records()[0])
    (folder / RECORD).write_bytes(as_json(record))
    (tmp_path / "run" / "checkpoints.json").unlink()
    with pytest.raises(TrustError, match="would run code"):
        checkpoints.restore(which="last")
    assert not (tmp_path / "ran").exists()


DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.complex64,
]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_state_comes_back_with_what_it_shares(data: st.DataObject) -> None:
    shapes = st.lists(st.integers(0, 4), max_size=3)
    tensors = []
    for _ in range(data.draw(st.integers(1, 5))):
        tensor = torch.randint(0, 2, data.draw(shapes)).to(data.draw(st.sampled_from(DTYPES)))
        if tensor.ndim > 1 and data.draw(st.booleans()):
            tensor = tensor.transpose(0, 1)
        tensors.append(tensor)
    state = {"many": tensors, "again": {"first": tensors[0], 3: [1, "x", None]}, "pair": (tensors[-1], 2.5)}
    from colabpanel.services.checkpoints.frameworks.torch_buffers import Buffers

    buffers = Buffers()
    for _round in range(2):
        copied = buffers.copy(state)
        assert copied["again"][3] == [1, "x", None]
        for one, two in zip(copied["many"], tensors, strict=True):
            assert (one.dtype, one.shape) == (two.dtype, two.shape)
            assert torch.equal(one, two)
            assert one.numel() == 0 or one.data_ptr() != two.data_ptr()
        if tensors[0].numel():
            assert copied["again"]["first"] is copied["many"][0]
            tensors[0].zero_()
    buffers.drop()


def test_tied_weights_are_written_once(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Embedding(1000, 64), torch.nn.Linear(64, 1000, bias=False))
    model[1].weight = model[0].weight
    checkpoints = _opened(tmp_path / "run")
    checkpoint = checkpoints.save(model, step=1).result()
    assert checkpoint.size < 1.5 * 1000 * 64 * 4
    assert checkpoint.parameters == 64_000


def test_nothing_is_changed_where_a_part_does_not_fit(tmp_path: Path) -> None:
    def parts(width: int) -> dict[str, Any]:
        layers = torch.nn.Linear(2, 2), torch.nn.Linear(2, width)
        optimizers = [torch.optim.SGD(layer.parameters(), lr=0.1 * width) for layer in layers]
        return {"optimizer": optimizers, "extra": {"average": torch.nn.Linear(width, 1)}}

    checkpoints = Checkpoints(tmp_path / "run")
    saved, model = parts(2), torch.nn.Linear(1, 1)
    checkpoints.save(model, step=1, **saved).result()
    given = parts(3)
    given["optimizer"][1].add_param_group({"params": torch.nn.Linear(1, 1).parameters()})
    for change in ({"optimizer": given["optimizer"]}, {"optimizer": saved["optimizer"], "extra": given["extra"]}):
        weights, rates = model.weight.clone(), [one.param_groups[0]["lr"] for one in change["optimizer"]]
        with torch.no_grad():
            model.weight += 1
        with pytest.raises(InputError):
            checkpoints.restore(model, which=1, **change)
        assert torch.equal(model.weight, weights + 1)
        assert [one.param_groups[0]["lr"] for one in change["optimizer"]] == rates


def test_a_scheduler_or_optimizer_of_another_kind_changes_nothing(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    adam = torch.optim.Adam(model.parameters(), lr=0.5)
    step = torch.optim.lr_scheduler.StepLR(adam, 2)
    model(torch.ones(1, 2)).sum().backward()
    adam.step()
    checkpoints = Checkpoints(tmp_path / "run", monitor="loss")
    checkpoints.save(model, step=1, optimizer=adam, scheduler=step).result()
    for other in (torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), torch.optim.RMSprop(model.parameters(), 0.1)):
        with pytest.raises(InputError, match="of another kind"):
            checkpoints.restore(model, which="last", optimizer=other)
        assert other.param_groups[0]["lr"] == 0.1
    fresh = torch.optim.Adam(model.parameters(), lr=0.001)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(fresh, 10)
    with pytest.raises(InputError, match="of another kind"):
        checkpoints.restore(model, which="last", optimizer=fresh, scheduler=cosine)
    assert fresh.param_groups[0]["lr"] == 0.001


def test_what_fails_in_the_middle_puts_back_what_came_before(tmp_path: Path) -> None:
    class Refusing:
        def state_dict(self) -> dict[str, int]:
            return {"n": 1}

        def load_state_dict(self, state: object) -> None:
            raise ValueError("no")

    model = torch.nn.Linear(2, 2)
    checkpoints = Checkpoints(tmp_path / "run", monitor="loss")
    adam = torch.optim.Adam(model.parameters(), lr=0.5)
    checkpoints.save(model, step=1, optimizer=adam, scheduler=Refusing()).result()
    fresh = torch.optim.Adam(model.parameters(), lr=0.001)
    with pytest.raises(InputError, match="does not fit"):
        checkpoints.restore(model, which="last", optimizer=fresh, scheduler=Refusing())
    assert fresh.param_groups[0]["lr"] == 0.001
