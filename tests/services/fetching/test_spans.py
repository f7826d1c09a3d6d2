"""Who brings which bytes."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from colabpanel.services.fetching.journal import PIECE, piece_size
from colabpanel.services.fetching.spans import Span, Spans


@given(st.integers(0, 1 << 45))
def test_pieces_are_not_too_many(size: int) -> None:
    assert piece_size(size) % PIECE == 0
    assert -(-size // piece_size(size)) <= 32_768


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(1, 8), st.randoms(use_true_random=False))
def test_every_missing_byte_is_brought_once_whoever_leaves(size: int, connections: int, chance: Random) -> None:
    piece, active = 10, list[Span]()
    done = {number for number in range(-(-size // piece)) if chance.random() < 0.3}
    spans, brought = Spans(size, piece, done, connections), dict.fromkeys(range(size), 0)
    while True:
        if len(active) < connections and (not active or chance.random() < 0.5):
            span = spans.take()
            if span is None and not active:
                break
            if span is not None:
                assert span.position % piece == 0
                assert span.end % piece == 0 or span.end == size
                active.append(span)
            continue
        span = chance.choice(active)
        amount = min(chance.randint(0, piece), span.end - span.position)
        for place in range(span.position, span.position + amount):
            brought[place] += 1
        spans.moved(span, amount)
        if span.position == span.end or chance.random() < 0.1:
            active.remove(span)
            for place in range(span.position // piece * piece, span.position if span.position < span.end else 0):
                brought[place] -= 1  # a piece that is begun is begun again
            spans.over(span)
    assert all(brought[place] == (place // piece not in done) for place in brought)


def test_the_shares_are_even() -> None:
    spans = Spans(97 * 4 * PIECE, PIECE, set(), 8)
    lengths = [span.end - span.position for span in iter(lambda: spans.take() if spans._waiting else None, None)]
    assert len(lengths) == 8
    assert max(lengths) - min(lengths) <= PIECE
