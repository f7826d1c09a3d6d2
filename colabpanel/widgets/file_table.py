"""The entries of a folder as a real HTML table: each can be chosen, folders can be entered, columns sorted by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import ipywidgets

from colabpanel.widgets.basics import escape, styled
from colabpanel.widgets.image_view import resource
from colabpanel.widgets.page_signal import PageSignal, sending
from colabpanel.widgets.sort_links import Order, heading, keeping_focus, link

__all__ = ["FileRow", "FileTable"]

_BOX = "cp-files"
_COLUMNS = (("name", "Name", ""), ("size", "Size", "cp-number"), ("modified", "Changed", "cp-when"))

_PICK_ALL = "this.closest('table').querySelectorAll('tbody input').forEach(b=>b.checked=this.checked);"


@dataclass(frozen=True)
class FileRow:
    """A row.

    Attributes:
        name: What stands in it.
        can_enter: Whether a click on the name enters it.
        size: Its size in words, or empty.
        changed: When it was changed, in words, or empty.
        leads_to: Where a link leads to, or empty.
    """

    name: str
    can_enter: bool = False
    size: str = ""
    changed: str = ""
    leads_to: str = ""


class FileTable(ipywidgets.VBox):
    """A page of a folder.

    Args:
        label: What the table is, for screen readers.
        entered: Called with the number of a row whose name was clicked on.
        went: Called with the number of a folder of the way that was clicked on.
        picked: Called with the numbers of rows, and whether they are chosen now.
        sorted_by: Called with ``name``, ``size`` or ``modified``.
    """

    def __init__(
        self,
        label: str,
        *,
        entered: Callable[[int], None],
        went: Callable[[int], None],
        picked: Callable[[Sequence[int], bool], None],
        sorted_by: Callable[[str], None],
    ) -> None:
        self._label, self._entered, self._went, self._picked, self._sorted_by = label, entered, went, picked, sorted_by
        self._rows: Sequence[FileRow] = ()
        self._way: Sequence[str] = ()
        self._shown: object = None
        self._turn = 0
        self.html = ipywidgets.HTML()
        self.signal = PageSignal(self._heard)
        super().__init__([self.html, self.signal])
        styled(self, _BOX)
        self.say("")

    def say(self, words: str) -> None:
        """Show a sentence in place of the table."""
        self._rows, self._way, self._shown = (), (), None
        self.html.value = _style() + (f'<p class="cp-empty">{escape(words)}</p>' if words else "")

    def show(
        self, way: Sequence[str], rows: Sequence[FileRow], *, sort: str, descending: bool, chosen: Collection[int]
    ) -> None:
        """Show the folders on the way to this one, and its rows; ``chosen`` are the numbers of those chosen.

        What is there already is not drawn again: a click that is being made would be lost.
        """
        shown = (tuple(way), tuple(rows), sort, descending, frozenset(chosen))
        if shown == self._shown:
            return
        self._rows, self._way, self._shown = rows, way, shown
        self._turn += 1
        drawing = _Drawing(self._turn)
        table = drawing.table(self._label, rows, sort, descending=descending, chosen=chosen)
        self.html.value = f"{_style()}<div {keeping_focus(_BOX)}>{drawing.way(way)}{table}</div>"

    def _heard(self, words: list[str]) -> None:
        """Take what the page sends, as far as it is about what is shown now, and not about the page before."""
        act, turn, rest = words[0], words[1] if len(words) > 1 else "", [*words[2:], "", ""]
        if turn != str(self._turn):
            return
        if act in {"pick", "all"}:  # boxes are ticked that were drawn otherwise
            self._shown = None
        number = int(rest[0]) if rest[0].isdecimal() else -1
        if act == "sort" and rest[0] in {key for key, _, _ in _COLUMNS}:
            self._sorted_by(rest[0])
        elif act == "go" and 0 <= number < len(self._way):
            self._went(number)
        elif act == "enter" and 0 <= number < len(self._rows) and self._rows[number].can_enter:
            self._entered(number)
        elif act == "pick" and 0 <= number < len(self._rows):
            self._picked([number], rest[1] == "true")
        elif act == "all":
            self._picked(range(len(self._rows)), rest[0] == "true")


class _Drawing:
    """The HTML of one page; what it sends names the page, so that a late click is not taken for one on the next."""

    def __init__(self, turn: int) -> None:
        self._turn = turn

    def _sends(self, act: str, words: str) -> str:
        return escape(sending(_BOX, f"'{act} {self._turn} '+{words}"))

    def _link(self, html: str, act: str, told: int, label: str) -> str:
        return link(_BOX, html, f"'{act} {self._turn} {told}'", label)

    def way(self, titles: Sequence[str]) -> str:
        """Draw the folders above."""
        steps = "".join(
            f"<li>{self._link(escape(title), 'go', number, f'Go to {title}')}</li>"
            for number, title in enumerate(titles)
        )
        return f'<ul class="cp-crumbs" aria-label="Folders above">{steps}</ul>'

    def table(
        self, label: str, rows: Sequence[FileRow], sort: str, *, descending: bool, chosen: Collection[int]
    ) -> str:
        """Draw the table."""
        if not rows:
            return '<p class="cp-empty">Nothing to show.</p>'
        head = "".join(self._head(column, sort, descending=descending) for column in _COLUMNS)
        body = "".join(self._row(number, row, is_chosen=number in chosen) for number, row in enumerate(rows))
        pick_all = escape(_PICK_ALL) + self._sends("all", "this.checked")
        pick_box = f'<input type="checkbox" aria-label="Choose all on this page" onchange="{pick_all}">'
        return (
            f'<div class="cp-scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table>'
            f'<caption class="cp-for-readers">{escape(label)}</caption><thead><tr><th class="cp-pick" scope="col">'
            f"{pick_box}</th>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table></div>"
        )

    def _head(self, column: tuple[str, str, str], sort: str, *, descending: bool) -> str:
        key, title, style = column
        order: Order = "none" if key != sort else "descending" if descending else "ascending"
        return heading(_BOX, title, f"'sort {self._turn} {key}'", order, style)

    def _row(self, number: int, row: FileRow, *, is_chosen: bool) -> str:
        name, checked = escape(row.name), " checked" if is_chosen else ""
        picks = self._sends("pick", f"'{number} '+this.checked")
        shown = self._link(f"{name}/", "enter", number, f"Open {row.name}") if row.can_enter else f"<span>{name}</span>"
        leads = f' <span class="cp-leads">\N{RIGHTWARDS ARROW} {escape(row.leads_to)}</span>' if row.leads_to else ""
        box = f'<input type="checkbox" aria-label="Choose {name}"{checked} onchange="{picks}">'
        return (
            f'<tr><td class="cp-pick">{box}</td><td>{shown}{leads}</td>'
            f'<td class="cp-number">{escape(row.size)}</td><td class="cp-when">{escape(row.changed)}</td></tr>'
        )


def _style() -> str:
    return f"<style>{resource('file_table.css')}</style>"
