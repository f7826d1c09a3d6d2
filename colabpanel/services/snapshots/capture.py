"""What a dump gathers while variables are pickled: arrays and other leaves, which are written afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
        head: Bytes in front of these, for other programs; not counted in ``size``.
    """

    suffix: str
    parts: Callable[[], Iterable[Buffer]]
    size: int
    exact: bool = True
    head: bytes = b""


@dataclass
class Used:
    """The numbers of the leaves and arrays that a pickle refers to, and what to tell of it."""

    leaves: set[int] = field(default_factory=set)
    arrays: set[int] = field(default_factory=set)
    stacks: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


class Capture:
    """Leaves and arrays by number, each of them once.

    Attributes:
        leaves: Leaves other than arrays.
        arrays: Arrays of NumPy by number; they find their leaves when all are known.
        stacks: Lists of arrays alike, by the number of the first; the others have the numbers that follow.
        private: The numbers of arrays that share no memory with others once they are loaded.
        used: What is used since `begin` was called.
    """

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.arrays: dict[int, Any] = {}
        self.stacks: dict[int, list[Any]] = {}
        self.private: set[int] = set()
        self.used = Used()
        self._next = 0
        self._array_numbers: dict[int, int] = {}
        self._stacked_numbers: dict[int, int] | None = None
        self._leaf_numbers: dict[int, int] = {}
        self._kept: list[Any] = []

    def begin(self) -> Used:
        """Begin another pickle; returns what will be told of it."""
        self.used = Used()
        return self.used

    def private_array(self, array: Any) -> int:
        """Return the number of an array that nothing else shall share its memory with when it is loaded."""
        number = self.array(array)
        self.private.add(number)
        return number

    def array(self, array: Any) -> int:
        """Return the number of an array, of which the memory is written, not its Python object."""
        number = self._array_numbers.get(id(array))
        if number is None:
            number = self._in_stacks().get(id(array))
        if number is None:
            number = self._array_numbers[id(array)] = self._next
            self.arrays[number] = array
            self._next += 1
        elif number not in self.arrays:
            self.used.stacks.add(max(first for first in self.stacks if first <= number))
            return number
        self.used.arrays.add(number)
        return number

    def _in_stacks(self) -> dict[int, int]:
        """Return the numbers of arrays in stacks, which are many and seldom asked for."""
        if self._stacked_numbers is None:
            self._stacked_numbers = {
                id(array): first + place for first, arrays in self.stacks.items() for place, array in enumerate(arrays)
            }
        return self._stacked_numbers

    def stack(self, arrays: list[Any]) -> int | None:
        """Return the number of the first of many arrays alike; None if any of them has a number already."""
        first = self._in_stacks().get(id(arrays[0])) if self.stacks else None
        if first is not None:
            known = self.stacks.get(first)
            if known is None or list(map(id, known)) != list(map(id, arrays)):
                return None
        elif not self._array_numbers.keys().isdisjoint(map(id, arrays)) or (
            self.stacks and not self._in_stacks().keys().isdisjoint(map(id, arrays))
        ):
            return None
        else:
            first = self._next
            self.stacks[first] = list(arrays)
            self._stacked_numbers = None
            self._next += len(arrays)
        self.used.stacks.add(first)
        return first

    def leaf(self, owner: Any, make: Callable[[], Leaf]) -> int:
        """Return the number of the leaf of an object, which stays alive until the dump is over."""
        number = self._leaf_numbers.get(id(owner))
        if number is None:
            self.leaves.append(make())
            number = self._leaf_numbers[id(owner)] = len(self.leaves) - 1
            self._kept.append(owner)
        self.used.leaves.add(number)
        return number

    def note(self, text: str) -> None:
        """Tell something of the variable that is pickled now, once."""
        if text not in self.used.notes:
            self.used.notes.append(text)
