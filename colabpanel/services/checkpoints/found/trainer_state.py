"""What the Trainer of Transformers writes beside a checkpoint: its step, epoch and metrics, and which one is best."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colabpanel.services.checkpoints.found.reading import finite, json_of

__all__ = ["STATE", "TrainerState", "state_of"]

STATE = "trainer_state.json"
_NOT_METRICS = {"epoch", "step"}
_LONGEST = 200


@dataclass(frozen=True)
class TrainerState:
    """What a ``trainer_state.json`` tells; what it does not is None or empty.

    Attributes:
        step: Of training.
        epoch: Of training.
        metrics: Those logged at this step.
        best: Name of the folder that is best so far.
    """

    step: int | None = None
    epoch: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    best: str = ""


def state_of(folder: Path) -> TrainerState:
    """Return what the state in a folder tells, malformed or not."""
    found = json_of(folder / STATE)
    if not isinstance(found, dict):
        return TrainerState()
    step, best = found.get("global_step"), found.get("best_model_checkpoint")
    step = step if isinstance(step, int) and not isinstance(step, bool) else None
    return TrainerState(
        step,
        finite(found.get("epoch")),
        _metrics(found.get("log_history"), step),
        re.split(r"[/\\]", best.rstrip("/\\"))[-1] if isinstance(best, str) else "",
    )


def _metrics(history: Any, step: int | None) -> dict[str, float]:
    """Return what was logged at a step."""
    found: dict[str, float] = {}
    for entry in history if isinstance(history, list) else ():
        if step is None or not isinstance(entry, dict) or entry.get("step") != step:
            continue
        numbers = {name: finite(value) for name, value in entry.items() if name not in _NOT_METRICS}
        found |= {name: one for name, one in numbers.items() if one is not None and _is_a_word(name)}
    return found


def _is_a_word(name: str) -> bool:
    return name.isprintable() and 0 < len(name) <= _LONGEST
