"""The viewer and the grid as HTML: what is foreign is text, and nothing else is needed."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from colabpanel.widgets.image_grid import ImageGrid, Tile
from colabpanel.widgets.image_view import ImageView, Shown, viewer_html
from colabpanel.widgets.page_signal import PageSignal

EVIL = "\"><img src=x onerror='alert(1)'>\ud800\x00"


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _shown(**changes: object) -> Shown:
    fields: dict[str, object] = {
        "title": EVIL,
        "data": b"\x89PNG",
        "kind": "image/png",
        "width": 30,
        "height": 20,
        "facts": [(EVIL, EVIL)],
        "notes": [EVIL],
        "histogram": [("Grey", [0, 3, 9, 0])],
    }
    return Shown(**{**fields, **changes})  # type: ignore[arg-type]


def test_foreign_text_stays_text() -> None:
    tags = _Tags(viewer_html(_shown(animation=b"RIFF"))).found
    (image,) = [attributes for tag, attributes in tags if tag == "img"]
    assert image["src"] == "data:image/png;base64,iVBORw=="
    assert all("onerror" not in attributes for _, attributes in tags)
    grid = ImageGrid(empty="-", opened=print, chosen=lambda *_: None)
    grid.show([Tile(1, EVIL, b"x", facts=EVIL), Tile(2, EVIL, trouble=EVIL)], {1: "keep"})
    tags = _Tags(grid.html.value).found
    assert [attributes["src"] for tag, attributes in tags if tag == "img"] == ["data:image/webp;base64,eA=="]
    assert all("onerror" not in attributes for _, attributes in tags)


def test_the_viewer_needs_nothing_from_elsewhere() -> None:
    html = viewer_html(_shown())
    assert re.findall(r"(?:src|href)=\"(?!data:)[^\"]*", html) == []
    assert "url(" not in html
    assert "http" not in html.replace("http://www.w3.org", "")


def test_what_is_known_goes_with_the_picture() -> None:
    tags = dict(_Tags(viewer_html(_shown(low=-1.5, high=2.0, exact=False, width=None))).found)
    assert tags["img"]["data-low"] == "-1.5"
    assert tags["img"]["data-high"] == "2.0"
    assert tags["img"]["data-height"] == "20"
    assert not {"data-exact", "data-width"} & set(tags["img"])
    assert dict(_Tags(viewer_html(_shown())).found)["img"]["data-exact"] == "yes"
    assert "<svg" not in viewer_html(_shown(histogram=()))


@pytest.mark.parametrize(("title", "name"), [("a/b.jpg", "b.png"), ("net", "net.png"), (".hidden", ".hidden.png")])
def test_a_download_has_a_name(title: str, name: str) -> None:
    assert dict(_Tags(viewer_html(_shown(title=title))).found)["a"]["download"] == name


def test_the_view_starts_and_ends_empty() -> None:
    view = ImageView(empty="Nothing yet.")
    assert "Nothing yet." in view.html.value
    view.show(_shown())
    view.tell("<b>")
    assert "&lt;b&gt;" in view.exact.value
    view.signal.value = "pixel 1 2 x"  # nobody asks
    view.clear()
    assert "Nothing yet." in view.html.value
    assert view.exact.value == ""


def test_a_signal_hears_words_and_no_more_than_fits() -> None:
    heard: list[list[str]] = []
    signal = PageSignal(heard.append)
    for text in ("open 1 9", "9", "", "x" * 1000, "a " * 400):
        signal.value = text
    assert heard[0] == ["open", "1"]
    assert len(heard) == 2
    assert len(heard[1]) < 100


def test_choices_are_pressed_buttons() -> None:
    chosen: list[tuple[int, str]] = []
    grid = ImageGrid(empty="-", opened=print, chosen=lambda *what: chosen.append(what))
    grid.show([Tile(7, "a.jpg", b"x")], {7: "reject"})
    pressed = [attributes for tag, attributes in _Tags(grid.html.value).found if "aria-pressed" in attributes]
    assert [(one["data-choice"], one["aria-pressed"]) for one in pressed] == [("keep", "false"), ("reject", "true")]
    assert [one["aria-label"] for one in pressed] == ["Keep a.jpg", "Reject a.jpg"]
    grid.signal.value = "choose 7 keep 1"
    grid.signal.value = "choose 7 2"
    assert chosen == [(7, "keep"), (7, "")]
