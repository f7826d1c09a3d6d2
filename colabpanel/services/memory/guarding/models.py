"""What the guard tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["GuardEvent", "GuardEventKind", "GuardStatus"]

GuardEventKind = Literal["warning", "interrupted", "snapshot", "failed", "calm"]


@dataclass(frozen=True)
class GuardEvent:
    """Something the guard has seen or done.

    Attributes:
        kind: ``warning`` and ``calm``: memory passed the threshold, and fell below it again; ``interrupted`` and
            ``snapshot``: what was done; ``failed``: what could not be.
        sentence: The same in a sentence.
        hint: What to do next, or an empty string.
        time: Seconds since the epoch.
        used: Bytes in use then, or None where they cannot be read.
        total: The limit in bytes, or None.
    """

    kind: GuardEventKind
    sentence: str
    hint: str
    time: float
    used: int | None
    total: int | None


@dataclass(frozen=True)
class GuardStatus:
    """The guard at one moment; None stands for what is not known.

    Attributes:
        running: Whether it looks at memory.
        used: Bytes in use when it looked last.
        total: The limit in bytes.
        seconds_left: Until memory is full by the forecast; None where memory does not grow steadily.
        events: The last twenty, oldest first.
    """

    running: bool
    used: int | None
    total: int | None
    seconds_left: float | None
    events: tuple[GuardEvent, ...]

    @property
    def fraction(self) -> float | None:
        """The used share from 0 to 1."""
        return self.used / self.total if self.used is not None and self.total else None
