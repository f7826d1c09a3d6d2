"""A page of small pictures, each to open, to keep or to reject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import ipywidgets

from colabpanel.widgets.basics import escape, styled
from colabpanel.widgets.image_view import data_url, resource
from colabpanel.widgets.page_signal import PageSignal, sending

__all__ = ["ImageGrid", "Tile"]

_BOX = "cp-image-grid"
_CHOICES = {"keep": "Keep", "reject": "Reject"}

# The page shows the choice at once; the kernel is told, and sends no tile again.
_DECIDE = (
    "const l=this.closest('.cp-tile'),c=l.dataset.choice===this.dataset.choice?'':this.dataset.choice;"
    "l.dataset.choice=c;l.querySelectorAll('.cp-decide button').forEach("
    "b=>b.setAttribute('aria-pressed',b.dataset.choice===c));"
)


@dataclass(frozen=True)
class Tile:
    """One picture of a page.

    Attributes:
        number: How it is known to whoever shows the page.
        name: Its name.
        data: The picture as a file's bytes, or nothing.
        kind: What they are.
        trouble: Why there is none.
        facts: What is said on hovering.
    """

    number: int
    name: str
    data: bytes = b""
    kind: str = "image/webp"
    trouble: str = ""
    facts: str = ""


class ImageGrid(ipywidgets.VBox):
    """A page of tiles.

    Args:
        empty: What it says while there are none.
        opened: Called with the number of a tile that was clicked on.
        chosen: Called with the number of a tile, and ``keep``, ``reject`` or an empty string.
    """

    def __init__(self, *, empty: str, opened: Callable[[int], None], chosen: Callable[[int, str], None]) -> None:
        self._empty, self._opened, self._chosen = empty, opened, chosen
        self._numbers: frozenset[int] = frozenset()
        self.html = ipywidgets.HTML()
        self.signal = PageSignal(self._heard)
        super().__init__([self.html, self.signal])
        styled(self, _BOX)
        self.show([], {})

    def show(self, tiles: Sequence[Tile], choices: Mapping[int, str]) -> None:
        """Show these tiles, and what was chosen for them."""
        self._numbers = frozenset(tile.number for tile in tiles)
        if not tiles:
            self.html.value = f'<p class="cp-empty">{escape(self._empty)}</p>'
            return
        shown = "".join(_tile(tile, choices.get(tile.number, "")) for tile in tiles)
        self.html.value = f'<style>{resource("image_grid.css")}</style><ul class="cp-tiles" role="list">{shown}</ul>'

    def _heard(self, words: list[str]) -> None:
        """Take what the page sends, as far as it is about a tile that is shown."""
        if len(words) < 2 or not words[1].isdecimal() or int(words[1]) not in self._numbers:  # noqa: PLR2004 - act number
            return
        number = int(words[1])
        if words[0] == "open":
            self._opened(number)
        elif words[0] == "choose":
            choice = words[2] if len(words) > 2 else ""  # noqa: PLR2004 - choose number choice
            if choice in {"", *_CHOICES}:
                self._chosen(number, choice)


def _tile(tile: Tile, choice: str) -> str:
    name, number = escape(tile.name), tile.number
    picture = (
        f'<img alt="" src="{data_url(tile.kind, tile.data)}">' if tile.data else f"<span>{escape(tile.trouble)}</span>"
    )
    opening = escape(sending(_BOX, f"'open {number}'"))
    decisions = "".join(_decision(tile, kind, words, choice) for kind, words in _CHOICES.items())
    return (
        f'<li class="cp-tile" data-choice="{escape(choice)}">'
        f'<button type="button" class="cp-open" aria-label="Show {name}" title="{escape(tile.facts)}" '
        f'onclick="{opening}">{picture}</button>'
        f'<div class="cp-tile-name" title="{name}">{name}</div>'
        f'<div class="cp-decide">{decisions}</div></li>'
    )


def _decision(tile: Tile, kind: str, words: str, choice: str) -> str:
    pressed = "true" if kind == choice else "false"
    told = escape(_DECIDE + sending(_BOX, f"'choose {tile.number} '+c"))
    return (
        f'<button type="button" data-choice="{kind}" aria-pressed="{pressed}" '
        f'aria-label="{words} {escape(tile.name)}" onclick="{told}">{words}</button>'
    )
