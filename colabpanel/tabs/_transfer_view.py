"""Transfers in the output of a cell, without a panel: what `colabpanel.download` and `colabpanel.upload` show."""

from __future__ import annotations

import ipywidgets

from colabpanel.hosts import Host
from colabpanel.jobs import JobRunner
from colabpanel.live import start as start_live
from colabpanel.services.memory.watch import watch_of
from colabpanel.services.session.clock import Activity
from colabpanel.services.transfer.models import Overwrite, Route
from colabpanel.services.transfer.panel_calls import download_transfer
from colabpanel.state import PanelState
from colabpanel.tabs._base import Tab, TabContext
from colabpanel.tabs._transfer_line import TransferLine
from colabpanel.tabs._transfers_card import TransfersCard
from colabpanel.tabs._upload_card import UploadCard
from colabpanel.widgets.basics import close_tree, tree_ids, under_stylesheet
from colabpanel.widgets.refresher import Refresher

__all__ = ["TransferView"]


class TransferView:
    """The queue of a few transfers, and for uploads the card that chooses files.

    Args:
        host: The notebook host.
        directory: The folder for uploads; None shows downloads alone.
        overwrite: What becomes of files that are there already.
        runner: Runs jobs; None runs each on a thread of its own.
        refresher: Updates views; None makes one with a thread.

    Attributes:
        widget: What is displayed.
    """

    def __init__(
        self,
        host: Host,
        *,
        directory: str | None = None,
        overwrite: Overwrite = "ask",
        runner: JobRunner | None = None,
        refresher: Refresher | None = None,
    ) -> None:
        self._host, self._runner, self._refresher = host, runner or JobRunner(), refresher or Refresher()
        self._activity, self._closed = Activity(host), False
        context = TabContext(
            host=host,
            state=PanelState(workspace=str(host.workspace)),
            runner=self._runner,
            refresher=self._refresher,
            watch=watch_of(host),
            activity=self._activity,
            clicked=self._activity.clicked,
        )
        self.tab = _TransferTab(context, directory=directory, overwrite=overwrite)
        self.widget = under_stylesheet(self.tab.widget)
        self._stop_live = start_live(host.shell, self._owns)
        self._refresher.start()

    def download(self, paths: list[str], *, only: str = "", route: Route | None = None) -> None:
        """Start a download; the view shows how far it is."""
        absolute = [self.tab.absolute(path) for path in paths]
        line = self.tab.line
        self.tab.transfers.add(
            download_transfer(absolute, host=self._host, link=line.down, only=only, route=route, patience=line.patience)
        )

    @property
    def busy(self) -> bool:
        """Whether a transfer runs or waits."""
        return any(not item.ended for item in self.tab.transfers.queue.items())

    def _owns(self, comm_id: str) -> bool:
        return comm_id in tree_ids(self.widget)

    def close(self) -> None:
        """Cancel what runs, and take the view off the page."""
        if self._closed:
            return
        self._closed = True
        if self._stop_live is not None:
            self._stop_live()
        self._activity.close()
        self._refresher.close()
        self._runner.close()
        with self._refresher.lock:
            close_tree(self.widget)

    def _ipython_display_(self) -> None:
        """Show nothing more: it is displayed already."""

    def __repr__(self) -> str:
        return f"<colabpanel.TransferView: {self._host.name}>"


class _TransferTab(Tab):
    def __init__(self, context: TabContext, *, directory: str | None, overwrite: Overwrite) -> None:
        self._directory, self._overwrite = directory, overwrite
        self.upload: UploadCard | None = None
        super().__init__(context)

    def build(self) -> list[ipywidgets.Widget]:
        self.line = TransferLine(self.context.host, chooser=self._directory is not None)
        self.transfers = TransfersCard(self)
        if self._directory is None:
            return [self.line.widget, self.transfers.widget]
        self.upload = UploadCard(
            self,
            self.line,
            add=self.transfers.add,
            has_ended=self.transfers.has_ended,
            replaced=self.transfers.drop_uploads_of_others,
            directory=self._directory,
            overwrite=self._overwrite,
        )
        return [self.upload.widget, self.transfers.widget]
