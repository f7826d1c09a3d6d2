"""The card of the cell ledger: which cells took the most time and memory."""

from __future__ import annotations

from typing import Literal

import ipywidgets

from colabpanel import words
from colabpanel.services.memory.ledger import CellRow, Ranking
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import styled
from colabpanel.widgets.data_table import Cell, Column, DataTable

__all__ = ["CellsCard"]

_EVERY = 2.0
_NEWEST: Literal["newest"] = "newest"
_ORDERS: list[tuple[str, Ranking | Literal["newest"]]] = [
    ("the newest first", _NEWEST),
    ("the highest peak first", "peak"),
    ("the most growth first", "growth"),
    ("the longest first", "seconds"),
]


class CellsCard:
    """A table of cells, in an order to choose.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab, self._ledger = tab, tab.context.watch.ledger
        self.order = styled(ipywidgets.Dropdown(description="Order", options=_ORDERS, value=_NEWEST), "cp-field")
        columns = [
            Column("Cell"),
            Column("Time", is_number=True),
            Column("Peak", is_number=True),
            Column("Growth", is_number=True),
            Column("GPU peak", is_number=True),
        ]
        self.table = DataTable("Time and memory of cells", columns, empty="No cell has run since the panel was shown.")
        self.order.observe(self._chosen, names="value")
        self.update()
        tab.context.refresher.every(_EVERY, self._tick)
        self.widget = card(
            "Cells", self.order, self.table, lead="Peak is the most memory the kernel held while the cell ran."
        )

    def _chosen(self, _: object) -> None:
        self._tab.context.clicked()
        with self._tab.context.refresher.lock:
            self.update()

    def _tick(self) -> None:
        if self._tab.context.present():
            self.update()

    def update(self) -> None:
        """Show the cells that were noted so far."""
        order = self.order.value
        rows = self._ledger.rows() if order == _NEWEST else self._ledger.top(by=order)
        self.table.show([_row(row) for row in rows])


def _row(row: CellRow) -> list[str | Cell]:
    number = "" if row.number is None else f"[{row.number}] "
    peak = Cell("unknown", "warning") if row.peak is None else Cell(words.size(row.peak))
    if row.peak is not None and not row.exact:
        peak = Cell(f"at least {words.size(row.peak)}", full="Looked at 20 times a second")
    growth = "unknown" if row.growth is None else f"{'-' if row.growth < 0 else '+'}{words.size(abs(row.growth))}"
    gpu = "" if row.gpu_peak is None else words.size(row.gpu_peak)
    return [f"{number}{row.label}", words.duration(row.seconds), peak, growth, gpu]
