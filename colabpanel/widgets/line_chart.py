"""One metric over the steps of a training run: a line chart as inline SVG, without any JavaScript.

Places are percentages of the plot and text has a size of its own, so that the chart fits a phone and a wide screen;
only the line lies in a coordinate system that is stretched, and its stroke is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ipywidgets

from colabpanel.widgets.basics import escape, styled
from colabpanel.words import plural

__all__ = ["LineChart", "Point"]

_LARGEST, _SMALLEST = 1e150, 1e-150
"""Between these, nothing that is computed for an axis overflows or vanishes."""
_FLAT = 1e-6
"""A smaller part of the values than this is no difference worth an axis."""
_DRAWN = 400
_MARKED = 60
_EXTENT = 1000
_Y_TICKS, _X_TICKS = (3, 5), (3, 6)
_PLAIN = (1e-3, 1e6)
_PREFIXES = {6: "M", 9: "G", 12: "T"}
_EXACT = 1e15
_FACTORS = ("1", "2", "2.5", "5", "4")
_LADDERS = ((1, 2, 5), (1, 3), (1,))
_SLACK = 1e-9


@dataclass(frozen=True)
class Point:
    """A value at a step.

    Attributes:
        x: The step.
        y: The value.
        label: What hovering says; without it, the step and the value.
        is_best: Whether this is the one to mark.
    """

    x: float
    y: float
    label: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class _Axis:
    """What a direction shows: from where to where, and the values that are named."""

    low: float
    high: float
    ticks: Sequence[float]
    names: Sequence[str]
    by: Callable[[float], float] = float

    def share(self, value: float) -> float:
        """Return where a value lies, from 0 to 1."""
        low, high = self.by(self.low), self.by(self.high)
        return min(max((self.by(value) - low) / (high - low), 0.0), 1.0)


class LineChart(ipywidgets.HTML):
    """Draws one metric as a line over steps, the best point marked.

    Args:
        empty: What would fill the chart while there is nothing to draw.
    """

    def __init__(self, *, empty: str) -> None:
        super().__init__()
        self._empty = empty
        styled(self, "cp-line-chart")
        self.show([], title="")

    def show(self, points: Sequence[Point], *, title: str, x_title: str = "Step", log_scale: bool = False) -> None:
        """Draw these points, in the order of their steps.

        Args:
            points: The points in any order; what cannot be drawn is left out, and told.
            title: What is measured.
            x_title: What the steps are.
            log_scale: Whether equal factors, not equal differences, are equally far apart.
        """
        finite = [point for point in points if abs(point.x) <= _LARGEST and abs(point.y) <= _LARGEST]
        usable = [point for point in finite if point.y > _SMALLEST] if log_scale else finite
        usable.sort(key=lambda point: point.x)
        drawn = _thinned(usable)
        notes = _notes(len(points) - len(finite), len(finite) - len(usable), len(usable), len(drawn))
        if not usable:
            self.value = f'<div><p class="cp-empty">Nothing to draw yet. {escape(self._empty)}</p>{notes}</div>'
            return
        step = _lowered(x_title)
        plot = _plot(drawn, _summary(usable, title, step), step, log_scale=log_scale)
        head = f'<p class="cp-title">{escape(title)}{" (log scale)" if log_scale else ""}</p>'
        self.value = f'<div class="cp-chart">{head}{plot}<p class="cp-x-title">{escape(x_title)}</p>{notes}</div>'


def _notes(infinite: int, negative: int, usable: int, drawn: int) -> str:
    told = []
    if infinite:
        told.append(f"Left out: {plural(infinite, 'point')} that no axis can show (NaN, infinite or beyond 1e150).")
    if negative:
        told.append(f"Left out: {plural(negative, 'point')} at or below zero, which a log scale cannot show.")
    if drawn < usable:
        told.append(f"{usable:,} points, drawn as {drawn:,}: the lowest and highest of each stretch.")
    return "".join(f'<p class="cp-empty">{sentence}</p>' for sentence in told)


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Return few enough points to draw: of each bucket the lowest and the highest, and the ends and the best of all."""
    if len(points) <= _DRAWN:
        return list(points)
    buckets = _DRAWN // 2
    kept = {0, len(points) - 1}
    for bucket in range(buckets):
        inside = range(len(points) * bucket // buckets, len(points) * (bucket + 1) // buckets)
        kept.add(min(inside, key=lambda index: points[index].y))
        kept.add(max(inside, key=lambda index: points[index].y))
    kept.update([index for index, point in enumerate(points) if point.is_best][:1])
    return [points[index] for index in sorted(kept)]


def _summary(points: Sequence[Point], title: str, step: str) -> str:
    """Say what the chart shows to those who do not see it."""
    first, last = _number(points[0].x, 7), _number(points[-1].x, 7)
    reach = f"from {first} to {last}" if len(points) > 1 else f"at {first}"
    low, high = min(points, key=lambda point: point.y), max(points, key=lambda point: point.y)
    marked = [("lowest", low), ("highest", high), *[("best", point) for point in points if point.is_best][:1]]
    told = "".join(f", {name} {_number(point.y)} at {step} {_number(point.x, 7)}" for name, point in marked)
    return f"{title} over {step}: {plural(len(points), 'point')} {reach}{told}"


def _plot(drawn: Sequence[Point], summary: str, step: str, *, log_scale: bool) -> str:
    x = _x_axis(drawn[0].x, drawn[-1].x, whole=all(float(point.x).is_integer() for point in drawn))
    heights = [point.y for point in drawn]
    y = _log_axis(min(heights), max(heights)) if log_scale else _y_axis(min(heights), max(heights))
    line = " ".join(f"{_EXTENT * x.share(point.x):.1f},{_EXTENT * (1 - y.share(point.y)):.1f}" for point in drawn)
    spots = "".join(_spot(point, x, y, step) for point in drawn)
    best = next((index for index, point in enumerate(drawn) if point.is_best), None)
    gutter = 7 * max(len(name) for name in y.names) + 16
    return (
        f'<svg class="cp-plot" role="img" aria-label="{escape(summary)}" style="--cp-gutter: {gutter}px">'
        f'<g class="cp-grid">{_grid(x, y)}</g>'
        f'<svg viewBox="0 0 {_EXTENT} {_EXTENT}" preserveAspectRatio="none">'
        f'<polyline points="{line}" vector-effect="non-scaling-stroke"/></svg>'
        f'<g class="{"cp-markers" if len(drawn) <= _MARKED else "cp-spots"}">{spots}</g>'
        f"{'' if best is None else _best(drawn, best, x, y, step)}</svg>"
    )


def _grid(x: _Axis, y: _Axis) -> str:
    lines = []
    for tick, name in zip(y.ticks, y.names, strict=True):
        top = _percent(1 - y.share(tick))
        lines.append(f'<line x1="0%" x2="100%" y1="{top}" y2="{top}"/>')
        lines.append(f'<text x="0%" y="{top}" dx="-12" dy="4" text-anchor="end">{name}</text>')
    crowded = len(x.ticks) > (_X_TICKS[0] + _X_TICKS[1]) // 2
    for number, (tick, name) in enumerate(zip(x.ticks, x.names, strict=True)):
        left, spare = _percent(x.share(tick)), ' class="cp-spare"' if crowded and number % 2 else ""
        lines.append(f'<line x1="{left}" x2="{left}" y1="0%" y2="100%"/>')
        lines.append(f'<text x="{left}" y="100%" dy="22" text-anchor="middle"{spare}>{name}</text>')
    return "".join(lines) + '<line class="cp-axis" x1="0%" x2="100%" y1="100%" y2="100%"/>'


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"


def _place(point: Point, x: _Axis, y: _Axis) -> str:
    return f'cx="{_percent(x.share(point.x))}" cy="{_percent(1 - y.share(point.y))}"'


def _said(point: Point, step: str) -> str:
    return escape(point.label or f"{step} {_number(point.x, 7)}: {_number(point.y)}")


def _spot(point: Point, x: _Axis, y: _Axis, step: str) -> str:
    return f'<circle {_place(point, x, y)} r="3"><title>{_said(point, step)}</title></circle>'


def _best(drawn: Sequence[Point], index: int, x: _Axis, y: _Axis, step: str) -> str:
    """Return the mark of the best point: a ring and the word, on the side where the line is not."""
    point, place = drawn[index], _place(drawn[index], x, y)
    left, top = x.share(point.x), 1 - y.share(point.y)
    beside = [y.share(other.y) for other in drawn[max(index - 3, 0) : index + 4]]
    is_valley = y.share(point.y) < sum(beside) / len(beside)
    room = 0.12
    below = top < room or (is_valley and top < 1 - room)
    anchor = "start" if left < room / 2 else "end" if left > 1 - room / 2 else "middle"
    return (
        f'<g class="cp-best"><title>{_said(point, step)} (best)</title><circle {place} r="7"/>'
        f'<circle class="cp-core" {place} r="3.5"/><text x="{_percent(left)}" y="{_percent(top)}" '
        f'dy="{22 if below else -13}" text-anchor="{anchor}">best</text></g>'
    )


def _y_axis(low: float, high: float) -> _Axis:
    """Make an axis from one round value to another, around all values."""
    low, high = _apart(low, high)
    ticks = _round_ticks(low, high, _Y_TICKS, outward=True)
    return _Axis(ticks[0], ticks[-1], ticks, _names(ticks))


def _x_axis(low: float, high: float, *, whole: bool) -> _Axis:
    """Make an axis from the first step to the last, with round values between them."""
    if whole and high - low < _X_TICKS[0] - 1 and max(abs(low), abs(high)) <= 1 / _FLAT:
        low = low - 1 if low else 0.0
        high = max(high, low + 2)
    low, high = _apart(low, high)
    ticks = _round_ticks(low, high, _X_TICKS, whole=whole)
    return _Axis(low, high, ticks, _names(ticks))


def _log_axis(low: float, high: float) -> _Axis:
    """Make an axis of powers of ten, of round values between them, or of evenly spaced ones where they are close."""
    low, high = _apart(low, high)
    close = ticks = _round_ticks(low, high, _Y_TICKS, outward=True)
    if high >= 2 * low:
        powers = _round_ticks(math.log10(low), math.log10(high), _Y_TICKS, outward=True, whole=True)
        choices = [*(_rungs(low, high, ladder) for ladder in _LADDERS), [10.0**power for power in powers]]
        ticks = next((choice for choice in choices if _Y_TICKS[0] <= len(choice) <= _Y_TICKS[1]), close)
    return _Axis(ticks[0], ticks[-1], ticks, [_names([tick])[0] for tick in ticks], math.log10)


def _rungs(low: float, high: float, ladder: Sequence[int]) -> list[float]:
    """Return these digits in all powers of ten that enclose a range."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    rungs = [float(f"{digit}e{power}") for power in powers for digit in ladder]
    bottom, top = max(rung for rung in rungs if rung <= low), min(rung for rung in rungs if rung >= high)
    return [rung for rung in rungs if bottom <= rung <= top]


def _apart(low: float, high: float) -> tuple[float, float]:
    """Move the ends of an axis apart where they are as good as equal."""
    size = max(abs(low), abs(high))
    if size < _SMALLEST:
        return -1.0, 1.0
    pad = size / 10 if high - low <= size * _FLAT else 0.0
    return low - pad, high + pad


def _round_ticks(
    low: float, high: float, wanted: tuple[int, int], *, outward: bool = False, whole: bool = False
) -> list[float]:
    """Return the multiples of a round step within a range, or outward around it, about as many as wanted."""
    least, most = wanted
    power = math.floor(math.log10(high - low)) - 1
    steps = [float(f"{factor}e{exponent}") for exponent in range(power, power + 3) for factor in _FACTORS]
    choices = []
    for step in [step for step in steps if step.is_integer() or not whole]:
        first, last = low / step, high / step
        bottom = math.floor(first + _SLACK) if outward else math.ceil(first - _SLACK)
        top = math.ceil(last - _SLACK) if outward else math.floor(last + _SLACK)
        choices.append((range(bottom, top + 1), step))
    chosen, step = min(choices, key=lambda choice: max(least - len(choice[0]), len(choice[0]) - most, 0))
    return [index * step for index in chosen]


def _names(ticks: Sequence[float]) -> list[str]:
    """Write ticks alike, as short as it gets: ``0.25``, ``1,200``, ``1.5M``, ``2e-5``."""
    size = max(abs(tick) for tick in ticks)
    plain = _fixed(ticks, 0, "")
    if _PLAIN[0] <= size < _PLAIN[1]:
        return plain
    power = math.floor(math.log10(size))
    prefix = _PREFIXES.get(power - power % 3)
    short = _fixed(ticks, power - power % 3, prefix) if prefix else _fixed(ticks, power, f"e{power}")
    return min(plain, short, key=lambda names: max(len(name) for name in names))


def _fixed(ticks: Sequence[float], power: int, suffix: str) -> list[str]:
    scaled = [tick / 10.0**power for tick in ticks]
    slack = max(abs(tick) for tick in scaled) * _SLACK
    decimals = next((d for d in range(15) if all(abs(round(tick, d) - tick) <= slack for tick in scaled)), 15)
    return [f"{tick:,.{decimals}f}{suffix}" if tick else "0" for tick in scaled]


def _number(value: float, digits: int = 4) -> str:
    """Write a value with so many digits: ``0.9312``, ``1,200``, ``3.2e-5``."""
    if float(value).is_integer() and abs(value) < _EXACT:
        return f"{int(value):,}"
    if _PLAIN[0] <= abs(value) < _PLAIN[1]:
        decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if decimals else text
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{float(mantissa):g}e{int(power)}"


def _lowered(title: str) -> str:
    """Return a title as it stands within a sentence: GPU stays GPU."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title
