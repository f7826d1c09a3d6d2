"""What a codec is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.rebuild import build

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Builder", "Built", "Codec", "LeafReader", "Reduce", "built"]

Reduce = Callable[[Any, Capture], Any]
"""Takes an object apart: returns `built`, or ``NotImplemented`` to leave it to pickle."""


class LeafReader(Protocol):
    """What a codec reads leaves with."""

    def bytes_of(self, leaf: int) -> Buffer:
        """Return the bytes of a leaf, verified; they may be kept and changed."""
        ...

    def array(self, number: int) -> Any:
        """Return an array; the same object for the same number."""
        ...

    def rows(self, first: int, count: int) -> list[Any]:
        """Return so many arrays with consecutive numbers."""
        ...


Builder = Callable[..., Any]
"""Builds an object again: ``builder(reader, *arguments)``."""


@dataclass(frozen=True)
class Codec:
    """How objects of one library are saved.

    Attributes:
        library: The module that has to be loaded before there can be such objects.
        reducer: Returns how objects of a type are taken apart, or None.
        builders: What builds them again, by the name that `built` was given after the library's and a dot.
    """

    library: str
    reducer: Callable[[type], Reduce | None]
    builders: Mapping[str, Builder]


class Built:
    """Stands for something that is built again, while it is pickled as a part of something else."""

    def __init__(self, kind: str, *arguments: Any) -> None:
        self._kind, self._arguments = kind, arguments

    def __reduce__(self) -> Any:
        return built(self._kind, *self._arguments)


def built(kind: str, *arguments: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return what `Reduce` returns: the kind, ``library.name``, and what its builder is given."""
    return build, (kind, *arguments)
