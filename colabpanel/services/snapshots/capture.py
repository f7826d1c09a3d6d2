"""What a dump gathers while variables are pickled: arrays and other leaves, which are written afterwards."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Capture", "Leaf", "Used"]


class Leaf(NamedTuple):
    """Bytes that become one member of the file.

    Attributes:
        suffix: Of the member's name, such as ``.npy``.
        parts: Gives the bytes, in any number of parts, and again each time it is called.
        size: Their number; about, where ``exact`` is False.
        exact: Whether ``size`` is known before the bytes are made.
    """

    suffix: str
    parts: Callable[[], Iterable[Buffer]]
    size: int
    exact: bool = True


@dataclass
class Used:
    """The numbers of the leaves and arrays that a pickle refers to, and what to tell of it."""

    leaves: set[int] = field(default_factory=set)
    arrays: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


class Capture:
    """Leaves and arrays by number, each of them once.

    Attributes:
        leaves: Leaves other than arrays.
        arrays: Arrays of NumPy, which find their leaves when all are known.
        used: What is used since `begin` was called.
    """

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.arrays: list[Any] = []
        self.used = Used()
        self._numbers: dict[Hashable, int] = {}
        self._kept: list[Any] = []

    def begin(self) -> Used:
        """Begin another pickle; returns what will be told of it."""
        self.used = Used()
        return self.used

    def array(self, array: Any) -> int:
        """Return the number of an array, of which the memory is written, not its Python object."""
        number = self._number(id(array), array, self.arrays, lambda: array)
        self.used.arrays.add(number)
        return number

    def leaf(self, owner: Any, make: Callable[[], Leaf]) -> int:
        """Return the number of the leaf of an object, which stays alive until the dump is over."""
        number = self._number((id(owner), "leaf"), owner, self.leaves, make)
        self.used.leaves.add(number)
        return number

    def _number(self, key: Hashable, owner: Any, numbered: list[Any], make: Callable[[], Any]) -> int:
        number = self._numbers.get(key)
        if number is None:
            made = make()
            number = self._numbers[key] = len(numbered)
            numbered.append(made)
            self._kept.append(owner)
        return number

    def note(self, text: str) -> None:
        """Tell something of the variable that is pickled now, once."""
        if text not in self.used.notes:
            self.used.notes.append(text)
