"""The card of transfers: those that run and wait, and those of the past."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.services.transfer.history import PastTransfer, TransferHistory
from colabpanel.services.transfer.queued import QueuedTransfer, Transfer, TransferQueue
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, escape, offer, sendable, styled
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.job_view import describe
from colabpanel.widgets.messages import Message, MessageView

__all__ = ["TransfersCard"]

_SIGNS = {"download": "↓", "upload": "↑"}
_TONES = {"ok": "ok", "partial": "warning", "failed": "error", "rejected": "error"}
_KINDS = {"ok": "ok", "partial": "warning", "cancelled": "info"}
_STATES = {"ok": "done", "partial": "partial"}


class TransfersCard:
    """Shows the queue, with what can be done about each transfer, and the history.

    Args:
        tab: The tab it belongs to.
        again: Called with the arguments of an earlier download that is to be done again; None shows
            no earlier ones.
    """

    def __init__(self, tab: Tab, *, again: Callable[[dict[str, Any]], object] | None = None) -> None:
        self._tab, self._again = tab, again
        self.history = TransferHistory(tab.context.host.state_dir)
        self.queue = TransferQueue(tab.context.runner.submit, self.history)
        self._told: set[str] = set()
        self._past: dict[str, PastTransfer] = {}
        self._past_shown: set[str] = set()
        self.bar = styled(ipywidgets.HTML(), "cp-bar")
        self.message = MessageView()
        self.link = ipywidgets.HTML()
        columns = [Column("Transfer"), Column("State")]
        self.table = DataTable("Transfers", columns, empty="Nothing is on its way. Download or upload something above.")
        self.chosen = styled(ipywidgets.Dropdown(description="Transfer"), "cp-field")
        self._make_buttons()
        self._make_history()
        self.widget = card(
            "Transfers",
            self.bar,
            self.table,
            self.controls,
            self.message,
            self.link,
            *([self.past_table, self.past_row] if again is not None else []),
        )
        tab.context.refresher.every(0.25, self.update)
        self.update()
        self.refresh_history()

    def _make_buttons(self) -> None:
        self.pause_button = button("Pause", tooltip="Hold this transfer", icon="pause", kind="quiet")
        self.resume_button = button("Resume", tooltip="Let it go on", icon="play", kind="quiet")
        self.up_button = button("Sooner", tooltip="Move it up in the queue", icon="arrow-up", kind="quiet")
        self.retry_button = button("Try again", tooltip="Put it into the queue again", icon="redo", kind="quiet")
        self.cancel_button = button("Cancel", tooltip="Stop it", icon="times", kind="danger")
        self.remove_button = button("Remove", tooltip="Take it off the list", kind="quiet")
        calls: dict[ipywidgets.Button, Callable[[str], object]] = {
            self.pause_button: self.queue.pause,
            self.resume_button: self.queue.resume,
            self.up_button: lambda key: self.queue.move(key, -1),
            self.retry_button: lambda key: self._choose(self.queue.retry(key)),
            self.cancel_button: self.queue.cancel,
            self.remove_button: self.queue.remove,
        }
        for made, call in calls.items():
            self._tab.on_click(made, functools.partial(self._about_chosen, call))
        self.controls = ipywidgets.VBox([self.chosen, styled(ipywidgets.HBox(list(calls)), "cp-row")])
        self.chosen.observe(lambda _: self._show_buttons(self.queue.items()), names="value")

    def _make_history(self) -> None:
        columns = [Column("Earlier"), Column("Size", is_number=True), Column("When"), Column("State")]
        self.past_table = DataTable("Earlier transfers", columns, empty="No earlier transfers.", is_sortable=True)
        self.past = styled(ipywidgets.Dropdown(description="Earlier"), "cp-field")
        self.again_button = button("Download again", tooltip="Put it into the queue", icon="redo")
        self.clear_button = button("Clear the list", tooltip="Forget earlier transfers; files stay", kind="quiet")
        self._tab.on_click(self.again_button, self.do_again)
        self._tab.on_click(self.clear_button, self.clear_history)
        actions = styled(ipywidgets.HBox([self.again_button, self.clear_button]), "cp-row")
        self.past_row = ipywidgets.VBox([self.past, actions])

    def add(self, transfer: Transfer) -> str:
        """Put a transfer into the queue, and choose it; callable on any thread."""
        key = self.queue.add(transfer)
        with self._tab.context.refresher.lock:
            self._choose(key)
        return key

    def has_ended(self, key: str) -> bool:
        """Whether nothing more happens to a transfer by itself."""
        return all(item.ended for item in self.queue.items() if item.key == key)

    def _choose(self, key: str) -> None:
        self.message.clear()
        self.link.value = ""
        self.update()
        self.chosen.value = key

    def drop_uploads_of_others(self, page: str) -> None:
        """Stop uploads that wait for a page that was reloaded."""
        for item in self.queue.items():
            if item.transfer.kind == "upload" and not item.ended and item.transfer.page not in {"", page}:
                self.queue.cancel(item.key)

    def _about_chosen(self, call: Callable[[str], object]) -> None:
        if self.chosen.value is None:
            raise InputError("No transfer is chosen.")
        call(self.chosen.value)
        self.update()

    def update(self) -> None:
        """Show how far the transfers are."""
        items = self.queue.items()
        self.bar.value = "".join(_bar(item) for item in items if item.status == "running")
        self.table.show([_row(item) for item in reversed(items)])
        options = [(sendable(f"{_SIGNS[item.transfer.kind]} {item.transfer.title}"), item.key) for item in items]
        offer(self.chosen, options)
        self.controls.layout.display = None if items else "none"
        self._show_buttons(items)
        ended = [item for item in items if item.ended and item.key not in self._told]
        if ended:
            self._told |= {item.key for item in ended}
            self._tell(ended[-1])
            self.refresh_history()

    def _show_buttons(self, items: tuple[QueuedTransfer, ...]) -> None:
        item = next((item for item in items if item.key == self.chosen.value), None)
        status, ended = (item.status, item.ended) if item else ("", False)
        shown = {
            self.pause_button: status in {"running", "waiting"},
            self.resume_button: status == "paused",
            self.up_button: status in {"waiting", "paused"},
            self.retry_button: ended and status != "ok",
            self.cancel_button: bool(item) and not ended,
            self.remove_button: ended,
        }
        for made, visible in shown.items():
            made.layout.display = None if visible else "none"

    def _tell(self, item: QueuedTransfer) -> None:
        kind = _KINDS.get(item.status, "error")
        title = "Which, and why" if item.status == "partial" else "Details"
        self.message.show(Message(kind, sendable(item.message), item.hint, item.details, title))
        self.link.value = (
            f'<p><a href="{escape(item.link)}" target="_blank" rel="noopener">Open it on Google Drive</a></p>'
            if item.link
            else ""
        )

    def refresh_history(self) -> None:
        """Read the list of earlier transfers again."""
        self._tab.in_background("history", lambda _: self.history.entries(), self._show_history)

    def _show_history(self, entries: list[PastTransfer]) -> None:
        root, above = self._tab.context.host.root, {item.key for item in self.queue.items()}
        entries = [entry for entry in entries if entry.key not in above and _belongs(entry, root)]
        self._past_shown = {entry.key for entry in entries}
        self._past = {entry.key: entry for entry in entries if entry.again}
        self.past_table.show([_past_row(entry) for entry in entries])
        titles = [(sendable(entry.title), key) for key, entry in self._past.items()]
        offer(self.past, titles)
        self.past.layout.display = self.again_button.layout.display = None if titles else "none"
        self.past_row.layout.display = None if entries else "none"

    def do_again(self) -> None:
        """Put the chosen earlier download into the queue again."""
        entry = self._past.get(self.past.value)
        if entry is None:
            raise InputError("No earlier transfer is chosen.")
        assert self._again is not None
        self._again(entry.again)

    def clear_history(self) -> None:
        """Forget earlier transfers."""
        shown = self._past_shown
        self._tab.in_background("clear", lambda _: self.history.clear(shown), lambda _: self.refresh_history())


def _belongs(entry: PastTransfer, root: Path | None) -> bool:
    return root is None or all(Path(os.path.realpath(path)).is_relative_to(root) for path in entry.paths)


def _bar(item: QueuedTransfer) -> str:
    fraction = item.snapshot.fraction if item.snapshot else None
    value = "" if fraction is None else f' value="{fraction:.4f}"'
    return f'<progress class="cp-progress" max="1"{value} aria-label="{escape(item.transfer.title)}"></progress>'


def _row(item: QueuedTransfer) -> list[str | Cell]:
    title = f"{_SIGNS[item.transfer.kind]} {item.transfer.title}"
    if item.status == "running" and item.snapshot is not None:
        return [title, describe(item.snapshot)]
    return [title, Cell(_STATES.get(item.status, item.status), _TONES.get(item.status, ""), item.message)]


def _past_row(entry: PastTransfer) -> list[str | Cell]:
    size = "" if entry.size is None else Cell(words.size(entry.size), number=entry.size)
    age = max(time.time() - entry.ended, 0)
    state = Cell(_STATES.get(entry.status, entry.status), _TONES.get(entry.status, ""), entry.message)
    title = f"{_SIGNS.get(entry.kind, '')} {entry.title}"
    return [title, size, Cell(words.age(age), number=age), state]
