"""A field for a path: typed, pasted, taken from recent ones, or browsed to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets
import traitlets

from colabpanel.widgets.basics import button, sendable, styled
from colabpanel.widgets.folder_chooser import FolderChooser, FolderListing

__all__ = ["Answer", "Browse", "PathPicker"]

Answer = Callable[["FolderListing | None", str], None]
Browse = Callable[[str, str, Answer], None]


class PathPicker(ipywidgets.VBox):
    """A path with a label, suggestions and a Browse button.

    Args:
        label: What the path is for.
        browse: Lists a folder in the background: ``browse(folder, containing, answer)``
            calls ``answer(listing, "")`` or ``answer(None, sentence)`` later.
        folders_only: Whether a folder is wanted.
        root: The top of what may be browsed, or None.
        placeholder: What an empty field shows.

    Attributes:
        path: The path as text, without spaces around it.
    """

    path = traitlets.Unicode("")
    children: Sequence[ipywidgets.Widget]

    def __init__(
        self, label: str, browse: Browse, *, folders_only: bool = False, root: Path | None = None, placeholder: str = ""
    ) -> None:
        self._browse, self._asked = browse, 0
        self._folders_only, self._root = folders_only, root
        self.start_folder = ""
        # Each letter is sent: a front end sets the field back to the last value it sent whenever the
        # kernel changes anything else about it, such as the suggestions.
        self.text = ipywidgets.Combobox(description=label, placeholder=placeholder, ensure_option=False)
        self.browse_button = button("Browse", tooltip=f"Look for: {label}", icon="folder-open", kind="quiet")
        self.chooser: FolderChooser | None = None
        row = styled(ipywidgets.HBox([styled(self.text, "cp-field"), self.browse_button]), "cp-path")
        super().__init__([row], layout=row.layout)  # what can be shared is one model less for the page to make
        styled(self, "cp-picker")
        self.text.observe(self._typed, names="value")
        self.observe(self._was_set, names="path")
        self.browse_button.on_click(self._open)

    def suggest(self, paths: Sequence[str]) -> None:
        """Offer these paths while the user types."""
        self.text.options = tuple(dict.fromkeys(sendable(path) for path in paths))

    def _typed(self, change: dict[str, str]) -> None:
        if change["new"] != sendable(self.path):
            self.path = change["new"].strip().strip("\"'")

    def _was_set(self, change: dict[str, str]) -> None:
        self.text.value = sendable(change["new"])

    def _open(self, _: object) -> None:
        if self.chooser is None:
            self.chooser = FolderChooser(self._ask, self._choose, folders_only=self._folders_only, root=self._root)
            self.children = [self.children[0], self.chooser]
        self.chooser.browse(self.path or self.start_folder)

    def _choose(self, path: str) -> None:
        self.path = path

    def _ask(self, folder: str, containing: str) -> None:
        """Ask for a listing; an answer that was overtaken by a later question is dropped."""
        self._asked += 1
        question = self._asked

        def answer(listing: FolderListing | None, sentence: str) -> None:
            if question != self._asked or self.chooser is None:
                return
            if listing is None:
                self.chooser.fail(sentence)
            else:
                self.chooser.show(listing)
                if sentence:
                    self.chooser.tell(sentence)

        self._browse(folder, containing, answer)
