from __future__ import annotations

import math
import random
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.widgets import line_chart
from colabpanel.widgets.line_chart import LineChart, Point

EVIL = "<img src=x onerror=alert(1)>\"'&"
EMPTY = "Save a checkpoint with a metric."
TAGS = {"div", "p", "svg", "g", "line", "text", "polyline", "circle", "title"}
NUMBERS = st.one_of(
    st.floats(), st.floats(-1e6, 1e6), st.floats(0.9, 1.1), st.integers(-10, 10**6).map(float), st.just(1e9)
)
PLACES = ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy")


def _drawn(points: list[Point], **options: Any) -> ET.Element:
    chart = LineChart(empty=EMPTY)
    chart.show(points, **{"title": "val_loss", **options})
    return ET.fromstring(chart.value)


def _y_names(root: ET.Element) -> list[str]:
    return [text.text or "" for text in root.iter("text") if text.get("text-anchor") == "end" and text.get("dx")]


def _x_names(root: ET.Element) -> list[str]:
    return [text.text or "" for text in root.iter("text") if text.get("y") == "100%" and not text.get("dx")]


def _line(root: ET.Element) -> list[tuple[float, float]]:
    line = root.find(".//polyline")
    assert line is not None
    pairs = [pair.split(",") for pair in line.get("points", "").split()]
    return [(float(x), float(y)) for x, y in pairs]


def _assert_inside(root: ET.Element) -> None:
    assert all(0 <= x <= 1000 and 0 <= y <= 1000 for x, y in _line(root))
    places = [element.get(name) for element in root.iter() for name in PLACES if element.get(name) is not None]
    assert places
    assert all(place and place.endswith("%") and 0 <= float(place[:-1]) <= 100 for place in places)


def _figures(root: ET.Element) -> str:
    """Return all that is drawn, without the notes below."""
    plot = root.find("svg")
    assert plot is not None
    return ET.tostring(plot, encoding="unicode")


@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.booleans()), max_size=30), st.booleans())
def test_any_numbers_make_a_sound_chart(values: list[tuple[float, float, bool]], log_scale: bool) -> None:
    points = [Point(x, y, is_best=is_best) for x, y, is_best in values]
    root = _drawn(points, log_scale=log_scale)
    usable = [p for p in points if abs(p.x) <= 1e150 and abs(p.y) <= 1e150 and (p.y > 1e-150 or not log_scale)]
    left_out = sum(int(found) for found in re.findall(r"Left out: (\d+)", "".join(root.itertext())))
    assert left_out == len(points) - len(usable)
    if not usable:
        assert f"Nothing to draw yet. {EMPTY}" in "".join(root.itertext())
        return
    _assert_inside(root)
    assert not re.search(r"nan|\binf", _figures(root), re.IGNORECASE)
    assert len(_line(root)) == len(usable)
    assert 3 <= len(_y_names(root)) <= 5
    assert len(set(_y_names(root))) == len(_y_names(root))
    assert 3 <= len(_x_names(root)) <= 6
    assert len(set(_x_names(root))) == len(_x_names(root))
    assert max(map(len, _y_names(root))) <= 15


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9), min_size=1, max_size=30))
def test_the_order_of_the_points_does_not_matter_where_steps_differ(heights: list[float]) -> None:
    points = [Point(step, height) for step, height in enumerate(heights)]
    shuffled = points.copy()
    random.Random(1).shuffle(shuffled)
    assert ET.tostring(_drawn(points)) == ET.tostring(_drawn(shuffled))


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_whole_steps_have_whole_ticks(first: int, reach: int) -> None:
    names = _x_names(_drawn([Point(first, 1), Point(first + reach, 2)]))
    assert 3 <= len(names) <= 6
    if first + reach < 10**6:
        assert not any("." in name for name in names)


@given(st.floats(min_value=1e-100, max_value=1e100), st.floats(min_value=1, max_value=1e40))
def test_a_log_scale_has_positive_ticks_that_go_up(low: float, factor: float) -> None:
    axis = line_chart._log_axis(low, low * factor)
    assert 3 <= len(axis.ticks) <= 5
    assert 0 < axis.ticks[0] <= low * (1 + 1e-6)
    assert axis.ticks[-1] >= low * factor * (1 - 1e-6)
    assert list(axis.ticks) == sorted(set(axis.ticks))


@given(st.text(st.characters(exclude_characters="\ufffe\uffff")))
def test_foreign_text_stays_text(text: str) -> None:
    root = _drawn([Point(1, 1, label=text or "x"), Point(2, 2)], title=text, x_title=text)
    assert {element.tag for element in root.iter()} <= TAGS


def test_markup_in_names_is_no_markup() -> None:
    chart = LineChart(empty=EVIL)
    values = [chart.value]
    chart.show([Point(1, 1, EVIL, is_best=True), Point(2, math.nan)], title=EVIL, x_title=EVIL)
    values.append(chart.value)
    for value in values:
        assert "<img" not in value
        assert "&lt;img" in value
        ET.fromstring(value)
    assert [title.text for title in ET.fromstring(values[1]).iter("title")] == [EVIL, f"{EVIL} (best)"]


def test_nothing_says_what_would_fill_it() -> None:
    chart = LineChart(empty=EMPTY)
    assert f"Nothing to draw yet. {EMPTY}" in chart.value
    chart.show([Point(1, math.nan), Point(math.inf, 1)], title="val_loss")
    assert "Nothing to draw yet." in chart.value
    assert "2 points" in chart.value


def test_a_chart_says_what_it_shows() -> None:
    heights = [2.0] * 16 + [0.12, 0.3, 0.25, 0.2]
    root = _drawn([Point(step, height, is_best=step == 17) for step, height in enumerate(heights, start=1)])
    plot = root.find("svg")
    assert plot is not None
    assert plot.get("role") == "img"
    assert plot.get("aria-label") == (
        "val_loss over step: 20 points from 1 to 20, lowest 0.12 at step 17, highest 2 at step 1, best 0.12 at step 17"
    )
    assert _y_names(root) == ["0", "0.5", "1.0", "1.5", "2.0"]
    assert _x_names(root) == ["5", "10", "15", "20"]
    assert [text.text for text in root.iterfind(".//g[@class='cp-best']/text")] == ["best"]


def test_a_point_says_its_label_or_its_step_and_value() -> None:
    root = _drawn([Point(1200, 0.93124), Point(2400, 3e-7, "run 7"), Point(3600, 1e6)], x_title="Step")
    assert [title.text for title in root.iter("title")] == ["step 1,200: 0.9312", "run 7", "step 3,600: 1,000,000"]
    root = _drawn([Point(0.5, -0.0)], x_title="GPU hours")
    assert [title.text for title in root.iter("title")] == ["GPU hours 0.5: 0"]


def test_one_point_and_equal_values_lie_in_the_middle() -> None:
    assert _line(_drawn([Point(5, 7)])) == [(500, 500)]
    assert _line(_drawn([Point(1, 7), Point(1, 7), Point(4, 7)])) == [(0, 500), (0, 500), (1000, 500)]
    assert _line(_drawn([Point(1, 0)])) == [(500, 500)]
    assert _x_names(_drawn([Point(0, 1)])) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("ticks", "names"),
    [
        ([0, 0.25, 0.5], ["0", "0.25", "0.50"]),
        ([0, 5_000, 10_000], ["0", "5,000", "10,000"]),
        ([0, 500_000, 1_000_000], ["0", "0.5M", "1.0M"]),
        ([-2e9, 0, 2e9], ["-2G", "0", "2G"]),
        ([1e-5, 2e-5], ["1e-5", "2e-5"]),
        ([1e30, 1.5e30], ["1.0e30", "1.5e30"]),
        ([999_999, 1_000_000], ["999,999", "1,000,000"]),
    ],
)
def test_ticks_are_short(ticks: list[float], names: list[str]) -> None:
    assert line_chart._names(ticks) == names


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.93124, "0.9312"), (0.5, "0.5"), (12_345.6, "12,346"), (3.21e-5, "3.21e-5"), (1e300, "1e300"), (-0.5, "-0.5")],
)
def test_values_are_short(value: float, text: str) -> None:
    assert line_chart._number(value) == text


@pytest.mark.parametrize(
    ("low", "high", "names"),
    [
        (2.0e-5, 12.0, ["1e-6", "1e-4", "0.01", "1", "100"]),
        (0.12, 2.3, ["0.1", "0.3", "1", "3"]),
        (1.1, 4.0, ["1", "2", "5"]),
        (0.93, 0.95, ["0.93", "0.935", "0.94", "0.945", "0.95"]),
    ],
)
def test_a_log_scale_is_named_by_what_fits(low: float, high: float, names: list[str]) -> None:
    root = _drawn([Point(1, low), Point(2, high), Point(3, 0), Point(4, -1)], log_scale=True)
    assert _y_names(root) == names
    assert "2 points at or below zero" in "".join(root.itertext())
    assert "val_loss (log scale)" in "".join(root.itertext())


@given(st.integers(0, 9_999), st.integers(0, 9_999), st.integers(0, 9_999))
def test_thinning_keeps_the_extremes_the_ends_and_the_best(lowest: int, highest: int, best: int) -> None:
    heights = [math.sin(step / 50) for step in range(10_000)]
    heights[lowest], heights[highest] = -2.0, 3.0
    points = [Point(step, height, is_best=step == best) for step, height in enumerate(heights)]
    thinned = line_chart._thinned(points)
    assert len(thinned) <= 403
    assert {0, highest, best, 9_999} <= {point.x for point in thinned}
    assert min(point.y for point in thinned) == min(heights)
    assert thinned == sorted(thinned, key=lambda point: point.x)


def test_many_points_have_no_markers_but_say_what_they_are() -> None:
    root = _drawn([Point(step, step % 7, is_best=step == 4_321) for step in range(10_000)])
    assert len(_line(root)) <= 403
    assert root.find(".//g[@class='cp-markers']") is None
    assert "step 4,321: 2 (best)" in [title.text for title in root.iter("title")]
    assert "10,000 points, drawn as" in "".join(root.itertext())
    assert _drawn([Point(step, 1) for step in range(60)]).find(".//g[@class='cp-markers']") is not None
