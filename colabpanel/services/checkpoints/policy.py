"""When a checkpoint is saved, and which ones are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from colabpanel.errors import InputError
from colabpanel.services.checkpoints.metrics import Judged, Mode, best_first, mode_of
from colabpanel.services.checkpoints.record import Record

__all__ = ["Clock", "Policy", "Schedule", "policy_of"]

Clock = Callable[[], float]
J = TypeVar("J", bound=Judged)


@dataclass(frozen=True)
class Policy:
    """What is kept.

    Attributes:
        monitor: The metric that tells which checkpoint is best.
        mode: Whether less or more of it is better.
        keep_best: How many of the best; None keeps all.
        keep_last: How many of the newest; None keeps all.
    """

    monitor: str
    mode: Mode
    keep_best: int | None
    keep_last: int | None

    def best(self, records: Iterable[J]) -> J | None:
        """Return the best checkpoint, or None where no metric tells."""
        found = best_first(records, self.monitor, self.mode)
        return found[0] if found else None

    def kept(self, records: Iterable[Record]) -> set[str]:
        """Return the names of those to keep: the best, the newest, all that are pinned, and never none.

        Where there are metrics, but not the one that tells which are best, all are kept.
        """
        newest = sorted(records, key=lambda record: record.created, reverse=True)
        best = best_first(newest, self.monitor, self.mode)
        is_blind = bool(self.keep_best) and not best and any(record.metrics for record in newest)
        if self.keep_best is None or self.keep_last is None or is_blind:
            return {record.name for record in newest}
        chosen = [*newest[: max(self.keep_last, 1)], *best[: self.keep_best]]
        return {record.name for record in chosen} | {record.name for record in newest if record.is_pinned}


def policy_of(monitor: str, mode: str, keep_best: int | None, keep_last: int | None) -> Policy:
    """Return the policy of these options.

    Raises:
        InputError: One of them makes no sense.
    """
    if not isinstance(monitor, str) or not monitor.strip():
        raise InputError("monitor takes the name of a metric.", hint='Write monitor="val_loss".')
    for name, number in (("keep_best", keep_best), ("keep_last", keep_last)):
        if number is not None and (type(number) is not int or number < 0):
            raise InputError(f"{name} takes a whole number, or None to keep all.", hint=f"Write {name}=3.")
    return Policy(monitor, mode_of(monitor, mode), keep_best, keep_last)


class Schedule:
    """When the next checkpoint between epochs is due.

    Args:
        every_steps: After so many steps, or None.
        every_minutes: After so many minutes, or None.
        clock: Tells seconds.

    Raises:
        InputError: An interval is not more than nothing.
    """

    def __init__(self, every_steps: int | None, every_minutes: float | None, clock: Clock = time.monotonic) -> None:
        for name, number in (("every_steps", every_steps), ("every_minutes", every_minutes)):
            if number is not None and (type(number) not in {int, float} or not number > 0):
                raise InputError(f"{name} must be more than 0.", hint=f"Write {name}=10, or leave it out.")
        self._steps, self._minutes, self._clock = every_steps, every_minutes, clock
        self._last_step: int | None = None
        self._last_time = clock()

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint is due at this step."""
        if self._last_step is None:
            self._last_step = min(step, 0)
        self._last_step = min(self._last_step, step)  # training began anew
        if self._steps is not None and step - self._last_step >= self._steps:
            return True
        return self._minutes is not None and self._clock() - self._last_time >= self._minutes * 60

    def saved(self, step: int) -> None:
        """Count from here on."""
        self._last_step, self._last_time = step, self._clock()
