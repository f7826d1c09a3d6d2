"""The card that puts modules onto the import path."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.services.modules.adding import add_module_path
from colabpanel.services.modules.models import AddedModules
from colabpanel.services.modules.remembering import remembered_modules, without_login
from colabpanel.services.sources.addresses import shown_address
from colabpanel.tabs._base import Tab, card
from colabpanel.widgets.basics import button, offer, sendable, styled
from colabpanel.widgets.messages import CodeView, Message
from colabpanel.widgets.path_picker import PathPicker

__all__ = ["ModuleAddCard"]


class ModuleAddCard:
    """Takes a path or an address, and what was added in earlier sessions.

    Args:
        tab: The tab it belongs to.
        added: Called when something was added.
    """

    def __init__(self, tab: Tab, *, added: Callable[[], object]) -> None:
        self._tab, self._tell = tab, added
        host = tab.context.host
        placeholder = "A .py file, a folder, a zip, a wheel; or https://github.com/user/name"
        self._given: dict[str, str] = {}
        self.source = PathPicker("Modules", tab.browse, root=host.root, placeholder=placeholder)
        tab.start_on_drive(self.source)
        self.import_it = styled(
            ipywidgets.Checkbox(value=True, description="Import into the notebook", indent=False), "cp-check"
        )
        self.add_button = button("Add", tooltip="Put it onto the import path", icon="plus", kind="primary")
        self.code = CodeView()
        self.earlier = styled(ipywidgets.Dropdown(description="Earlier"), "cp-field")
        self.again_button = button("Add again", tooltip="Add what was added in an earlier session", icon="redo")
        self.jobs = tab.job_view(self.add_button, self.code)
        tab.on_click(self.add_button, self.add)
        tab.on_click(self.again_button, self.add_again)
        for field, trait in ((self.source, "path"), (self.import_it, "value")):
            field.observe(lambda _: self._show_code(), names=trait)
        self._show_code()
        self.again_row = ipywidgets.VBox([self.earlier, styled(ipywidgets.HBox([self.again_button]), "cp-row")])
        self.show_earlier()
        self.widget = card(
            "Add modules",
            self.source,
            self.import_it,
            self.jobs,
            self.again_row,
            lead="Code on Drive is copied to the local disk first, so that no import hangs.",
        )

    def _show_code(self) -> None:
        more = "" if self.import_it.value else ", import_it=False"
        path = self.source.path or "/content/drive/MyDrive/code"
        self.code.show(["import colabpanel", "", f"colabpanel.add_module_path({path!r}{more})"])

    def show_earlier(self) -> None:
        """Show what was added in earlier sessions."""
        earlier = remembered_modules(host=self._tab.context.host)
        offer(self.earlier, [(sendable(shown_address(source)), source) for source in earlier])
        self.again_row.layout.display = None if earlier else "none"

    def add(self) -> None:
        """Add what is in the field."""
        source = self._given.get(self.source.path, self.source.path)
        if not source:
            raise InputError("Nothing is chosen.", hint="Type or paste a path or an address, or browse to one.")
        self.source.path = without_login(source)  # the notebook is saved with what the field shows
        self._given[self.source.path] = source
        self._add(source if "://" in source else self._tab.absolute(source))

    def add_again(self) -> None:
        """Add what is chosen of earlier sessions."""
        if self.earlier.value is None:
            raise InputError("Nothing is chosen.")
        self._add(self.earlier.value)

    def _add(self, source: str) -> None:
        host, import_it = self._tab.context.host, self.import_it.value
        self._tab.start_job(
            self.jobs,
            self._told,
            lambda progress: add_module_path(source, import_it=import_it, host=host, progress=progress),
        )

    def _told(self, added: AddedModules) -> Message:
        self._tell()
        self.show_earlier()
        names = ", ".join(added.imported[:5]) + (" and others" if len(added.imported) > 5 else "")  # noqa: PLR2004
        what = f"imported {names}" if names else words.plural(len(added.names), "module") + " can be imported"
        rows = [*added.conflicts, *(f"{name}: {reason}" for name, reason in (*added.failed, *added.skipped))]
        kind = "warning" if rows else "ok"
        text = "\n".join(map(sendable, rows))
        return Message(kind, sendable(f"Added {added.entry}: {what}."), "", text, "What to look at")
