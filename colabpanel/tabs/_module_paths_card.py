"""The card of what was added: which version is loaded, reloading it, and taking it away."""

from __future__ import annotations

import ipywidgets

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.services.modules.adding import module_paths, reload_modules, reloader_of, remove_module_path
from colabpanel.services.modules.models import ModulePath
from colabpanel.services.modules.reloading import ReloadEvent
from colabpanel.services.sources.addresses import shown_address
from colabpanel.tabs._base import Tab, card, error_message
from colabpanel.widgets.basics import button, offer, sendable, styled
from colabpanel.widgets.data_table import Cell, Column, DataTable
from colabpanel.widgets.messages import Message, MessageView

__all__ = ["ModulePathsCard"]

_LOOK_SECONDS = 2.0


class ModulePathsCard:
    """Shows the modules that are loaded, and reloads them.

    Args:
        tab: The tab it belongs to.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab, self._is_reloading = tab, False
        columns = [Column("Module"), Column("From"), Column("Version"), Column("State")]
        self.table = DataTable("Modules", columns, empty="Nothing was added in this session.")
        self.live = styled(
            ipywidgets.Checkbox(
                value=reloader_of(tab.context.host).enabled, description="Reload before each cell", indent=False
            ),
            "cp-check",
        )
        self.live.observe(lambda change: self._switch(on=change["new"]), names="value")
        self.reload_button = button("Reload now", tooltip="Reload what has changed", icon="sync")
        self.chosen = styled(ipywidgets.Dropdown(description="Added"), "cp-field")
        self.remove_button = button("Remove", tooltip="Take it off the import path and unload it", kind="danger")
        self.message = MessageView()
        tab.on_click(self.reload_button, self.reload)
        tab.on_click(self.remove_button, self.remove)
        self.more = ipywidgets.VBox([self.chosen, styled(ipywidgets.HBox([self.remove_button]), "cp-row")])
        self.widget = card(
            "On the import path",
            self.table,
            self.live,
            styled(ipywidgets.HBox([self.reload_button]), "cp-row"),
            self.message,
            self.more,
            lead="Reloading changes functions and classes in place: what the notebook holds of them is new, too.",
        )
        tab.context.refresher.every(_LOOK_SECONDS, self.look)
        self.update()

    def look(self) -> None:
        """Look, apart, at what is loaded."""
        if self._tab.context.present() and self.chosen.options:
            self._tab.in_background("modules", lambda _: module_paths(host=self._tab.context.host), self._show)

    def update(self) -> None:
        """Show what was added."""
        self._show(module_paths(host=self._tab.context.host))

    def _show(self, places: tuple[ModulePath, ...]) -> None:
        failed = _failures(reloader_of(self._tab.context.host).events())
        rows: list[list[str | Cell]] = []
        for place in places:
            for one in place.loaded:
                state = (
                    Cell("loaded", "ok") if not one.changed else Cell("changed", "warning", failed.get(one.name, ""))
                )
                rows.append([one.name, place.entry.name, one.version, state])
            if not place.loaded:
                rows.append([", ".join(place.names[:5]), place.entry.name, "", "not imported"])
        self.table.show(rows)
        options = [(sendable(shown_address(place.source)), place.source) for place in places]
        offer(self.chosen, options)
        self.more.layout.display = None if options else "none"

    def _switch(self, *, on: bool) -> None:
        reload_modules(on, host=self._tab.context.host)

    def reload(self) -> None:
        """Reload what has changed, on the main thread, once no cell runs."""
        host = self._tab.context.host
        reloader = reloader_of(host)
        if self._is_reloading:
            return
        self._is_reloading = True
        self.message.show(Message("info", "Reloading, once no cell runs."))

        def work(_: object) -> list[ReloadEvent]:
            reloader.refresh()
            return host.on_main_thread(reloader.reload_changed).result()

        self._tab.run_then("reload", work, self._reloaded, self._failed)

    def _failed(self, error: BaseException) -> None:
        self._is_reloading = False
        self.message.show(error_message(error))

    def _reloaded(self, events: list[ReloadEvent]) -> None:
        self._is_reloading = False
        failed = [event for event in events if event.error]
        rows = [f"{event.name}: {event.error}" for event in failed]
        rows += [
            f"{event.name}: kept as it was for those who hold it: {', '.join(event.kept)}"
            for event in events
            if event.kept
        ]
        text = f"Reloaded {words.plural(len(events) - len(failed), 'module')}."
        if failed:
            text += f" {words.plural(len(failed), 'module')} stayed as before."
        self.message.show(Message("warning" if rows else "ok", text, "", "\n".join(map(sendable, rows)), "Details"))
        self.update()

    def remove(self) -> None:
        """Take what is chosen off the path."""
        if self.chosen.value is None:
            raise InputError("Nothing is chosen.")
        unloaded = remove_module_path(self.chosen.value, host=self._tab.context.host)
        text = f"Removed; {words.plural(len(unloaded), 'module was', 'modules were')} unloaded."
        self.message.show(Message("ok", text, "Names in the notebook stay as they are."))
        self.update()


def _failures(events: tuple[ReloadEvent, ...]) -> dict[str, str]:
    newest: dict[str, str] = {}
    for event in events:
        newest.setdefault(event.name, event.error)
    return newest
