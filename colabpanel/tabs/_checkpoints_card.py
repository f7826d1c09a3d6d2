"""The card of a folder of checkpoints: a table, and a metric over the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import ipywidgets

from colabpanel.errors import ColabPanelError, InputError
from colabpanel.services.checkpoints.catalog import with_best
from colabpanel.services.checkpoints.models import Checkpoint
from colabpanel.services.checkpoints.panel_calls import ListedCheckpoints, ask_for_checkpoint, list_checkpoints
from colabpanel.services.checkpoints.policy import policy_of
from colabpanel.services.checkpoints.service import active_checkpoints
from colabpanel.tabs._base import Tab, card, error_message
from colabpanel.tabs._checkpoint_words import checkpoint_row, metric_names, point_of
from colabpanel.widgets.basics import button, escape, styled
from colabpanel.widgets.data_table import Column, DataTable
from colabpanel.widgets.line_chart import LineChart
from colabpanel.widgets.messages import Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["CheckpointsCard"]

_LOOK_EVERY = 5.0  # seconds
_MODES = (("decided by its name", "auto"), ("higher is better", "max"), ("lower is better", "min"))
_COLUMNS = (
    Column("Checkpoint"),
    Column("Step", is_number=True),
    Column("Epoch", is_number=True),
    Column("Metric", is_number=True),
    Column("Size", is_number=True),
    Column("When"),
    Column("Where it is safe"),
)


class CheckpointsCard:
    """A folder that is looked at again and again, for training may be filling it.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self._shown: Callable[[str, Sequence[Checkpoint]], None] = lambda _folder, _rows: None
        self._folder, self._found, self._rows = "", ListedCheckpoints(()), list[Checkpoint]()
        self._undecided = ""
        self._watched, self._is_looking, self._asked = "", False, 0
        self._form()
        tab.on_click(self.list_button, self.list_folder)
        tab.on_click(self.save_button, self.save_now)
        tab.on_change(self.metric, self._judge)
        tab.on_change(self.mode, self._judge)
        self.widget = card(
            "Checkpoints",
            self.folder,
            self.jobs,
            self.note,
            self.table,
            self.metric,
            self.mode,
            self.chart,
            lead="The folder that training saves into: of colabpanel, Keras, Lightning, Transformers, PyTorch, "
            "TensorFlow or Orbax. It is looked at every few seconds.",
        )

    def watch(self, shown: Callable[[str, Sequence[Checkpoint]], None]) -> None:
        """Look at the folder every few seconds from now on.

        Args:
            shown: Is given the folder and its checkpoints, the best one marked, whenever others are shown.
        """
        self._shown = shown
        self._suggest()
        self._tab.context.refresher.every(_LOOK_EVERY, self._look)

    def _form(self) -> None:
        tab, host = self._tab, self._tab.context.host
        self.folder = PathPicker(
            "Saved in",
            tab.browse,
            folders_only=True,
            root=host.root,
            placeholder="The folder that training saves into",
        )
        tab.start_on_drive(self.folder)
        self.list_button = button("List", tooltip="List the checkpoints in the folder", icon="list", kind="primary")
        self.save_button = button("Save now", tooltip="Ask training to save at its next batch", icon="save")
        self.jobs = tab.job_view(self.list_button, self.save_button)
        self.note = ipywidgets.HTML()
        self.table = DataTable(
            "Checkpoints in the folder",
            _COLUMNS,
            empty="None listed. Choose the folder that training saves into, and press List.",
            is_sortable=True,
        )
        self.metric = styled(ipywidgets.Dropdown(description="Metric"), "cp-field")
        self.mode = styled(ipywidgets.Dropdown(description="Best is", options=_MODES, value="auto"), "cp-field")
        self.chart = LineChart(empty="Save checkpoints with metrics, and one of them is drawn here over the steps.")

    def _suggest(self) -> None:
        """Offer the folders that training in this notebook saves into; the first of them is taken."""
        active = active_checkpoints()
        self.folder.suggest([str(one.directory) for one in active])
        if active and not self.folder.path:
            self.folder.path = str(active[0].directory)
            self.mode.value = active[0].policy.mode
            self.list_folder()

    @property
    def directory(self) -> str:
        """The folder that is chosen.

        Raises:
            InputError: None is.
        """
        if not self.folder.path:
            raise InputError("No folder is chosen.", hint="Choose the folder that training saves into.")
        return self._tab.absolute(self.folder.path)

    def list_folder(self) -> None:
        """List the folder that is chosen, and look at it again from now on."""
        self._list(self.directory)

    def list_again(self, folder: str) -> None:
        """List a folder in which something has changed, if it is the one that is looked at."""
        if folder == self._watched:
            self._list(folder)

    def _list(self, folder: str) -> None:
        self._watched = folder
        self._asked += 1
        turn, host = self._asked, self._tab.context.host

        def fail(error: BaseException) -> None:
            if turn == self._asked:
                self._watched = ""
                self._show("", ListedCheckpoints(()))
                self.jobs.message.show(error_message(error))

        self.jobs.message.clear()
        self._tab.run_then(
            "checkpoints",
            lambda progress: list_checkpoints(progress, host, folder),
            lambda found: self._show(folder, found) if turn == self._asked else None,
            fail,
        )

    def _look(self) -> None:
        """Look at the folder again; while it fails, what was seen last stays."""
        if not self._watched:
            if active_checkpoints() and not self.folder.path:
                self._suggest()
            return
        if self._is_looking or not self._tab.context.present():
            return
        self._is_looking = True
        turn, host, folder = self._asked, self._tab.context.host, self._watched

        def done(found: ListedCheckpoints) -> None:
            self._is_looking = False
            if turn != self._asked:
                return
            if found.is_awaited and self._folder == folder:
                self._note("The folder is not there any more.", "warning")
            elif found != self._found:
                self._show(folder, found)
            else:
                self._draw_table()  # they have grown older
                self._tell()

        def fail(error: BaseException) -> None:
            self._is_looking = False
            if turn == self._asked:
                self._note(f"The folder does not answer: {error}", "warning")

        self._tab.run_then("checkpoints", lambda progress: list_checkpoints(progress, host, folder), done, fail)

    def _note(self, text: str, tone: str = "") -> None:
        kind = f" cp-tone-{tone}" if tone else ""
        self.note.value = f'<p class="cp-note{kind}" role="status">{escape(text)}</p>' if text else ""

    def _tell(self) -> None:
        found = self._found
        if found.is_awaited:
            self._note("This folder is not there yet. It is looked at every few seconds, until training makes it.")
        elif found.failure or self._undecided:
            self._note(found.failure or self._undecided, "warning")
        else:
            self._note(f"In the background: {found.activity}." if found.activity else "")

    def _show(self, folder: str, found: ListedCheckpoints) -> None:
        self._folder, self._found = "" if found.is_awaited else folder, found
        names = metric_names(found.rows)
        if tuple(names) != tuple(self.metric.options):
            kept = self.metric.value if self.metric.value in names else (names[0] if names else None)
            self.metric.options = names
            self.metric.value = kept
        self._judge()

    def _judge(self) -> None:
        """Mark the best by the metric that is chosen, and draw it."""
        rows, metric, self._undecided = list(self._found.rows), self.metric.value, ""
        try:
            if metric:
                rows = with_best(rows, policy_of(metric, self.mode.value, None, None))
        except ColabPanelError as error:
            rows = [replace(row, is_best=False) for row in rows]
            self._undecided = f"{error.message} Choose what is best."
        self._rows = rows
        self._tell()
        self._draw_table()
        points = [point for row in rows if metric and (point := point_of(row, metric)) is not None]
        self.chart.show(points, title=metric or "Metric")
        self._shown(self._folder, rows)

    def _draw_table(self) -> None:
        self.table.show([checkpoint_row(row, self.metric.value) for row in reversed(self._rows)])

    def save_now(self) -> None:
        """Ask training for a checkpoint."""
        host, folder = self._tab.context.host, self.directory
        self._tab.start_job(
            self.jobs, lambda said: Message("ok", said), lambda progress: ask_for_checkpoint(progress, host, folder)
        )
