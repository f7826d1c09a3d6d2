"""ipyfilechooser with our listing behind it.

The original lists the folder again on every click, on the kernel's main thread and
without bounds. Here every listing is asked for, and shown when it comes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import ipywidgets
from ipyfilechooser import FileChooser

from colabpanel import words
from colabpanel.widgets.basics import escape, label_only_for_readers, sendable, styled

__all__ = ["FolderChooser", "FolderEntry", "FolderListing"]


class FolderEntry(Protocol):
    """A name in a folder."""

    @property
    def name(self) -> str: ...
    @property
    def is_folder(self) -> bool: ...


class FolderListing(Protocol):
    """What a folder holds, as far as it is shown."""

    @property
    def path(self) -> Path: ...
    @property
    def parent(self) -> Path | None: ...
    @property
    def entries(self) -> Sequence[FolderEntry]: ...
    @property
    def total(self) -> int: ...
    @property
    def complete(self) -> bool: ...


class FolderChooser(FileChooser):
    """A dialog to choose a file, or a folder.

    Args:
        ask: Called with a folder and a text that names shall contain; answers later by
            calling `show` or `fail`.
        choose: Called with the path that was chosen.
        folders_only: Whether a folder is wanted.
        root: The top of what may be browsed, or None.
    """

    children: Sequence[ipywidgets.Widget]

    def __init__(
        self, ask: Callable[[str, str], None], choose: Callable[[str], None], *, folders_only: bool, root: Path | None
    ) -> None:
        self._ask, self._choose, self._root = ask, choose, root
        self._folder, self._goal, self._entries = "", "", ()  # type: str, str, Sequence[FolderEntry]
        self._note = styled(ipywidgets.HTML(), "cp-note")
        noun = "folder" if folders_only else "file"
        super().__init__(
            path=os.sep,
            select_desc=f"Choose this {noun}",
            change_desc=f"Choose this {noun}",
            layout=ipywidgets.Layout(),
        )
        self._wants_folder = folders_only
        self._select.layout.width = self._cancel.layout.width = "auto"
        self._filename.placeholder = "Part of the name"
        for control, label in ((self._pathlist, "Folder"), (self._filename, "Filter"), (self._dircontent, "Entries")):
            label_only_for_readers(control, label)
        self._label.layout.display = "none"
        self.children = [*self.children, self._note]
        styled(self, "cp-chooser")
        self.layout.display = "none"

    def browse(self, path: str) -> None:
        """Open the dialog at a folder, or at the folder of a file."""
        self.layout.display = self._gb.layout.display = self._cancel.layout.display = None
        self._enter(path)

    def show(self, listing: FolderListing) -> None:
        """Show a listing that was asked for."""
        self._folder = self._goal = str(listing.path)
        self._entries = listing.entries
        self._observe(watching=False)
        self._pathlist.options = [(sendable(path), path) for path in self._ways_up(listing.path)]
        self._pathlist.value = self._folder
        up = [("../", -1)] if listing.parent else []
        self._dircontent.options = up + [(_title(entry), index) for index, entry in enumerate(listing.entries)]
        self._dircontent.value = None
        self._observe(watching=True)
        self._select.disabled = not self._wants_folder
        self._note.value = _note(listing, self._filename.value)

    def fail(self, sentence: str) -> None:
        """Say why a listing cannot be shown; the last one stays."""
        self._goal = self._folder
        self._select.disabled = not (self._wants_folder and self._folder)
        self.tell(sentence)

    def tell(self, sentence: str) -> None:
        """Say what was not found."""
        self._note.value = f'<p class="cp-tone-error" role="alert">{escape(sentence)}</p>'

    def _ways_up(self, path: Path) -> list[str]:
        ways = [path, *path.parents]
        return [str(way) for way in ways if self._root is None or way == self._root or self._root in way.parents]

    def _enter(self, path: str) -> None:
        """Ask for another folder, all of it."""
        self._filename.unobserve(self._on_filename_change, names="value")
        self._filename.value = ""
        self._filename.observe(self._on_filename_change, names="value")
        self._request(path, "")

    def _request(self, path: str, containing: str) -> None:
        self._goal, self._select.disabled = path, True  # until it is known what is chosen
        self._note.value = "<p>Listing\N{HORIZONTAL ELLIPSIS}</p>"
        self._ask(path, containing)

    def _observe(self, *, watching: bool) -> None:
        for control, handler in (
            (self._pathlist, self._on_pathlist_select),
            (self._dircontent, self._on_dircontent_select),
            (self._filename, self._on_filename_change),
        ):
            (control.observe if watching else control.unobserve)(handler, names="value")

    def _set_form_values(self, path: str, filename: str) -> None:
        """Do nothing: the original lists here."""

    def _on_pathlist_select(self, change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            self._enter(change["new"])

    def _on_dircontent_select(self, change: Mapping[str, Any]) -> None:
        index = change["new"]
        if index is None:
            return
        if index < 0:
            self._enter(str(Path(self._folder).parent))
        elif self._entries[index].is_folder:
            self._enter(str(Path(self._folder) / self._entries[index].name))
        else:
            self._select.disabled = False

    def _on_filename_change(self, change: Mapping[str, Any]) -> None:
        self._request(self._goal, change["new"])

    def _on_select_click(self, _: object) -> None:
        index = self._dircontent.value
        if self._goal != self._folder:  # what is about to be shown cannot be meant yet
            return
        if self._wants_folder:
            self._choose(self._folder)
        elif index is not None and index >= 0:
            self._choose(str(Path(self._folder) / self._entries[index].name))
        self._on_cancel_click(None)

    def _on_cancel_click(self, _: object) -> None:
        self.layout.display = "none"


def _title(entry: FolderEntry) -> str:
    return sendable(entry.name) + ("/" if entry.is_folder else "")


def _note(listing: FolderListing, containing: str) -> str:
    shown = len(listing.entries)
    if listing.total > shown:
        more = words.count(listing.total) + ("" if listing.complete else " or more")
        return f"<p>Showing {words.count(shown)} of {more}. Type part of the name to find the rest.</p>"
    if not listing.total:
        return f"<p>{'Nothing here has that in its name.' if containing else 'This folder is empty.'}</p>"
    return f"<p>{escape(words.plural(listing.total, 'entry', 'entries'))}</p>"
