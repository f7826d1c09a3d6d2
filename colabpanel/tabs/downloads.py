"""The Downloads tab: files out of the runtime into the browser, and back."""

from __future__ import annotations

from typing import Any

import ipywidgets

from colabpanel.tabs._base import Tab
from colabpanel.tabs._download_card import DownloadCard
from colabpanel.tabs._fetch_card import FetchCard
from colabpanel.tabs._transfer_line import TransferLine
from colabpanel.tabs._transfers_card import TransfersCard
from colabpanel.tabs._upload_card import UploadCard

__all__ = ["DownloadsTab"]


class DownloadsTab(Tab):
    """Downloads files and folders, uploads others, shows the queue of both, and fetches what an address leads to."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the cards."""
        self.line = TransferLine(self.context.host, chooser=True)
        self.transfers = TransfersCard(self, again=self._download_again)
        self.download = DownloadCard(self, self.line, add=self.transfers.add, add_unasked=self.transfers.queue.add)
        self.upload = UploadCard(
            self,
            self.line,
            add=self.transfers.add,
            has_ended=self.transfers.has_ended,
            replaced=self.transfers.drop_uploads_of_others,
        )
        self.fetch = FetchCard(self)
        self.context.state.take("for_downloads", lambda path: setattr(self.download.source, "path", path))
        return [self.download.widget, self.upload.widget, self.transfers.widget, self.fetch.widget]

    def _download_again(self, arguments: dict[str, Any]) -> None:
        self.download.again(arguments)
