"""The card of files of variables: which there are, what is in them, and getting it out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.services.snapshots.catalog import SnapshotFile, contents, delete_snapshot, snapshots
from colabpanel.services.snapshots.exporting import ExportedData, export_snapshot
from colabpanel.services.snapshots.models import Contents
from colabpanel.services.snapshots.namespace import user_variables
from colabpanel.services.snapshots.panel_calls import load_chosen
from colabpanel.tabs._base import Tab, card, error_message
from colabpanel.tabs._snapshot_words import contents_row, file_row, load_code
from colabpanel.widgets.basics import button, sendable, styled
from colabpanel.widgets.data_table import Column, DataTable
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["SnapshotsCard"]

_HINT = "A snapshot, or a .pkl, .npy, .npz, .parquet or .safetensors file"


class SnapshotsCard:
    """A folder of snapshots, one file of it, its variables, and what can be done with them.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
        deleted: Called when a snapshot was deleted.
    """

    def __init__(self, tab: Tab, *, deleted: Callable[[], None] = lambda: None) -> None:
        self._deleted = deleted
        self._tab, self._contents, self._path = tab, None, ""  # type: Tab, Contents | None, str
        self._asked = self._listed = 0
        host = tab.context.host
        self.folder = PathPicker("Snapshots in", tab.browse, folders_only=True, root=host.root)
        self.list_button = button("List", tooltip="List the snapshots in the folder", icon="list")
        columns = [Column("File"), Column("Variables"), Column("Size", is_number=True), Column("When"), Column("Needs")]
        self.files = DataTable(
            "Snapshots in the folder",
            columns,
            empty="None listed. Save variables, or choose a folder and press List.",
            is_sortable=True,
        )
        self.file = PathPicker("File", tab.browse, root=host.root, placeholder=_HINT)
        self._contents_views()
        self._actions()
        tab.start_on_drive(self.folder, self.file, self.export_to, moved=self._show_default)
        tab.on_change(self.file, self._file_chosen, trait="path")
        tab.on_click(self.list_button, self.list_files)
        self.widget = card(
            "Snapshots",
            self.folder,
            styled(ipywidgets.HBox([self.list_button]), "cp-row"),
            self.files,
            self.file,
            self.contents_table,
            self.chosen,
            *self._coders,
            self.export_to,
            self.jobs,
            *tab.for_coders(self.code),
        )

    def _contents_views(self) -> None:
        columns = [Column("Name"), Column("Type"), Column("Shape"), Column("Size", is_number=True), Column("State")]
        self.contents_table = DataTable(
            "Variables in the file",
            columns,
            empty="Choose a file to see what is in it. Nothing is loaded for that.",
            is_sortable=True,
        )
        self.chosen = styled(ipywidgets.SelectMultiple(description="Variables", rows=5), "cp-field", "cp-list")
        self.chosen.observe(self._show_code, names="value")

    def _actions(self) -> None:
        tab = self._tab
        self.prefix = styled(
            ipywidgets.Text(description="Prefix", placeholder="In front of the names, as old_"), "cp-field"
        )
        self.trust = styled(
            ipywidgets.Checkbox(description="I trust this file: it may run code", indent=False, value=False), "cp-check"
        )
        self.export_to = PathPicker(
            "Export to", tab.browse, folders_only=True, root=tab.context.host.root, placeholder="A folder"
        )
        self.load_button = button(
            "Load", tooltip="Put the chosen variables into the notebook", icon="download", kind="primary"
        )
        is_served = tab.context.host.is_served
        self.export_button = button(
            "Export",
            tooltip="Write them as .npy, .parquet, .png and .json files",
            icon="file",
            kind="primary" if is_served else "",
        )
        self.delete_button = button("Delete file", tooltip="Delete the file", icon="trash", kind="danger")
        self.code = CodeView()
        self._coders = tab.for_coders(self.prefix, self.trust)
        primary = self.export_button if is_served else self.load_button
        others = [self.delete_button] if is_served else [self.export_button, self.delete_button]
        if is_served:
            tab.for_coders(self.load_button)
        else:
            tab.on_click(self.load_button, self.load)
            self.prefix.observe(self._prefix_changed, names="value")
            self.trust.observe(self._show_code, names="value")
        self.jobs = tab.job_view(primary, *others)
        tab.on_click(self.export_button, self.export)
        tab.on_click(self.delete_button, self.delete)

    @property
    def directory(self) -> str:
        """The folder: what stands in the field, or ``snapshots`` on Drive or in the workspace while it is empty."""
        return self.folder.path or str(Path(self.folder.start_folder) / "snapshots")

    def _show_default(self) -> None:
        self.folder.text.placeholder = sendable(str(Path(self.folder.start_folder) / "snapshots"))

    def show_folder(self, folder: str) -> None:
        """List a folder in which there is something new."""
        if folder != self._tab.absolute(self.directory):
            self.folder.path = folder
        self._list(folder, self._choose_newest)

    def list_files(self) -> None:
        """List the folder that is chosen."""
        self._list(self._tab.absolute(self.directory), self._choose_newest)

    def _list(self, folder: str, then: Callable[[list[SnapshotFile]], None] = lambda _: None) -> None:
        """List a folder; an answer that was overtaken by a later question is dropped."""
        self._listed += 1
        turn, root = self._listed, self._tab.context.host.root

        def show(found: list[SnapshotFile]) -> None:
            if turn == self._listed:
                self.files.show([file_row(one) for one in found])
                self.file.suggest([str(one.path) for one in found])
                then(found)

        self._tab.in_background("snapshots", lambda progress: snapshots(folder, root=root, progress=progress), show)

    def _choose_newest(self, found: list[SnapshotFile]) -> None:
        if found and not self.file.path:
            self.file.path = str(found[0].path)

    def _file_chosen(self) -> None:
        """Look into the file in the background; an answer that was overtaken by another choice is dropped."""
        self._asked += 1
        turn, path, root = self._asked, self.file.path, self._tab.context.host.root
        self.jobs.message.clear()
        if not self._tab.context.host.is_served:
            self.trust.value = False  # that was said of another file
        self._contents, self._path = None, ""
        self.contents_table.show([])
        self.chosen.options = []
        if not path or not Path(path).suffix:
            return

        def show(found: Contents) -> None:
            if turn == self._asked:
                self._show_contents(found)

        def fail(error: BaseException) -> None:
            if turn == self._asked:
                self.jobs.message.show(error_message(error))

        path = self._path = self._tab.absolute(path)
        self._tab.run_then("contents", lambda progress: contents(path, root=root, progress=progress), show, fail)

    def _show_contents(self, found: Contents) -> None:
        self._contents = found
        self._show_rows()
        names = [variable.name for variable in found.variables if variable.status == "saved"]
        self.chosen.options = [(sendable(name), name) for name in names]
        self.chosen.value = names
        self._show_code(None)

    def _show_rows(self) -> None:
        if self._contents is None:
            return
        prefix = "" if self._tab.context.host.is_served else self.prefix.value.strip()
        here = {name.removeprefix(prefix) for name in user_variables(self._tab.context.host) if name.startswith(prefix)}
        found = self._contents
        self.contents_table.show([contents_row(variable, found, here) for variable in found.variables])

    def _prefix_changed(self, _: object) -> None:
        self._show_rows()
        self._show_code(None)

    def _show_code(self, _: object) -> None:
        if self._tab.context.host.is_served:
            return
        prefix, trusted = self.prefix.value.strip(), self.trust.value
        self.code.show(load_code(self.file.path, list(self.chosen.value), prefix, trusted=trusted))

    def _chosen_names(self) -> list[str]:
        names = list(self.chosen.value)
        if self._contents is None or not names:
            raise InputError("No variables are chosen.", hint="Choose a file, then some of its variables.")
        return names

    def load(self) -> None:
        """Load the chosen variables into the notebook."""
        names, path = self._chosen_names(), self._path
        options = {"prefix": self.prefix.value.strip(), "trusted": self.trust.value}
        self._tab.start_job(self.jobs, _loaded, load_chosen, self._tab.context.host, path, names, **options)

    def export(self) -> None:
        """Write the chosen variables as files."""
        names, path = self._chosen_names(), self._path
        root = self._tab.context.host.root
        folder = self._tab.absolute(self.export_to.path or str(Path(path).with_name(Path(path).name.partition(".")[0])))
        self._tab.start_job(
            self.jobs,
            _exported,
            lambda progress: export_snapshot(path, folder, names=names, root=root, progress=progress),
        )

    def delete(self) -> None:
        """Delete the file; snapshots that build on it get what they need of it first."""
        if self._contents is None:
            raise InputError("No file is chosen.", hint="Choose the file to delete.")
        if self._contents.kind != "snapshot":
            raise InputError("Only snapshots are deleted here.", hint="Other files are not colabpanel's to delete.")
        path, root = self._path, self._tab.context.host.root

        def work(progress: object) -> str:
            delete_snapshot(path, fold=True, root=root, progress=progress)  # type: ignore[arg-type]  # a job
            return path

        def done(deleted: str) -> Message:
            if self._path == deleted:
                self.file.path = ""  # and no other takes its place, which the next click would delete
            self._list(str(Path(deleted).parent))
            self._deleted()
            return Message("ok", f"Deleted {Path(deleted).name}.")

        self._tab.start_job(self.jobs, done, work)


def _loaded(names: list[str]) -> Message:
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")  # noqa: PLR2004 - what a line holds
    return Message("ok", f"Loaded {words.plural(len(names), 'variable')}: {shown}.", "They are in the notebook now.")


def _exported(found: ExportedData) -> Message:
    sentence = f"Exported {words.plural(len(found.files), 'file')} into {found.directory}."
    if found.status == "ok":
        return Message("ok", sentence)
    details = "\n".join(f"{name}: {reason}" for name, reason in found.skipped)
    return Message("warning", sentence, details=details, details_title="What was left out, and why")
