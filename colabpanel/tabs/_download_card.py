"""The card that downloads files: once, or whenever one changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import ipywidgets

from colabpanel.errors import ColabPanelError, InputError
from colabpanel.progress import Progress
from colabpanel.services.transfer.models import Route
from colabpanel.services.transfer.panel_calls import download_transfer
from colabpanel.services.transfer.queued import Transfer
from colabpanel.services.transfer.watching import watch_file
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._transfer_line import TransferLine
from colabpanel.widgets.basics import button, escape, sendable, styled
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["DownloadCard"]

_ROUTES: tuple[tuple[str, Route], ...] = (
    ("The server's own link", "files"),
    ("Through the notebook, verified", "comm"),
    ("Colab's helper", "colab"),
    ("A copy on Google Drive", "drive"),
)


class DownloadCard:
    """What to download, how, and the button that does it.

    Args:
        tab: The tab it belongs to.
        line: The line to the page.
        add: Puts a transfer into the queue, which the user asked for.
        add_unasked: Puts one into the queue that nobody clicked for.
    """

    def __init__(
        self,
        tab: Tab,
        line: TransferLine,
        *,
        add: Callable[[Transfer], object],
        add_unasked: Callable[[Transfer], object],
    ) -> None:
        self._tab, self._line, self._add, self._add_unasked = tab, line, add, add_unasked
        self._more: list[str] = []
        host = tab.context.host
        self.source = PathPicker("Download", tab.browse, root=host.root, placeholder="A file, or a folder as one zip")
        self.source.start_folder = str(host.workspace)
        self.only = styled(
            ipywidgets.Text(description="Only", placeholder="*.png; empty: every file of a folder"), "cp-field"
        )
        self.route = styled(ipywidgets.Dropdown(description="Route", options=self._routes()), "cp-field")
        self.more = ipywidgets.HTML()
        self.code = CodeView()
        self._make_buttons()
        self.watching = tab.job_view(self.watch_button)
        for field, trait in ((self.source, "path"), (self.only, "value"), (self.route, "value")):
            field.observe(self._changed, names=trait)
        self._changed(None)
        routes = [self.route] if len(self.route.options) > 2 else tab.for_coders()  # noqa: PLR2004 - a choice
        actions = [self.download_button, self.add_button, self.clear_button]
        self.widget = card(
            "Download to your computer",
            self.source,
            self.more,
            self.only,
            *routes,
            styled(ipywidgets.HBox(actions), "cp-row"),
            self.watching,
            *tab.for_coders(self.code),
        )

    def _make_buttons(self) -> None:
        self.download_button = button("Download", tooltip="Hand it to your browser", icon="download", kind="primary")
        self.add_button = button("Add another", tooltip="Download several as one zip", kind="quiet")
        self.clear_button = button("Clear", tooltip="Forget the files that were added", kind="quiet")
        self.watch_button = button(
            "Download when it changes", tooltip="Download this file each time it has been written", icon="eye"
        )
        self._tab.on_click(self.download_button, self.download)
        self._tab.on_click(self.add_button, self.add_another)
        self._tab.on_click(self.clear_button, self.clear)
        self._tab.on_click(self.watch_button, self.watch)

    def _routes(self) -> list[tuple[str, Route | None]]:
        host = self._tab.context.host
        opened: set[Route] = set()
        if self._line.down is not None:
            opened |= {"comm"} if host.is_served else {"files", "comm"}
        if host.sends_up_to:
            opened.add("colab")
        if host.drive_mountpoint is not None:
            opened.add("drive")
        return [("Choose the best", None), *((title, route) for title, route in _ROUTES if route in opened)]

    @property
    def paths(self) -> list[str]:
        """What is to be downloaded.

        Raises:
            InputError: Nothing is.
        """
        chosen = [*self._more, *([self.source.path] if self.source.path else [])]
        if not chosen:
            raise InputError(
                "Nothing to download is chosen.", hint="Type or paste a path under Download, or browse to it."
            )
        return [self._tab.absolute(path) for path in dict.fromkeys(chosen)]

    def _changed(self, _: object) -> None:
        self.watching.message.clear()
        shown = ", ".join(self._more)
        self.more.value = f'<p class="cp-note">Together with: {escape(shown)}</p>' if shown else ""
        self.clear_button.layout.display = None if shown else "none"
        paths = [*self._more, self.source.path or "model.keras"]
        arguments = repr(paths[0] if len(paths) == 1 else paths)
        if self.only.value.strip():
            arguments += f", only={self.only.value.strip()!r}"
        if self.route.value:
            arguments += f", route={self.route.value!r}"
        self.code.show(["import colabpanel", "", f"colabpanel.download({arguments})"])

    def add_another(self) -> None:
        """Keep the path in the field, so that another can be chosen to go with it."""
        if not self.source.path:
            raise InputError("No path is chosen.", hint="Choose one, then press Add another.")
        if self.source.path not in self._more:
            self._more.append(self.source.path)
        self.source.path = ""
        self._changed(None)

    def clear(self) -> None:
        """Forget the paths that were added."""
        self._more.clear()
        self._changed(None)

    def download(self) -> None:
        """Put the download into the queue."""
        self._add(self.transfer(self.paths, only=self.only.value.strip(), route=self.route.value))
        self.clear()

    def transfer(self, paths: list[str], *, only: str = "", route: Route | None = None) -> Transfer:
        """Make a download of these paths."""
        drive = self._tab.context.state.drive_root or None
        return download_transfer(
            paths,
            host=self._tab.context.host,
            link=self._line.down,
            only=only,
            route=route,
            drive=drive,
            patience=self._line.patience,
        )

    def again(self, arguments: dict[str, Any]) -> None:
        """Put an earlier download into the queue again."""
        self._add(self.transfer(arguments["paths"], only=arguments["only"], route=arguments["route"]))

    def watch(self) -> None:
        """Download the file whenever it has changed, until Cancel is pressed."""
        if not self.source.path:
            raise InputError("No file is chosen.", hint="Choose the file to watch under Download.")
        path, route, root = self._tab.absolute(self.source.path), self.route.value, self._tab.context.host.root

        def work(progress: Progress) -> NoReturn:
            watch_file(path, changed, root=root, failed=failed, progress=progress)

        def changed(real: Path) -> None:
            self._add_unasked(self.transfer([str(real)], route=route))

        def failed(error: ColabPanelError) -> None:
            with self._tab.context.refresher.lock:
                self.watching.message.show(Message("warning", sendable(error.message), error.hint))

        self._tab.start_job(self.watching, _never, work)


def _never(_: NoReturn) -> Message:
    raise AssertionError("a watch ends by being cancelled")
