"""Rows of data as a real HTML table, a page at a time, sorted by the column that is clicked on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets

from colabpanel.widgets.basics import escape, styled
from colabpanel.widgets.page_signal import PageSignal
from colabpanel.widgets.sort_links import Order, heading, keeping_focus, link

__all__ = ["Cell", "Column", "DataTable"]

_BOX = "cp-table"
_PAGE = 10


@dataclass(frozen=True)
class Column:
    """A column; numbers stand at the right, and their largest come first when it is sorted by."""

    title: str
    is_number: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell with more to it than its text.

    Attributes:
        text: What it shows.
        tone: ``ok``, ``warning``, ``error`` or empty.
        full: The whole text where ``text`` is shortened; shown on hovering.
        number: What it is sorted by; None sorts by the text.
    """

    text: str
    tone: str = ""
    full: str = ""
    number: float | None = None


Row = Sequence[str | Cell]


class DataTable(ipywidgets.VBox):
    """A table of at most one page of rows.

    Args:
        caption: What the table holds, for screen readers.
        columns: The columns.
        empty: What an empty table says: how to fill it.
        is_sortable: Whether a click on the head of a column sorts by it: once, the other way, as it was.
    """

    def __init__(self, caption: str, columns: Sequence[Column], *, empty: str, is_sortable: bool = False) -> None:
        self._caption, self._columns, self._empty = caption, tuple(columns), empty
        self._is_sortable = is_sortable
        self._rows: Sequence[Row] = ()
        self._first = 0
        self._order: tuple[int, bool] | None = None
        self._signal: PageSignal | None = None
        self.html = ipywidgets.HTML()
        super().__init__([self.html])
        # What scrolls is the widget, which stays when its HTML is set anew, so a view that is updated does not jump.
        styled(self, _BOX)
        self._draw()

    @property
    def value(self) -> str:
        """The HTML that is shown."""
        return str(self.html.value)

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows, in the order and at the page that were chosen."""
        self._rows = rows
        if self._signal is None and (len(rows) > _PAGE or self._is_sortable):
            self._signal = PageSignal(self._heard)
            self.children = [self.html, self._signal]
        self._draw()

    def _draw(self) -> None:
        if not self._rows:
            self.html.value = f'<p class="cp-empty">{escape(self._empty)}</p>'
            return
        last = (len(self._rows) - 1) // _PAGE * _PAGE
        self._first = min(self._first, last)
        head = "".join(self._head(number, column) for number, column in enumerate(self._columns))
        page = _in_order(self._rows, self._order)[self._first : self._first + _PAGE]
        body = "".join(f"<tr>{self._cells(row)}</tr>" for row in page)
        self.html.value = (
            f'<div {keeping_focus(_BOX) if self._signal else ""}><div class="cp-scroll" tabindex="0" role="region" '
            f'aria-label="{escape(self._caption)}"><table>'
            f'<caption class="cp-for-readers">{escape(self._caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{self._pager()}</div>"
        )

    def _head(self, number: int, column: Column) -> str:
        if not self._is_sortable:
            return f"<th{_align(column)} scope='col'>{escape(column.title)}</th>"
        order: Order = "none"
        if self._order is not None and self._order[0] == number:
            order = "descending" if self._order[1] else "ascending"
        return heading(_BOX, column.title, f"'sort {number}'", order, "cp-number" if column.is_number else "")

    def _cells(self, row: Row) -> str:
        return "".join(_cell(column, cell) for column, cell in zip(self._columns, row, strict=True))

    def _pager(self) -> str:
        count, first = len(self._rows), self._first
        if count <= _PAGE:
            return ""
        pages = [("Previous", first - _PAGE)] if first else []
        pages += [("Next", first + _PAGE)] if first + _PAGE < count else []
        turns = "".join(link(_BOX, word, f"'turn {row}'", f"{word} rows") for word, row in pages)
        return (
            f'<p class="cp-pager"><span>{first + 1:,} to {min(first + _PAGE, count):,} of {count:,}</span> {turns}</p>'
        )

    def _heard(self, words: list[str]) -> None:
        """Take what the page sends, which may be anything."""
        number = int(words[1]) if len(words) > 1 and words[1].isdecimal() else -1
        if words[0] == "sort" and 0 <= number < len(self._columns) and self._is_sortable:
            self._order, self._first = _next_order(self._order, number, self._columns[number]), 0
        elif words[0] == "turn" and 0 <= number < len(self._rows):
            self._first = number // _PAGE * _PAGE
        else:
            return
        self._draw()


def _next_order(order: tuple[int, bool] | None, number: int, column: Column) -> tuple[int, bool] | None:
    if order is None or order[0] != number:
        return number, column.is_number
    return (number, not order[1]) if order[1] == column.is_number else None


def _in_order(rows: Sequence[Row], order: tuple[int, bool] | None) -> Sequence[Row]:
    """Return the rows sorted; those without a value in that column come last, either way."""
    if order is None:
        return rows
    column, descending = order
    told = [row for row in rows if _key(row[column]) is not None]
    rest = [row for row in rows if _key(row[column]) is None]
    return [*sorted(told, key=lambda row: _key(row[column]) or (), reverse=descending), *rest]


def _key(cell: str | Cell) -> tuple[int, float, str] | None:
    text, number = (cell, None) if isinstance(cell, str) else (cell.text, cell.number)
    if number is not None and not math.isnan(number):
        return 0, number, ""
    return (1, 0.0, text.casefold()) if text else None


def _align(column: Column) -> str:
    return ' class="cp-number"' if column.is_number else ""


def _cell(column: Column, cell: str | Cell) -> str:
    if isinstance(cell, str):
        return f"<td{_align(column)}>{escape(cell)}</td>"
    tone = f' class="cp-tone-{escape(cell.tone)}"' if cell.tone else ""
    title = f' title="{escape(cell.full)}"' if cell.full else ""
    return f"<td{_align(column)}><span{tone}{title}>{escape(cell.text)}</span></td>"
