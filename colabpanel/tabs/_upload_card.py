"""The card that takes files from the browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.progress import Progress
from colabpanel.services.transfer.chosen import ChosenFiles, watch_choices
from colabpanel.services.transfer.models import Overwrite
from colabpanel.services.transfer.panel_calls import upload_transfer
from colabpanel.services.transfer.queued import Outcome, Transfer
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._transfer_line import TransferLine
from colabpanel.widgets.basics import button, escape, sendable, styled
from colabpanel.widgets.messages import CodeView
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["UploadCard"]

_RULES: tuple[tuple[str, Overwrite], ...] = (
    ("Stop and say so", "ask"),
    ("Keep both", "rename"),
    ("Replace it", "replace"),
)


class UploadCard:
    """Where files go, which ones, and the button that starts it.

    Args:
        tab: The tab it belongs to.
        line: The line to the page.
        add: Puts a transfer into the queue, and returns its key.
        has_ended: Whether the transfer of a key has ended.
        replaced: Called with the page of a new choice of files: uploads that wait for another page are over.
        directory: The folder to begin with; empty stands for the workspace.
        overwrite: The rule to begin with.
    """

    def __init__(
        self,
        tab: Tab,
        line: TransferLine,
        *,
        add: Callable[[Transfer], str],
        has_ended: Callable[[str], bool],
        replaced: Callable[[str], object],
        directory: str = "",
        overwrite: Overwrite = "ask",
    ) -> None:
        self._tab, self._line, self._add, self._replaced = tab, line, add, replaced
        self._has_ended = has_ended
        self.chosen: ChosenFiles | None = None
        self._sent: tuple[ChosenFiles, str] | None = None
        host = tab.context.host
        self.target = PathPicker("Upload to", tab.browse, folders_only=True, root=host.root)
        self.target.start_folder = str(host.workspace)
        self.target.text.placeholder = sendable(self.target.start_folder)
        self.target.path = directory
        rules = _RULES[:-1] if host.is_served else _RULES
        self.overwrite = styled(
            ipywidgets.Dropdown(description="If it exists", options=rules, value=overwrite), "cp-field"
        )
        self.told = ipywidgets.HTML()
        self.upload_button = button("Upload", tooltip="Take the chosen files", icon="upload", kind="primary")
        self.code = CodeView()
        tab.on_click(self.upload_button, self.upload)
        for field, trait in ((self.target, "path"), (self.overwrite, "value")):
            field.observe(self._show_code, names=trait)
        self._show_code(None)
        if line.up is not None:
            watch_choices(line.up, self._choose)
        self.upload_button.layout.display = None if line.up is not None else "none"
        self.widget = card(
            "Upload from your computer",
            self.target,
            self.overwrite,
            line.widget,
            self.told,
            styled(ipywidgets.HBox([self.upload_button]), "cp-row"),
            *tab.for_coders(self.code),
        )

    @property
    def directory(self) -> str:
        """The folder: what stands in the field, or the one that the empty field names."""
        return self.target.path or self.target.start_folder

    def _show_code(self, _: object) -> None:
        rule = "" if self.overwrite.value == "ask" else f", overwrite={self.overwrite.value!r}"
        self.code.show(["import colabpanel", "", f"colabpanel.upload({self.target.path or '.'!r}{rule})"])

    def _choose(self, chosen: ChosenFiles) -> None:
        self._tab.context.clicked()
        with self._tab.context.refresher.lock:
            self.chosen = chosen
            files = words.plural(len(chosen.files), "file")
            first = Path(chosen.files[0].path).name
            self.told.value = f'<p class="cp-note">{escape(f"{files}, {words.size(chosen.size)}: {first}")}</p>'
            self._replaced(chosen.page)

    def upload(self) -> None:
        """Put the upload into the queue."""
        if self.chosen is None:
            raise InputError("No files are chosen.", hint="Press Choose files, or drop some beside it.")
        if self._sent is not None and self._sent[0] is self.chosen and not self._has_ended(self._sent[1]):
            raise InputError("These files are on their way already.", hint="See under Transfers.")
        assert self._line.up is not None
        chosen = self.chosen
        transfer = upload_transfer(
            chosen,
            self._tab.absolute(self.directory),
            host=self._tab.context.host,
            link=self._line.up,
            overwrite=self.overwrite.value,
            patience=self._line.patience,
        )

        def work(progress: Progress) -> Outcome:
            outcome = transfer.work(progress)
            self._has_come(chosen)
            return outcome

        self._sent = chosen, self._add(replace(transfer, work=work))

    def _has_come(self, chosen: ChosenFiles) -> None:
        """Ask for another choice once these files are here."""
        with self._tab.context.refresher.lock:
            if self.chosen is chosen:
                self.chosen, self.told.value = None, ""
