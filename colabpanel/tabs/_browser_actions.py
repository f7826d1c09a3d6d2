"""What the browser of files does with the entries that are chosen."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import cast

import ipywidgets

from colabpanel.errors import HostError, InputError
from colabpanel.jobs import Job
from colabpanel.progress import Progress
from colabpanel.services.browsing.models import Done, Entry, FolderPage, FolderSize, Operation, Overwrite
from colabpanel.services.browsing.places import Place
from colabpanel.services.browsing.sizes import add_up
from colabpanel.tabs._base import Tab
from colabpanel.tabs._browser_pane import BrowserPane
from colabpanel.tabs._browser_words import chosen_words, delete_question, done_message, size_message
from colabpanel.tabs._second_click import SecondClick
from colabpanel.widgets.basics import button, escape, sendable, styled
from colabpanel.widgets.messages import CodeView, Message

__all__ = ["BrowserActions"]

_RULES = (("Ask", "ask"), ("Keep both", "rename"), ("Replace", "replace"))
_TABS = (("Data staging", "staging"), ("Image preview", "images"), ("Downloads", "downloads"))


class BrowserActions:
    """Buttons below the two lists.

    Args:
        tab: The tab it belongs to.
        left: One list.
        right: The other.
    """

    def __init__(self, tab: Tab, left: BrowserPane, right: BrowserPane) -> None:
        self._tab, self._left, self._right = tab, left, right
        self.status = ipywidgets.HTML()
        self._make_carrying()
        self._make_changing()
        self.code = CodeView()
        self.jobs = tab.job_view(
            self.copy_button, self.move_button, self.overwrite, self.zip_button, self.size_button, self.delete_button
        )
        rows = [
            [self.name, self.rename_button, self.folder_button],
            [self.to_tab, self.send_button, self.truncate],
        ]
        boxes = [styled(ipywidgets.HBox(row), "cp-row") for row in rows]
        self.widget = ipywidgets.VBox([self.status, *boxes, self.jobs, *tab.for_coders(self.code)])
        self.show_chosen()

    def _make_carrying(self) -> None:
        self.copy_button = button(
            "Copy", tooltip="Copy to the folder of the other list, and verify", icon="copy", kind="primary"
        )
        self.move_button = button("Move", tooltip="Move to the folder of the other list", icon="arrows")
        rules = [rule for rule in _RULES if not (self._tab.context.host.is_served and rule[1] == "replace")]
        self.overwrite = styled(ipywidgets.Dropdown(description="If taken", options=rules), "cp-field")
        self.overwrite.layout.width = "220px"
        self.zip_button = button("Zip", tooltip="Pack into a zip archive in the same folder", icon="archive")
        self.size_button = button("Size", tooltip="Add up all files in it", icon="calculator")
        self.delete_button = button("Delete", tooltip="Delete, after asking once more", icon="trash", kind="danger")
        self._tab.on_click(self.copy_button, self.copy)
        self._tab.on_click(self.move_button, self.move)
        self._tab.on_click(self.zip_button, self.zip)
        self._tab.on_click(self.size_button, self.measure)
        self._tab.on_click(self.delete_button, self.delete)

    def _make_changing(self) -> None:
        self.name = styled(
            ipywidgets.Text(description="Name", placeholder="A new name, or one for a folder or archive"), "cp-field"
        )
        self.rename_button = button("Rename", tooltip="Give the chosen entry this name", icon="i-cursor")
        self.folder_button = button("New folder", tooltip="Make a folder of this name", icon="folder")
        tabs = [(title, name) for title, name in _TABS if name in self._tab.context.state.shown_tabs]
        self.to_tab = styled(ipywidgets.Dropdown(description="Send to", options=tabs), "cp-field")
        self.send_button = button("Send", tooltip="Open that tab with the chosen entry", icon="share")
        self.truncate = styled(
            ipywidgets.Checkbox(description="Empty files before deleting them", indent=False), "cp-check"
        )
        for field in (self.name, self.to_tab):
            field.layout.flex, field.layout.width = "1 1 260px", "auto"
        self._question = SecondClick(self._tab, self.delete_button)
        self.truncate.observe(lambda _: self._question.forget(), names="value")
        self._tab.on_click(self.rename_button, self.rename)
        self._tab.on_click(self.folder_button, self.make_folder)
        self._tab.on_click(self.send_button, self.send)

    @property
    def pane(self) -> BrowserPane:
        """The list in which something is chosen; else the right one, or the left while only that shows a folder."""
        if self._left.picked or (self._right.page is None and self._left.page is not None):
            return self._left
        return self._right

    def show_chosen(self) -> None:
        """Show what is chosen, and offer what its place offers."""
        pane, entries = self.pane, list(self.pane.picked.values())
        self._question.forget()
        where = sendable(pane.page.address) if pane.page is not None else ""
        words = chosen_words(entries, where)
        self.status.value = f'<p class="cp-note" role="status">{escape(words)}</p>'
        self.truncate.layout.display = None if pane.page is not None and pane.page.has_trash else "none"
        offered = pane.place.operations if pane.place is not None else frozenset[Operation]()
        for shown, operation in ((self.delete_button, "delete"), (self.move_button, "move")):
            shown.layout.display = None if operation in offered else "none"

    def _place(self, pane: BrowserPane) -> tuple[Place, FolderPage]:
        if pane.place is None or pane.page is None:
            raise InputError(f"{pane.title} shows no folder.", hint="Open a folder in that list first.")
        if pane.is_moving:
            raise InputError(f"{pane.title} is about to show another folder.", hint="Wait until it is listed.")
        return pane.place, pane.page

    def _chosen(self) -> list[Entry]:
        entries = list(self.pane.picked.values())
        if not entries:
            raise InputError("Nothing is chosen.", hint="Tick entries in one of the two lists.")
        return entries

    def _one(self) -> Entry:
        entries = self._chosen()
        if len(entries) > 1:
            raise InputError("More than one entry is chosen.", hint="Choose a single one.")
        return entries[0]

    def _run(self, verb: str, work: Callable[[Progress], Done]) -> None:
        about = set(self.pane.picked)

        def told(done: Done) -> Message:
            self._refresh(about if done.status != "taken" else ())
            return done_message(verb, done)

        def ended(job: Job[Done]) -> None:
            """Show what is there now: something may have been done before it failed or was cancelled."""
            error = job.exception()
            if error is not None and not isinstance(error, InputError):
                with self._tab.context.refresher.lock:
                    self._refresh(about)

        self._question.forget()
        self._tab.start_job(self.jobs, told, work).add_done_callback(ended)

    def _show_code(self, place: Place, call: str, *arguments: object, **options: object) -> None:
        """Show the code of what is being done, where it is done on a disk of this machine."""
        if self._tab.context.host.is_served:
            return
        given = [repr(value) for value in arguments] + [f"{key}={value!r}" for key, value in options.items()]
        lines = ["import colabpanel", "", f"colabpanel.{call}({', '.join(given)})"]
        if place.is_local:
            self.code.show(lines)
        else:
            self.code.value = ""

    def _refresh(self, done: Collection[str]) -> None:
        """Read both lists again; what something was done with is chosen no longer."""
        for pane in (self._left, self._right):
            pane.forget_picked(done)
            pane.refresh()
        self.show_chosen()

    def copy(self) -> None:
        """Copy what is chosen to the folder of the other list."""
        (place, _), (goal, into) = self._ends()
        entries, rule = [entry.address for entry in self._chosen()], cast("Overwrite", self.overwrite.value)
        folder = into.address

        def work(progress: Progress) -> Done:
            if place is goal or (place.is_local and goal.is_local):
                return place.copy(entries, folder, overwrite=rule, progress=progress)
            if goal.is_local:
                return place.to_disk(entries, Path(folder), overwrite=rule, progress=progress)
            if place.is_local:
                return goal.from_disk([Path(entry) for entry in entries], folder, overwrite=rule, progress=progress)
            raise HostError(
                f"{place.title} does not copy to {goal.title} by itself.", hint="Copy to this machine first."
            )

        self._run("Copied", work)
        self._show_code(place, "copy_entries", entries, folder, overwrite=rule)

    def _ends(self) -> tuple[tuple[Place, FolderPage], tuple[Place, FolderPage]]:
        pane = self.pane
        return self._place(pane), self._place(self._right if pane is self._left else self._left)

    def move(self) -> None:
        """Move what is chosen to the folder of the other list."""
        (place, _), (goal, into) = self._ends()
        entries, rule = [entry.address for entry in self._chosen()], cast("Overwrite", self.overwrite.value)
        if place is not goal and not (place.is_local and goal.is_local):
            raise HostError("Nothing is moved from one place to another.", hint="Copy it, then delete it.")
        self._show_code(place, "move_entries", entries, into.address, overwrite=rule)
        self._run("Moved", lambda progress: place.move(entries, into.address, overwrite=rule, progress=progress))

    def zip(self) -> None:
        """Pack what is chosen into an archive in the same folder."""
        place, page = self._place(self.pane)
        entries = self._chosen()
        archive = self.name.value.strip() or f"{entries[0].name}.zip"
        names = [entry.name for entry in entries]
        self._show_code(place, "zip_entries", page.address, names, archive)
        self._run("Packed", lambda progress: place.zip(page.address, names, archive, progress=progress))

    def measure(self) -> None:
        """Add up what the chosen entries hold."""
        place, entries = self._place(self.pane)[0], self._chosen()
        self._tab.start_job(
            self.jobs,
            lambda found: size_message(found, len(entries)),
            lambda progress: add_up(place.measure, entries, progress),
        )

    def delete(self) -> None:
        """Ask, with what would go; the second click does it."""
        if self._question.is_unread:
            return
        place, page = self._place(self.pane)
        entries = self._chosen()
        addresses, truncate_first = self._to_delete(page)
        if self._question.answers((place, addresses, truncate_first)):
            self._show_code(place, "delete_entries", list(addresses), truncate_first=truncate_first)
            self._run(
                "Deleted", lambda progress: place.delete(addresses, truncate_first=truncate_first, progress=progress)
            )
            return

        def ask(found: FolderSize) -> Message:
            if (self.pane.place, *self._to_delete(page)) == (place, addresses, truncate_first):
                answer = f"Delete {len(addresses):,} for good" if not page.has_trash else "Delete now"
                self._question.ask((place, addresses, truncate_first), answer)
            return delete_question(entries, found, has_trash=page.has_trash, truncate_first=truncate_first)

        self._tab.start_job(self.jobs, ask, lambda progress: add_up(place.measure, entries, progress))

    def _to_delete(self, page: FolderPage) -> tuple[tuple[str, ...], bool]:
        """Return what is chosen, and whether its files are emptied first."""
        return tuple(self.pane.picked), page.has_trash and self.truncate.value

    def rename(self) -> None:
        """Give the chosen entry the name of the field."""
        place, entry, name = self._place(self.pane)[0], self._one(), self.name.value
        self._show_code(place, "rename_entry", entry.address, name)
        self._change(
            f"{sendable(entry.name)} is now called",
            lambda progress: place.rename(entry.address, name, progress=progress),
            about=entry.address,
        )

    def make_folder(self) -> None:
        """Make a folder of the name in the field, in the list in which something is chosen."""
        place, page = self._place(self.pane)
        name = self.name.value
        self._show_code(place, "make_folder", page.address, name)
        self._change("Made", lambda progress: place.make_folder(page.address, name, progress=progress))

    def _change(self, words: str, work: Callable[[Progress], str], *, about: str = "") -> None:
        def told(address: str) -> Message:
            self._refresh({about})
            return Message("ok", f"{words} {sendable(address.rstrip('/').rpartition('/')[2])}.")

        self._question.forget()
        self._tab.start_job(self.jobs, told, work)

    def send(self) -> None:
        """Open another tab with the chosen entry."""
        entry, place, tab = self._one(), self._place(self.pane)[0], self.to_tab.value
        if tab is None:
            raise InputError("This panel shows no tab to send it to.", hint="Show the panel with all tabs.")
        if tab != "staging" and not place.is_local:
            raise InputError(f"{entry.name} is not on this machine.", hint="Copy it to this machine first.")
        self._tab.context.state.hand_over(tab, entry.address)
