"""What is given to `Checkpoints.save`, checked before anything is copied."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

from colabpanel.errors import InputError
from colabpanel.services.checkpoints.metrics import plain_metrics
from colabpanel.services.checkpoints.saving import Wanted

__all__ = ["extra_of", "given", "wanted_of"]

_MOST = 1 << 63


def wanted_of(step: Any, epoch: Any, metrics: Any, tags: str | Iterable[str] | None) -> Wanted:
    """Return what shall be noted of a checkpoint, in plain numbers and words.

    Raises:
        InputError: Something is not what it should be.
    """
    try:
        number = -1 if isinstance(step, bool) else operator.index(step)
    except TypeError:
        number = -1
    if not 0 <= number < _MOST:
        raise InputError("step takes a whole number from 0 on.", hint="Count the batches, and pass step=count.")
    if metrics is not None and not isinstance(metrics, Mapping):
        raise InputError("metrics takes numbers by name.", hint='Write metrics={"val_loss": loss}.')
    words = (tags,) if isinstance(tags, str) else tuple(map(str, tags or ()))
    return Wanted(number, _epoch(epoch), plain_metrics(metrics), words)


def _epoch(epoch: Any) -> float | None:
    if epoch is None:
        return None
    found = plain_metrics({"epoch": None if isinstance(epoch, (str, bool)) else epoch})
    if not found or not math.isfinite(found["epoch"]):
        raise InputError("epoch takes a number.", hint="Count the epochs that are finished, and pass epoch=count.")
    return int(found["epoch"]) if found["epoch"].is_integer() else found["epoch"]


def extra_of(extra: Any) -> dict[str, Any]:
    """Return what else was given, by name.

    Raises:
        InputError: It has no names.
    """
    if extra is not None and not (isinstance(extra, Mapping) and all(isinstance(name, str) for name in extra)):
        raise InputError("extra takes values by name.", hint='Write extra={"position": 17}.')
    return dict(extra or {})


def given(model: Any) -> Any:
    """Return a model.

    Raises:
        InputError: There is none.
    """
    if model is None:
        raise InputError("There is no model to save.", hint="Pass the model, or its state.")
    return model
