"""The strip of gauge cards above the tabs: one HTML widget, drawn anew once a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets

from colabpanel.widgets.basics import escape, styled

__all__ = ["Gauge", "GaugeStrip"]

_AMBER = 0.80
_RED = 0.92
_WIDTH, _HEIGHT = 120, 24
_HISTORY = 180


@dataclass(frozen=True)
class Gauge:
    """One card.

    Attributes:
        title: What is measured.
        text: The figure, in words.
        fraction: The used share from 0 to 1, or None where there is no limit or it is unknown.
        curve: Whether a curve of the last minutes is drawn.
    """

    title: str
    text: str
    fraction: float | None = None
    curve: bool = False


class GaugeStrip(ipywidgets.HTML):
    """Shows gauges side by side and remembers the last three minutes of each."""

    def __init__(self) -> None:
        super().__init__()
        self._history: dict[str, deque[float]] = {}
        styled(self, "cp-gauges")

    def show(self, gauges: Sequence[Gauge]) -> None:
        """Draw these gauges."""
        cards = []
        for gauge in gauges:
            past = self._history.setdefault(gauge.title, deque(maxlen=_HISTORY))
            if gauge.fraction is not None:
                past.append(gauge.fraction)
            cards.append(_card(gauge, past))
        self.value = f'<div class="cp-strip">{"".join(cards)}</div>'


def _card(gauge: Gauge, past: Sequence[float]) -> str:
    title = escape(gauge.title)
    percent = bar = ""
    level = ""
    if gauge.fraction is not None:
        share = f"{gauge.fraction:.0%}"
        level = " cp-red" if gauge.fraction >= _RED else " cp-amber" if gauge.fraction >= _AMBER else ""
        percent = f"<span>{share}</span>"
        bar = (
            f'<div class="cp-meter" role="meter" aria-label="{title}" aria-valuemin="0" aria-valuemax="100" '
            f'aria-valuenow="{gauge.fraction * 100:.0f}"><div style="width:{min(gauge.fraction, 1):.1%}"></div></div>'
        )
    curve = _curve(past) if gauge.curve else ""
    return (
        f'<div class="cp-gauge{level}"><div class="cp-gauge-head"><span>{title}</span>{percent}</div>'
        f'<div class="cp-figure">{escape(gauge.text)}</div>{bar}{curve}</div>'
    )


def _curve(past: Sequence[float]) -> str:
    """Return the curve of the past as inline SVG, the newest value at the right edge."""
    step = _WIDTH / (_HISTORY - 1)
    start = _WIDTH - step * (len(past) - 1)
    points = " ".join(
        f"{start + step * index:.1f},{_HEIGHT - 2 - min(value, 1) * (_HEIGHT - 4):.1f}"
        for index, value in enumerate(past)
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<polyline points="{points}" vector-effect="non-scaling-stroke"/></svg>'
    )
