"""What transfers of a page need of the host: a line, a way to choose files, and patience while a cell runs."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

import ipywidgets

from colabpanel.hosts import Host
from colabpanel.services.transfer.link import Link, Patience
from colabpanel.services.transfer.polling import PollingLink
from colabpanel.widgets.messages import Message, MessageView

__all__ = ["TransferLine"]

_LOG = logging.getLogger("colabpanel")


class TransferLine:
    """The line to the page that shows `widget`.

    Args:
        host: The notebook host.
        chooser: Whether files are to be chosen for an upload.

    Attributes:
        widget: To be shown: buttons to choose files, or why there are none; nothing to see without ``chooser``.
        down: The line for downloads, or None.
        up: The line for uploads, or None.
        patience: How long the page may be silent; time in which a cell runs does not count.
    """

    def __init__(self, host: Host, *, chooser: bool) -> None:
        self.down: Link | None = None
        self.up: Link | None = None
        self.patience = Patience(deaf=lambda: self._cells > 0)
        self._cells = 0
        self._ends = [host.on_cell(self._cell_started, self._cell_ended)]
        self.widget = self._own_widget(host, chooser=chooser) or self._calls_of_the_page(host, chooser=chooser)
        self.widget.observe(self._closed, names="comm")

    def _own_widget(self, host: Host, *, chooser: bool) -> ipywidgets.Widget | None:
        if not host.custom_widgets:
            return None
        try:
            from colabpanel.widgets.browser_link import BrowserLink

            link = BrowserLink(chooser=chooser)
        except Exception:  # noqa: BLE001 - the panel works without it, and says what does not
            _LOG.exception("The line to the page is not available")
            return None
        self.down = self.up = link
        return link

    def _calls_of_the_page(self, host: Host, *, chooser: bool) -> ipywidgets.Widget:
        name, link = f"colabpanel.upload.{uuid.uuid4().hex}", PollingLink()
        stop = host.on_page_call(name, link.call) if chooser else None
        if stop is None:
            view = MessageView()
            if chooser:
                view.show(_no_uploads(host))
            return view
        from colabpanel.widgets.upload_fallback import UploadFallback

        self._ends.append(stop)
        self.up = link
        return UploadFallback(name)

    def _cell_started(self) -> None:
        self._cells += 1

    def _cell_ended(self) -> None:
        self._cells = max(self._cells - 1, 0)

    def _closed(self, change: dict[str, object]) -> None:
        if change["new"] is None:
            ends, self._ends = self._ends, list[Callable[[], None]]()
            for end in ends:
                end()


def _no_uploads(host: Host) -> Message:
    return Message(
        "info",
        f"{host.name} gives a panel no way to take files from your browser.",
        "Upload them in the file browser of the notebook, or open colabpanel in JupyterLab or the dashboard.",
    )
