"""The card of recent stagings: what was staged, and what can be resumed or discarded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.services.sources.addresses import is_address, name_of
from colabpanel.services.staging.history import History, HistoryEntry
from colabpanel.services.staging.service import discard
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._staging_words import recent_row
from colabpanel.widgets.basics import button, offer, sendable, styled
from colabpanel.widgets.data_table import Column, DataTable
from colabpanel.widgets.messages import Message

__all__ = ["RecentCard"]

_LOOK_AT_OTHERS = 5.0  # seconds: stagings of other pages and of the command line


class RecentCard:
    """A table of stagings, and the unfinished ones among them.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
        history: The list that is shown.
        is_busy: Tells whether a staging of this page runs.
        stage: Called with an entry that is to go on.
        suggest: Called with the entries, for the fields that suggest earlier paths.
    """

    def __init__(
        self,
        tab: Tab,
        history: History,
        *,
        is_busy: Callable[[], bool],
        stage: Callable[[HistoryEntry], None],
        suggest: Callable[[list[HistoryEntry]], None],
    ) -> None:
        self._tab, self._history, self._is_busy, self._stage, self._suggest = tab, history, is_busy, stage, suggest
        self._some_running, self._shown = False, set[str]()
        self._resumable: dict[str, HistoryEntry] = {}
        columns = [
            Column("Archive"),
            Column("Into"),
            Column("Files", is_number=True),
            Column("Size", is_number=True),
            Column("When"),
            Column("State"),
        ]
        self.table = DataTable(
            "Recent stagings",
            columns,
            empty="Nothing staged yet. Choose an archive above and press Stage data.",
            is_sortable=True,
        )
        self.unfinished = styled(ipywidgets.Dropdown(description="Unfinished"), "cp-field")
        self.resume_button = button("Resume", tooltip="Go on where it stopped", icon="play")
        self.discard_button = button("Discard", tooltip="Delete what was unpacked so far", icon="trash", kind="danger")
        self.unfinished_row = styled(
            ipywidgets.HBox([self.unfinished, self.resume_button, self.discard_button]), "cp-row"
        )
        self.clear_button = button("Clear the list", tooltip="Forget the stagings that have ended", kind="quiet")
        tab.on_click(self.clear_button, self.clear)
        tab.on_click(self.resume_button, self.resume)
        tab.on_click(self.discard_button, self.discard)
        self.widget = card(
            "Recent", self.unfinished_row, self.table, styled(ipywidgets.HBox([self.clear_button]), "cp-row")
        )
        tab.context.refresher.every(_LOOK_AT_OTHERS, self._refresh_running)

    def refresh(self) -> None:
        """Read the list again."""
        self._tab.in_background("recent", lambda _: self._history.entries(), self._show)

    def clear(self) -> None:
        """Forget the stagings that have ended; the files stay where they are."""
        shown = self._shown
        self._tab.in_background("clear", lambda _: self._history.clear(shown), lambda _: self.refresh())

    def _refresh_running(self) -> None:
        if self._some_running and not self._is_busy():
            self.refresh()

    def _belongs_here(self, entry: HistoryEntry) -> bool:
        root = self._tab.context.host.root
        paths = [path for path in (entry.source, entry.directory) if not is_address(path)]
        return root is None or all(Path(path).is_relative_to(root) for path in paths)

    def _show(self, entries: list[HistoryEntry]) -> None:
        entries = [entry for entry in entries if self._belongs_here(entry)]
        self._shown = {entry.key for entry in entries}
        self._some_running = any(entry.status == "running" for entry in entries)
        self.table.show([recent_row(entry) for entry in entries])
        self.clear_button.layout.display = None if entries else "none"
        self._suggest(entries)
        self._resumable = {entry.key: entry for entry in entries if entry.resumable}
        titles = [
            (sendable(f"{name_of(entry.source)} into {entry.directory}"), key) for key, entry in self._resumable.items()
        ]
        offer(self.unfinished, titles)
        self.unfinished_row.layout.display = None if titles else "none"

    def resume(self) -> None:
        """Go on with the chosen unfinished staging."""
        self._stage(self._chosen())

    def _chosen(self) -> HistoryEntry:
        entry = self._resumable.get(self.unfinished.value)
        if entry is None:
            raise InputError("No unfinished staging is chosen.")
        return entry

    def discard(self) -> None:
        """Delete what the chosen unfinished staging left, and forget it."""
        entry = self._chosen()
        if self._is_busy():
            raise InputError("A staging is running.", hint="Wait until it ends, or cancel it.")

        def work(_: object) -> str:
            discard(entry.directory, root=self._tab.context.host.root)
            self._history.forget(entry.key)
            return entry.directory

        def done(directory: str) -> None:
            self.refresh()
            self._tab.notice.show(
                Message("ok", f"Discarded what was unpacked for {directory}; the folder itself is as it was.")
            )

        self._tab.in_background("discard", work, done)
