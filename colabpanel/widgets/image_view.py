"""One picture to zoom and pan, with the value under the pointer; the page does it without the kernel."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

import ipywidgets

from colabpanel.widgets.basics import escape, styled
from colabpanel.widgets.page_signal import PageSignal

__all__ = ["ImageView", "Shown", "data_url", "resource", "viewer_html"]

_EVENTS = ("click", "keydown", "wheel", "pointerdown", "pointermove", "pointerup")
_HEIGHT = 40
_SMALL = 128  # pixels; what is smaller is enlarged
_INVITATION = "Point at the picture to read a pixel. Ctrl and the wheel zoom, dragging moves."
_COLOURS = {"Red": "#e5484d", "Green": "#30a46c", "Blue": "#3e63dd", "Grey": "#808080"}
_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/svg+xml": ".svg"}


@dataclass(frozen=True)
class Shown:
    """What a viewer shows.

    Attributes:
        title: What it is, for those who do not see it, and the name of its download.
        data: The picture as a file's bytes.
        kind: What they are: ``image/png``, ``image/jpeg`` or ``image/svg+xml``.
        width: Pixels across of what it is a picture of, or None.
        height: Pixels down, likewise.
        facts: What is told of it, as pairs of text.
        notes: Sentences below it.
        histogram: For each channel, how many pixels fall into equal steps of brightness.
        low: The value that black stands for, or None.
        high: The value that white stands for, or None.
        exact: Whether its pixels are those of the original.
        animation: A WebP that moves, or nothing.
    """

    title: str
    data: bytes
    kind: str
    width: int | None = None
    height: int | None = None
    facts: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    histogram: Sequence[tuple[str, Sequence[int]]] = ()
    low: float | None = None
    high: float | None = None
    exact: bool = True
    animation: bytes = b""


class ImageView(ipywidgets.VBox):
    """A viewer in the panel.

    Args:
        empty: What it says while there is nothing to show.
        pixel: Called with x and y of a pixel that was clicked on, or None where nobody asks.
    """

    def __init__(self, *, empty: str, pixel: Callable[[int, int], None] | None = None) -> None:
        self._empty, self._pixel = empty, pixel
        self.html = ipywidgets.HTML()
        self.exact = ipywidgets.HTML()
        self.signal = PageSignal(self._heard)
        super().__init__([self.html, self.exact, self.signal])
        styled(self, "cp-image-view")
        self.clear()

    def show(self, shown: Shown) -> None:
        """Show a picture."""
        self.exact.value = ""
        self.html.value = viewer_html(shown)

    def clear(self) -> None:
        """Show nothing."""
        self.exact.value = ""
        self.html.value = f'<p class="cp-empty">{escape(self._empty)}</p>'

    def tell(self, sentence: str) -> None:
        """Say something of the pixel that was clicked on."""
        self.exact.value = f'<p class="cp-exact" role="status">{escape(sentence)}</p>'

    def _heard(self, words: list[str]) -> None:
        if self._pixel and len(words) == 3 and words[0] == "pixel" and words[1].isdecimal() and words[2].isdecimal():  # noqa: PLR2004 - pixel x y
            self._pixel(int(words[1]), int(words[2]))


def viewer_html(shown: Shown) -> str:
    """Return a viewer as HTML that needs nothing else, neither styles nor a kernel."""
    handlers = " ".join(f'on{event}="{_script()}"' for event in _EVENTS)
    return (
        f"<style>{resource('image_view.css')}</style>"
        f'<div class="cp-viewer" {handlers}>{_tools(shown)}{_stage(shown)}'
        f'<p class="cp-pixel">{_INVITATION}</p>{_facts(shown)}{_histogram(shown)}'
        f"{''.join(_note(note) for note in shown.notes)}</div>"
    )


@functools.cache
def resource(name: str) -> str:
    """Return a file that lies beside the widgets."""
    return resources.files("colabpanel.widgets").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _script() -> str:
    lines = (line.strip() for line in resource("image_view.js").splitlines())
    return escape("{" + " ".join(lines) + "}")


def data_url(kind: str, data: bytes) -> str:
    """Return bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _tools(shown: Shown) -> str:
    play = (
        f'<button type="button" data-act="play" data-moving="{data_url("image/webp", shown.animation)}">Play</button>'
        if shown.animation
        else ""
    )
    name = escape(shown.title.rpartition("/")[2].rpartition(".")[0] or shown.title) + _SUFFIXES[shown.kind]
    return (
        '<div class="cp-view-tools">'
        '<button type="button" data-act="out" aria-label="Zoom out" title="Zoom out (-)">&minus;</button>'
        '<button type="button" data-act="in" aria-label="Zoom in" title="Zoom in (+)">+</button>'
        '<span class="cp-zoom" role="status" aria-label="Zoom"></span>'
        '<button type="button" data-act="fit">Fit</button>'
        '<button type="button" data-act="full" title="One pixel of the picture on one of the page">1:1</button>'
        f'{play}<a class="cp-download" download="{name}" href="{data_url(shown.kind, shown.data)}">Download</a></div>'
    )


def _stage(shown: Shown) -> str:
    marks = {"width": shown.width, "height": shown.height, "low": shown.low, "high": shown.high}
    known = "".join(f' data-{name}="{value!r}"' for name, value in marks.items() if value is not None)
    exact = ' data-exact="yes"' if shown.exact else ""
    fit = _enlarged(shown)
    small, width = (" cp-small", f' data-fit="{fit}" style="width: {fit}px"') if fit else ("", "")
    title, address = escape(shown.title), data_url(shown.kind, shown.data)
    return (
        f'<div class="cp-stage{small}" tabindex="0" role="region" aria-label="{title}: plus and minus zoom">'
        f'<img alt="{title}" src="{address}"{known}{exact}{width} draggable="false"></div>'
    )


def _enlarged(shown: Shown) -> int | None:
    """Return the width at which a small picture is shown, a multiple of its own; None for others."""
    if not shown.width or not shown.height or max(shown.width, shown.height) >= _SMALL or "svg" in shown.kind:
        return None
    return shown.width * (2 * _SMALL // max(shown.width, shown.height))


def _facts(shown: Shown) -> str:
    facts = "".join(f"<div><dt>{escape(title)}</dt><dd>{escape(value)}</dd></div>" for title, value in shown.facts)
    return f'<dl class="cp-view-facts">{facts}</dl>' if facts else ""


def _note(note: str) -> str:
    return f'<p class="cp-view-note">{escape(note)}</p>'


def _histogram(shown: Shown) -> str:
    """Draw how bright the pixels are; the two ends, which are often full, do not set the scale."""
    if not shown.histogram:
        return ""
    inner = [count for _, counts in shown.histogram for count in counts[1:-1]]
    top = max(max(inner, default=0), 1)
    paths = "".join(
        f'<path fill="{_COLOURS.get(name, "#808080")}" d="{_outline(counts, top)}"/>'
        for name, counts in shown.histogram
    )
    names = ", ".join(name.lower() for name, _ in shown.histogram)
    bins = len(shown.histogram[0][1])
    return (
        f'<svg class="cp-histogram" viewBox="0 0 {bins} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="Histogram of {escape(names)}, dark at the left">{paths}</svg>'
    )


def _outline(counts: Sequence[int], top: int) -> str:
    heights = (_HEIGHT - min(count / top, 1.0) * _HEIGHT for count in counts)
    steps = "".join(f"V{height:.1f}H{number}" for number, height in enumerate(heights, 1))
    return f"M0 {_HEIGHT}{steps}V{_HEIGHT}Z"
