"""What could be saved, and what was."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from colabpanel.progress import Progress
from colabpanel.services.memory.referrers import Referrer

__all__ = ["NOTABLE", "How", "Saving", "Shrunk", "Task", "Way", "WouldChangeError", "every", "sampled"]

How = Literal["integers", "category", "float32", "copy", "file", "one_array"]

NOTABLE = 1 << 20
"""Bytes that are worth a line."""

_SAMPLE = 100_000
_FEWEST = 1_000
_SHARE = 100  # one in so many
_PATTERNS = 2 * 3 * 5 * 7


class WouldChangeError(Exception):
    """Not every value would stay what it is; the original was not touched."""


@dataclass(frozen=True)
class Saving:
    """A variable that would take less memory in another form.

    Attributes:
        name: The variable.
        how: The other form: smaller ``integers``, a ``category`` for texts that repeat, ``float32``, a ``copy`` of a
            small part that keeps a large array alive, a ``file`` that is mapped into memory, or ``one_array`` for a
            list.
        saved: Bytes, about.
        lossless: Whether every value would stay what it is, as far as a sample tells.
        safe: Whether `shrink` does it: it looks at every value first, and nothing changes but the memory.
        sentence: What would change.
        code: The line of Python that does it.
    """

    name: str
    how: How
    saved: int
    lossless: bool
    safe: bool
    sentence: str
    code: str


@dataclass(frozen=True)
class Shrunk:
    """A variable that takes less memory now.

    Attributes:
        name: The variable.
        how: Its new form, as in `Saving`.
        before: Bytes it took in memory.
        after: Bytes it takes now.
        freed: Bytes by which the resident memory of this process fell; None where it cannot be read.
        file: Where the values are now, if they are mapped from a file; it must stay there while the variable is used.
        still_held: What refers to the object as it was, and keeps it in memory.
    """

    name: str
    how: How
    before: int
    after: int
    freed: int | None
    file: Path | None
    still_held: tuple[Referrer, ...]


@dataclass(frozen=True)
class Task:
    """What a change may use.

    Attributes:
        name: The variable.
        folder: Where a file may be made.
        progress: Is told the bytes or columns that are done.
    """

    name: str
    folder: Path
    progress: Progress


@dataclass(frozen=True)
class Way:
    """One other form.

    Attributes:
        find: Returns what could be saved of a variable, by its name and value; None where nothing could.
        make: Returns the value in its new form, and the file it is in, if any; all values are compared. None where
            that is left to the user.
    """

    find: Callable[[str, Any], Saving | None]
    make: Callable[[Any, Task], tuple[Any, Path | None]] | None


def every(count: int, most: int) -> int:
    """Return the step that takes at most so many of these, and that no usual pattern of the data has."""
    step = max(-(-count // most), 1)
    while step > 1 and math.gcd(step, _PATTERNS) > 1:
        step += 1
    return step


def sampled(array: Any) -> Any:
    """Return values from all over an array of NumPy, as an array with one axis: one in 100, at most 100,000."""
    return array.flat[:: every(array.size, min(max(array.size // _SHARE, _FEWEST), _SAMPLE))]
