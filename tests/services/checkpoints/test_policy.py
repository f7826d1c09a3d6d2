"""Which metric is meant, which checkpoint is best, what is kept, and when one is due."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.errors import InputError
from colabpanel.services.checkpoints.metrics import best_first, insist_on, mode_of, named_like, plain_metrics
from colabpanel.services.checkpoints.policy import Policy, Schedule, policy_of
from colabpanel.services.checkpoints.record import Record
from tests.fakes import FakeClock


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        ("val_accuracy", "max"),
        ("val_acc", "max"),
        ("eval_f1", "max"),
        ("val/top5", "max"),
        ("auc_1", "max"),
        ("r2", "max"),
        ("val_loss", "min"),
        ("valid-error", "min"),
        ("rmse", "min"),
        ("eval_perplexity", "min"),
        ("binary_crossentropy", "min"),
        ("neg_mean_squared_error", "max"),
        ("val_neg_log_loss", "max"),
        ("val_mape", "min"),
        ("dice_loss", "min"),
        ("top1_err", "min"),
    ],
)
def test_the_name_of_a_metric_tells_what_is_better(metric: str, mode: str) -> None:
    assert mode_of(metric, "auto") == mode
    assert {mode_of(metric, "min"), mode_of(metric, "max")} == {"min", "max"}


@pytest.mark.parametrize("metric", ["val_thing", "loss_score", "x"])
def test_a_name_that_does_not_tell_is_asked_about(metric: str) -> None:
    with pytest.raises(InputError, match="cannot be told") as caught:
        mode_of(metric, "auto")
    assert "mode=" in caught.value.hint
    with pytest.raises(InputError, match="mode cannot be"):
        mode_of(metric, "best")


@pytest.mark.parametrize(
    ("wanted", "among", "found"),
    [
        ("val_acc", ["loss", "accuracy", "val_loss", "val_accuracy"], "val_accuracy"),
        ("val_accuracy", ["acc", "val_acc"], "val_acc"),
        ("val_accuracy", ["eval_accuracy", "eval_loss"], "eval_accuracy"),
        ("val_accuracy", ["val/acc"], "val/acc"),
        ("val_accuracy", ["accuracy"], None),
        ("val_acc", ["val_sparse_categorical_accuracy", "val_loss"], "val_sparse_categorical_accuracy"),
        ("val_acc", ["val_binary_accuracy", "val_categorical_accuracy"], None),
        ("loss", ["train_loss"], "train_loss"),
        ("loss", ["val_loss"], None),
    ],
)
def test_aliases_are_understood(wanted: str, among: list[str], found: str | None) -> None:
    assert named_like(wanted, among) == found


def test_a_metric_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(InputError, match="no metric called 'val_acuracy'") as caught:
        insist_on("val_acuracy", ["loss", "val_accuracy"])
    assert caught.value.hint == 'There are: val_accuracy, loss. Write monitor="val_accuracy".'
    with pytest.raises(InputError):
        insist_on("loss", [])


def test_metrics_become_numbers() -> None:
    torch = pytest.importorskip("torch")

    given_ = {
        "a": torch.tensor(1.5),
        "b": np.float32(2),
        "c": 3,
        "d": math.nan,
        "e": "text",
        "f": torch.ones(2),
        "g": None,
    }
    assert plain_metrics(given_) == {"a": 1.5, "b": 2.0, "c": 3.0}
    assert plain_metrics(None) == {}


def _records(values: list[float | None], pinned: set[int] = frozenset()) -> list[Record]:  # type: ignore[assignment]
    return [
        Record(f"r{n}", n, float(n), metrics={} if value is None else {"loss": value}, is_pinned=n in pinned)
        for n, value in enumerate(values)
    ]


@given(
    st.lists(st.none() | st.floats(-1e6, 1e6)),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from(["min", "max"]),
    st.sets(st.integers(0, 20)),
)
def test_what_is_kept_is_the_best_and_the_newest_and_what_is_pinned(
    values: list[float | None], best: int, last: int, mode: str, pinned: set[int]
) -> None:
    records = _records(values, pinned)
    kept = policy_of("loss", mode, best, last).kept(records)
    judged = sorted((value if mode == "min" else -value, n) for n, value in enumerate(values) if value is not None)
    expected = {f"r{n}" for _, n in judged[:best]} | {record.name for record in records[-max(last, 1) :]}
    expected |= {f"r{n}" for n in pinned if n < len(records)}
    assert kept == (expected if records else set())
    assert policy_of("loss", mode, None, last).kept(records) == {record.name for record in records}


def test_of_equals_the_earlier_one_is_best() -> None:
    assert [record.step for record in best_first(_records([2, 1, 1]), "loss", "min")] == [1, 2, 0]
    assert Policy("loss", "min", 1, 1).best(_records([None, None])) is None


@pytest.mark.parametrize(
    "options", [("", "min", 1, 1), ("loss", "min", -1, 1), ("loss", "min", 1, 1.5), ("loss", "up", 1, 1)]
)
def test_options_that_make_no_sense_are_refused(options: tuple[str, str, int, int]) -> None:
    with pytest.raises(InputError):
        policy_of(*options)


def test_a_checkpoint_is_due_after_steps_or_minutes(clock: FakeClock) -> None:
    schedule = Schedule(10, 5, clock)
    assert not schedule.is_due(9)
    assert schedule.is_due(10)
    schedule.saved(10)
    assert not schedule.is_due(19)
    assert schedule.is_due(20)
    clock.now += 299
    assert not schedule.is_due(11)
    clock.now += 1
    assert schedule.is_due(11)
    assert not Schedule(None, None, clock).is_due(10**6)
    for wrong in ((0, None), (None, -1), (True, None)):
        with pytest.raises(InputError):
            Schedule(*wrong)


def test_a_run_that_goes_on_counts_from_where_it_began(clock: FakeClock) -> None:
    schedule = Schedule(100, None, clock)
    schedule.saved(5000)
    assert not schedule.is_due(5099)
    assert schedule.is_due(5100)
