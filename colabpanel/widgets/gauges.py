"""The strip of gauge cards above the tabs: one HTML widget, drawn anew once a second.

Each drawing begins to fade in the browser after ten seconds, with its age: so figures that no kernel renews, because it
is busy in C code, paused or dead, never look like those of now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets

from colabpanel import words
from colabpanel.widgets.basics import escape, styled

__all__ = ["Gauge", "GaugeStrip", "Trail", "TrailChart"]

_AMBER = 0.80
_RED = 0.92
_WIDTH, _HEIGHT = 120, 24
_SHORTEST = 300.0  # seconds that a curve shows at least


@dataclass(frozen=True)
class Trail:
    """How a figure went before.

    Attributes:
        points: Seconds before now and the share then, from 0 to 1; the oldest first.
        gap: Seconds between two points from which on nobody looked in between, so that no line joins them.
        cells: When cells ran, as seconds before now: from, to.
    """

    points: Sequence[tuple[float, float]] = ()
    gap: float = 20.0
    cells: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Gauge:
    """One card.

    Attributes:
        title: What is measured.
        text: The figure, in words.
        fraction: The used share from 0 to 1, or None where there is no limit or it is unknown.
        note: What else there is to say, in small letters.
        trail: How it went before, drawn as a curve, or None.
        as_of: Seconds since it was measured where that is not now, or None.
    """

    title: str
    text: str
    fraction: float | None = None
    note: str = ""
    trail: Trail | None = None
    as_of: float | None = None


class GaugeStrip(ipywidgets.HTML):
    """Shows gauges side by side."""

    def __init__(self) -> None:
        super().__init__()
        styled(self, "cp-gauges")

    def show(self, gauges: Sequence[Gauge]) -> None:
        """Draw these gauges."""
        cards = "".join(_card(gauge) for gauge in gauges)
        self.value = f'<div class="cp-strip cp-fades">{cards}</div><div class="cp-since"></div>'


def _card(gauge: Gauge) -> str:
    title = escape(gauge.title)
    percent = bar = level = ""
    if gauge.fraction is not None:
        level = " cp-red" if gauge.fraction >= _RED else " cp-amber" if gauge.fraction >= _AMBER else ""
        percent = f"<span>{gauge.fraction:.0%}</span>"
        bar = (
            f'<div class="cp-meter" role="meter" aria-label="{title}" aria-valuemin="0" aria-valuemax="100" '
            f'aria-valuenow="{gauge.fraction * 100:.0f}"><div style="width:{min(gauge.fraction, 1):.1%}"></div></div>'
        )
    note = f'<div class="cp-gauge-note">{escape(gauge.note)}</div>' if gauge.note else ""
    old = "" if gauge.as_of is None else " cp-old"
    curve = _curve(gauge.trail) if gauge.trail is not None else ""
    return (
        f'<div class="cp-gauge{level}{old}"><div class="cp-gauge-head"><span>{title}</span>{percent}</div>'
        f'<div class="cp-figure">{escape(gauge.text)}</div>{bar}{curve}{note}</div>'
    )


class TrailChart(ipywidgets.HTML):
    """Shows how figures went, one above the other on the same line of time."""

    def show(self, trails: Sequence[tuple[str, Trail]]) -> None:
        """Draw these."""
        span = max((_span(trail) for _, trail in trails), default=_SHORTEST)
        drawn = "".join(
            f'<div class="cp-trail"><div class="cp-gauge-head"><span>{escape(title)}</span>'
            f"<span>{_highest(trail)}</span></div>{_curve(trail)}</div>"
            for title, trail in trails
        )
        ends = f"<span>{escape(words.duration(span))} ago</span><span>now</span>"
        self.value = f'{drawn}<div class="cp-gauge-head">{ends}</div>' if drawn else ""


def _highest(trail: Trail) -> str:
    return f"at most {max(share for _, share in trail.points):.0%}" if trail.points else ""


def _span(trail: Trail) -> float:
    """Return the seconds that a curve shows."""
    return max(max((ago for ago, _ in trail.points), default=0.0), _SHORTEST)


def _curve(trail: Trail) -> str:
    """Return the curve of the past as inline SVG, now at the right edge, the times of cells shaded."""
    span = _span(trail)
    shades = "".join(_shade(began, ended, span) for began, ended in trail.cells if ended < span)
    lines = "".join(
        f'<polyline points="{" ".join(_place(ago, share, span) for ago, share in piece)}" '
        'vector-effect="non-scaling-stroke"/>'
        for piece in _pieces(trail)
    )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{shades}{lines}</svg>'


def _place(ago: float, share: float, span: float) -> str:
    return f"{_WIDTH * (1 - ago / span):.1f},{_HEIGHT - 2 - min(share, 1) * (_HEIGHT - 4):.1f}"


def _shade(began: float, ended: float, span: float) -> str:
    left = _WIDTH * (1 - min(began, span) / span)
    width = max(_WIDTH * (1 - ended / span) - left, 0.5)
    return f'<rect class="cp-cell" x="{left:.1f}" y="0" width="{width:.1f}" height="{_HEIGHT}"/>'


def _pieces(trail: Trail) -> list[list[tuple[float, float]]]:
    """Return the points in stretches without a gap; one alone becomes a short line."""
    pieces: list[list[tuple[float, float]]] = []
    for point in trail.points:
        if pieces and pieces[-1][-1][0] - point[0] < trail.gap:
            pieces[-1].append(point)
        else:
            pieces.append([point])
    return [piece if len(piece) > 1 else [(piece[0][0] + trail.gap / 4, piece[0][1]), piece[0]] for piece in pieces]
