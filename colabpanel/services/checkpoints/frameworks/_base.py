"""What every framework offers to the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Framework", "Outcome", "Parts", "reason_of"]


@dataclass(frozen=True)
class Parts:
    """What takes part in training.

    Attributes:
        model: The model, or its state.
        optimizer: One or several optimizers, as a list or by name, or None.
        scheduler: One or several schedulers, likewise.
        extra: What else was given, by name.
    """

    model: Any
    optimizer: Any = None
    scheduler: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """What restoring one checkpoint came to; see `Restored`."""

    model: Any
    restored: list[str] = field(default_factory=list)
    not_restored: list[tuple[str, str]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


class Framework(Protocol):
    """Saves and restores models of one kind.

    Attributes:
        name: As it is noted in checkpoints.
        keeps_states: Whether it saves optimizers, schedulers and extras that have a ``state_dict``.
    """

    name: str
    keeps_states: bool

    def take(self, parts: Parts, folder: Path) -> Callable[[], None]:
        """Copy everything that training may change, and return what writes it into the folder, on any thread.

        Called where training runs, which waits for it.

        Raises:
            InputError: Something cannot be saved.
        """
        ...

    def parameters(self, model: Any) -> int | None:
        """Return how many numbers a model has, or None."""
        ...

    def restore(self, folder: Path, parts: Parts, *, strict: bool, trusted: bool) -> Outcome:
        """Put back what is in a folder.

        Raises:
            InputError: It does not fit what it is to be put into, or cannot be read.
        """
        ...


def reason_of(error: BaseException) -> str:
    """Return the first line of a library's error as text that can be shown."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return "".join(letter for letter in lines[0][:200] if letter.isprintable())
