"""Which connection brings which bytes: gaps are dealt out, and who is done takes half of the longest rest."""

from __future__ import annotations

import itertools
from collections.abc import Set as AbstractSet
from threading import Lock

__all__ = ["Span", "Spans"]

_WORTH_HALVING = 8
"""Pieces that must be left of a span before half of it is given to another connection."""


class Span:
    """Bytes that one connection brings.

    Attributes:
        position: The next byte.
        end: The byte after the last; may come nearer while it works.
        checksum: Of what is there of the piece that ``position`` lies in.
    """

    def __init__(self, position: int, end: int) -> None:
        self.position, self.end, self.checksum = position, end, 0


class Spans:
    """What is still to be brought of a file.

    Args:
        size: Bytes of the file.
        piece: Bytes of a piece; spans begin and end between pieces.
        done: Numbers of the pieces that are there.
        connections: How many bring it at once.
    """

    def __init__(self, size: int, piece: int, done: AbstractSet[int], connections: int) -> None:
        self._piece, self._lock = piece, Lock()
        self._active: list[Span] = []
        gaps = _gaps(size, piece, done)
        missing = sum(span.end - span.position for span in gaps)
        self.missing, self.pieces = missing, sum(-(-(span.end - span.position) // piece) for span in gaps)
        share = max(self.pieces / connections, 1.0)
        self._waiting = [part for gap in gaps for part in _cut(gap, piece, share)]

    def take(self) -> Span | None:
        """Return what to bring next: the first that waits, else half of the longest rest; None for nothing."""
        with self._lock:
            span = self._waiting.pop(0) if self._waiting else self._half()
            if span is not None:
                self._active.append(span)
            return span

    def _half(self) -> Span | None:
        longest = max(self._active, key=lambda span: span.end - span.position, default=None)
        if longest is None or longest.end - longest.position < _WORTH_HALVING * self._piece:
            return None
        # What is being read now reaches into the next piece at the most, and that one is left alone.
        begun = -(-longest.position // self._piece) + 1
        middle = max((longest.position + longest.end) // 2 // self._piece, begun) * self._piece
        longest.end, end = middle, longest.end
        return Span(middle, end)

    def moved(self, span: Span, amount: int) -> None:
        """Note that so many more bytes of a span are written."""
        with self._lock:
            span.position += amount

    def over(self, span: Span) -> None:
        """Note that a span is done, or give its rest back to be brought by another connection."""
        with self._lock:
            self._active.remove(span)
            if span.position < span.end:
                begun = span.position // self._piece * self._piece
                self._waiting.insert(0, Span(begun, span.end))


def _gaps(size: int, piece: int, done: AbstractSet[int]) -> list[Span]:
    gaps: list[Span] = []
    for number in range(-(-size // piece)):
        if number in done:
            continue
        start, end = number * piece, min((number + 1) * piece, size)
        if gaps and gaps[-1].end == start:
            gaps[-1].end = end
        else:
            gaps.append(Span(start, end))
    return gaps


def _cut(gap: Span, piece: int, share: float) -> list[Span]:
    """Cut a gap into spans of nearly the same number of pieces, each at most one more than a share."""
    pieces = -(-(gap.end - gap.position) // piece)
    count = max(round(pieces / share), 1)
    bounds = [gap.position + pieces * number // count * piece for number in range(count)] + [gap.end]
    return [Span(start, end) for start, end in itertools.pairwise(bounds)]
