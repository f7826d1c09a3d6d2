"""Rows of data as a real HTML table, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets

from colabpanel.widgets.basics import escape, styled

__all__ = ["Cell", "Column", "DataTable"]

_PAGE = 10


@dataclass(frozen=True)
class Column:
    """A column; numbers stand at the right."""

    title: str
    is_number: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell with more to it than its text.

    Attributes:
        text: What it shows.
        tone: ``ok``, ``warning``, ``error`` or empty.
        full: The whole text where ``text`` is shortened; shown on hovering.
    """

    text: str
    tone: str = ""
    full: str = ""


class DataTable(ipywidgets.HTML):
    """A table of at most one page of rows.

    Args:
        caption: What the table holds, for screen readers.
        columns: The columns.
        empty: What an empty table says: how to fill it.
    """

    def __init__(self, caption: str, columns: Sequence[Column], *, empty: str) -> None:
        super().__init__()
        self._caption, self._columns, self._empty = caption, tuple(columns), empty
        # What scrolls is the widget, which stays when its HTML is set anew, so a view that is updated does not jump.
        styled(self, "cp-table")
        self.show([])

    def show(self, rows: Sequence[Sequence[str | Cell]]) -> None:
        """Show these rows, the first page of them."""
        if not rows:
            self.value = f'<p class="cp-empty">{escape(self._empty)}</p>'
            return
        head = "".join(f"<th{_align(column)} scope='col'>{escape(column.title)}</th>" for column in self._columns)
        body = "".join(f"<tr>{self._cells(row)}</tr>" for row in rows[:_PAGE])
        rest = f'<p class="cp-empty">and {len(rows) - _PAGE} more</p>' if len(rows) > _PAGE else ""
        self.value = (
            f'<div class="cp-scroll" tabindex="0" role="region" aria-label="{escape(self._caption)}"><table>'
            f'<caption class="cp-for-readers">{escape(self._caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{rest}"
        )

    def _cells(self, row: Sequence[str | Cell]) -> str:
        return "".join(_cell(column, cell) for column, cell in zip(self._columns, row, strict=True))


def _align(column: Column) -> str:
    return ' class="cp-number"' if column.is_number else ""


def _cell(column: Column, cell: str | Cell) -> str:
    if isinstance(cell, str):
        return f"<td{_align(column)}>{escape(cell)}</td>"
    tone = f' class="cp-tone-{escape(cell.tone)}"' if cell.tone else ""
    title = f' title="{escape(cell.full)}"' if cell.full else ""
    return f"<td{_align(column)}><span{tone}{title}>{escape(cell.text)}</span></td>"
