"""The card that tells how long the session has lasted, and when it may end."""

from __future__ import annotations

import math

import ipywidgets

from colabpanel import words
from colabpanel.hosts import TimeLimit
from colabpanel.services.session.clock import SessionClock, session_clock
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import escape
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.messages import CodeView

__all__ = ["ClockCard"]

_LOOK_EVERY = 5.0  # seconds
_MINUTE, _HOUR = 60.0, 3600.0
_SOON = _HOUR  # that is left when a limit is worth a warning


class ClockCard:
    """Times of the session, up to date while anybody looks.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self.facts = ipywidgets.HTML()
        columns = [Column(title) for title in ("Sessions here", "End when idle for", "Last at most", "Left")]
        self.limits = DataTable(
            "When sessions end", columns, empty="Nothing is known here that ends a session by itself."
        )
        self.sources = ipywidgets.HTML()
        self.code = CodeView()
        self.code.show(["import colabpanel", "colabpanel.session_clock()"])
        self.widget = card("Clock", self.facts, self.limits, self.sources, *tab.for_coders(self.code))
        self.show()
        tab.context.refresher.every(_LOOK_EVERY, self._tick)

    def _tick(self) -> None:
        if self._tab.context.present():
            self.show()

    def show(self) -> None:
        """Show the times as they are now."""
        now = session_clock(host=self._tab.context.host, last_activity=self._tab.context.activity.last)
        rows = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(said)}</dd></div>" for name, said in _facts(now).items()
        )
        self.facts.value = f'<dl class="cp-facts">{rows}</dl>'
        self.limits.show([_row(now, limit) for limit in now.limits])
        self.sources.value = "".join(_source(limit) for limit in now.limits)


def _facts(now: SessionClock) -> dict[str, str]:
    return {
        "Kernel": _lasted(now.kernel),
        "Machine or container": _lasted(now.machine),
        "Last cell or click": "not known" if now.idle is None else words.age(now.idle),
        "Last snapshot or checkpoint": _saved(now),
    }


def _saved(now: SessionClock) -> str:
    if now.unsaved is None:
        return "none in this session"
    return words.age(now.unsaved) if now.saved is None else f"{words.age(now.unsaved)}: {now.saved.name}"


def _lasted(seconds: float | None) -> str:
    """Say a length in whole minutes, so that it is not sent anew at every look."""
    if seconds is None:
        return "not known"
    return words.duration(seconds - seconds % _MINUTE) if seconds >= _MINUTE else "less than a minute"


def _row(now: SessionClock, limit: TimeLimit) -> list[str | Cell]:
    left = now.left(limit)
    if left is None:
        said: str | Cell = ""
    else:
        said = Cell(_lasted(left), "warning") if left < _SOON else _lasted(left)
    return [limit.plan, _length(limit.idle), _length(limit.longest), said]


def _source(limit: TimeLimit) -> str:
    return f'<p class="cp-lead">{escape(f"{limit.plan}: {limit.source}")}</p>'


def _length(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    if math.isinf(seconds):
        return "no limit"
    return words.duration(seconds) if seconds < _HOUR else f"{seconds / _HOUR:g} h"
