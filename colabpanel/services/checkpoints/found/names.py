"""What names of checkpoints tell: steps, epochs and metrics, as the templates of the libraries put them there."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

__all__ = ["UNNAMED", "Told", "stem_of", "told_by", "trailing_number"]

UNNAMED = "metric"
"""What a number is called that a file name gives without its name, as ``weights.03-0.45.weights.h5``."""

_SUFFIXES = (
    *(".weights.h5", ".keras", ".h5", ".hdf5", ".ckpt", ".safetensors.index.json", ".bin.index.json"),
    *(".safetensors", ".pth.tar", ".pt", ".pth", ".bin"),
)
_PAIR = re.compile(r"([A-Za-z]\w*)=([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![A-Za-z0-9])")
_EPOCH = re.compile(r"(?:^|[-_.])(?:epochs?|ep|e)[-_]?(\d{1,6})(?=$|[-_.])", re.IGNORECASE)
_STEP = re.compile(r"(?:^|[-_.])(?:steps?|iters?|iterations?)[-_]?(\d{1,15})(?=$|[-_.])", re.IGNORECASE)
_EPOCH_AND_METRIC = re.compile(r"(?:^|[-_.])(\d{1,6})-(-?\d+\.\d+)$")
_NUMBER = re.compile(r"(?:^|[-_.])(\d{1,15})$")
_DATE = re.compile(r"\d{4}[-_.]?\d\d[-_.]?\d\d$")
_LONGEST = 15


@dataclass
class Told:
    """What a name tells.

    Attributes:
        step: Of training.
        epoch: Of training.
        metrics: Those that it names.
    """

    step: int | None = None
    epoch: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


def stem_of(name: str) -> str:
    """Return a name without what tells its kind."""
    return next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)


def told_by(name: str, *, keras: bool = False) -> Told:
    """Return what a name tells.

    Args:
        name: Of a file or folder.
        keras: Whether a number at its end is an epoch, as in the templates of Keras; a metric may follow it.
    """
    stem, told = stem_of(name), Told()
    for key, value in _PAIR.findall(stem):
        _note(told, key, value)
    if told.epoch is None and (found := _EPOCH.search(stem)):
        told.epoch = float(found[1])
    if told.step is None and (found := _STEP.search(stem)):
        told.step = int(found[1])
    if keras and told == Told() and not _DATE.search(stem):
        _note_position(told, stem)
    return told


def _note(told: Told, key: str, value: str) -> None:
    """Keep what ``key=value`` says; ``val_loss_epoch=0.5`` is a metric, and ``model_epoch=03`` an epoch."""
    counts = value.isdigit() and len(value) <= _LONGEST
    if counts and key.lower().endswith("epoch"):
        told.epoch = float(value)
    elif counts and key.lower().endswith("step"):
        told.step = int(value)
    elif math.isfinite(float(value)):
        told.metrics[key] = float(value)


def _note_position(told: Told, stem: str) -> None:
    if found := _EPOCH_AND_METRIC.search(stem):
        told.epoch = float(found[1])
        if math.isfinite(float(found[2])):
            told.metrics[UNNAMED] = float(found[2])
    elif (number := trailing_number(stem)) is not None:
        told.epoch = float(number)


def trailing_number(name: str) -> int | None:
    """Return the number that a name ends with, or that it is."""
    found = _NUMBER.search(name)
    return None if found is None or _DATE.search(name) else int(found[1])
