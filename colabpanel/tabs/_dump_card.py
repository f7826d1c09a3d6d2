"""The card that saves variables of the notebook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ipywidgets

from colabpanel.errors import InputError
from colabpanel.services.snapshots.catalog import last_fingerprints
from colabpanel.services.snapshots.fingerprint import Fingerprints
from colabpanel.services.snapshots.models import Snapshot
from colabpanel.services.snapshots.namespace import user_variables
from colabpanel.services.snapshots.panel_calls import Dumped, dump_chosen
from colabpanel.services.snapshots.service import dump_summary
from colabpanel.services.snapshots.table import VariableInfo, variable_table
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._snapshot_words import dump_code, prediction, skipped_variables, variable_row, variable_title
from colabpanel.widgets.basics import button, escape, offer, sendable, styled
from colabpanel.widgets.data_table import Column, DataTable
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["DumpCard"]

_MOST = 1_000  # variables to choose from
_LOOKING, _NO_SNAPSHOT, _UNKNOWN = "looking", "no snapshot yet", "not known"


class DumpCard:
    """The variables of the notebook, where they go, and the button that saves them.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
        saved: Called with a folder in which there is a new snapshot.
    """

    def __init__(self, tab: Tab, *, saved: Callable[[str], None]) -> None:
        self._tab, self._saved = tab, saved
        self._last: Fingerprints | str = _LOOKING
        self._looked = 0
        self._refreshing = False
        columns = [
            Column("Name"),
            Column("Type"),
            Column("Shape"),
            Column("Size", is_number=True),
            Column("Since the last snapshot"),
        ]
        self.table = DataTable(
            "Variables of the notebook",
            columns,
            empty="No variables yet. Run a cell that makes one, then Refresh.",
            is_sortable=True,
        )
        self.chosen = styled(ipywidgets.SelectMultiple(description="Variables", rows=6), "cp-field", "cp-list")
        self.predicted = ipywidgets.HTML()
        self._found: list[VariableInfo] = []
        self.refresh_button = button("Refresh", tooltip="Look at the notebook's variables again", kind="quiet")
        self.all_button = button("Choose all", tooltip="Choose all that can be saved", kind="quiet")
        self._form()
        tab.on_click(self.refresh_button, self.refresh)
        tab.on_click(self.all_button, self.choose_all)
        tab.on_click(self.save_button, self.save)
        self.widget = card(
            "Save variables",
            self.table,
            self.chosen,
            styled(ipywidgets.HBox([self.refresh_button, self.all_button]), "cp-row"),
            self.predicted,
            self.folder,
            self.name,
            self.keep,
            self.only_changed,
            self.jobs,
            self.code,
        )
        self._look_at_variables()

    def _form(self) -> None:
        self.folder = PathPicker("Into", self._tab.browse, folders_only=True, root=self._tab.context.host.root)
        self.name = styled(ipywidgets.Text(description="Called", placeholder="snapshot"), "cp-field")
        self.keep = styled(
            ipywidgets.Text(description="Keep", placeholder="How many of this name; empty: all of them"), "cp-field"
        )
        self.only_changed = styled(
            ipywidgets.Checkbox(description="Write only what has changed", indent=False, value=False), "cp-check"
        )
        self.save_button = button(
            "Save variables", tooltip="Write the chosen variables into one file", icon="save", kind="primary"
        )
        self.jobs = self._tab.job_view(self.save_button)
        self.code = CodeView()
        self.chosen.observe(self._changed, names="value")
        for field in (self.name, self.keep, self.only_changed):
            field.observe(self._changed, names="value")
        self.folder.observe(self._folder_changed, names="path")
        self._tab.start_on_drive(self.folder, moved=lambda: self._folder_changed(None))

    @property
    def directory(self) -> str:
        """The folder: what stands in the field, or ``snapshots`` on Drive or in the workspace while it is empty."""
        return self.folder.path or str(Path(self.folder.start_folder) / "snapshots")

    def _predict(self) -> None:
        chosen = [found for found in self._found if found.name in self.chosen.value]
        self.predicted.value = f'<p class="cp-note">{escape(prediction(chosen))}</p>' if chosen else ""

    def _changed(self, _: object) -> None:
        self._predict()
        if not self._refreshing:
            self.jobs.message.clear()
        self.folder.text.placeholder = sendable(self.directory)
        names, name = list(self.chosen.value), self.name.value
        incremental, keep = self.only_changed.value, self.keep.value
        self.code.show(dump_code(self.directory, name, names, incremental=incremental, keep=keep))

    def refresh(self) -> None:
        """Look at the variables again, and at the last snapshot of the folder."""
        self._look_at_variables()
        self._look_at_last()

    def _look_at_variables(self) -> None:
        host = self._tab.context.host
        self._tab.in_background("variables", lambda _: variable_table(user_variables(host)), self._show)

    def _look_at_last(self) -> None:
        """Read in the background what the last snapshot tells; an answer that was overtaken is dropped."""
        self._looked += 1
        turn, folder, root = self._looked, self._tab.absolute(self.directory), self._tab.context.host.root

        def compare(last: Fingerprints | str) -> None:
            if turn == self._looked:
                self._last = last
                self._show_rows()

        self._tab.run_then(
            "last snapshot",
            lambda progress: last_fingerprints(folder, root=root, progress=progress),
            lambda last: compare(_NO_SNAPSHOT if last is None else last),
            lambda _: compare(_UNKNOWN),
        )

    def _folder_changed(self, _: object) -> None:
        self._changed(None)
        self._look_at_last()

    def _show_rows(self) -> None:
        self.table.show([variable_row(variable, self._last) for variable in self._found])

    def _show(self, found: list[VariableInfo]) -> None:
        self._found = found
        self._show_rows()
        savable = [variable for variable in found if variable.savable][:_MOST]
        self._refreshing = True
        try:
            offer(self.chosen, [(sendable(variable_title(variable)), variable.name) for variable in savable])
        finally:
            self._refreshing = False
        self._predict()

    def choose_all(self) -> None:
        """Choose every variable that can be saved."""
        self.chosen.value = [name for _, name in self.chosen.options]

    def _kept(self) -> int | None:
        text = self.keep.value.strip()
        if not text:
            return None
        if not text.isdigit() or not int(text):
            raise InputError("Keep takes a number of snapshots.", hint="Write 3 to keep the newest three of this name.")
        return int(text)

    def save(self) -> None:
        """Save the chosen variables."""
        names = list(self.chosen.value)
        if not names:
            raise InputError("No variables are chosen.", hint="Choose some in the list, or press Choose all.")
        folder = self._tab.absolute(self.directory)
        self._tab.start_job(
            self.jobs,
            lambda dumped: self._done(dumped, folder),
            dump_chosen,
            self._tab.context.host,
            folder,
            self.name.value,
            names,
            incremental=self.only_changed.value,
            keep=self._kept(),
        )

    def _done(self, dumped: Dumped, folder: str) -> Message:
        self.refresh()
        self._saved(folder)
        snapshot: Snapshot = dumped.snapshot
        hint = "After a disconnect, choose it under Snapshots and press Load."
        if dumped.deleted:
            hint += f" Deleted {len(dumped.deleted)} older."
        if snapshot.status == "ok":
            return Message("ok", dump_summary(snapshot), hint)
        return Message("warning", dump_summary(snapshot), hint, skipped_variables(snapshot), "Which, and why")
