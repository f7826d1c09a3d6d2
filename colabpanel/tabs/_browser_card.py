"""The card that browses files: Drive on the left, this machine on the right, and what can be done with entries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ipywidgets

from colabpanel.services.browsing.places import LocalPlace, Place
from colabpanel.tabs._base import Tab, card
from colabpanel.tabs._browser_actions import BrowserActions
from colabpanel.tabs._browser_pane import BrowserPane, Spot
from colabpanel.widgets.basics import styled

__all__ = ["BrowserCard"]

_OF_DRIVE = {"MyDrive", "My Drive"}
_PARTS = (
    ("Shared drives", "Shareddrives"),
    ("Shortcuts of others", ".shortcut-targets-by-id"),
    ("Computers", "Othercomputers"),
)
"""What lies beside one's own folder where Drive is mounted."""


class BrowserCard:
    """Two lists of files side by side, one above the other where the page is narrow.

    Args:
        tab: The tab it belongs to, which shows errors and runs jobs.
        places: Further places to browse in the right list, as remotes are.

    Attributes:
        left: The list for Drive.
        right: The list for this machine.
        actions: What can be done with what is chosen.
    """

    def __init__(self, tab: Tab, *, places: Sequence[Place] = ()) -> None:
        self._tab, self._places = tab, list(places)
        self.left = BrowserPane(tab, "Drive", chosen=self._chosen)
        self.right = BrowserPane(tab, "This machine", chosen=self._chosen)
        self.actions = BrowserActions(tab, self.left, self.right)
        self.widget = card(
            "Browse files",
            styled(ipywidgets.HBox([self.left.widget, self.right.widget]), "cp-panes"),
            self.actions.widget,
            lead="Choose entries in one list; they are copied and moved to the folder of the other.",
        )
        self.right.offer(self._spots(), go=True)
        tab.context.state.observe(self._drive_moved, names="drive_root")
        self._drive_moved(None)

    def add_place(self, place: Place) -> None:
        """Offer one more place in the right list."""
        self._places.append(place)
        self._offer_again()

    def show_place(self, place: Place) -> None:
        """Show a place in the right list, which offers it from then on."""
        if place not in self._places:
            self.add_place(place)
        self.right.visit(place, place.start)

    def _offer_again(self) -> None:
        self.right.offer(self._spots(), go=False)

    def _spots(self) -> list[Spot]:
        workspace = str(self._tab.context.host.workspace)
        spots: list[Spot] = [("This machine", self._local(workspace, "This machine"), workspace)]
        return spots + [(place.title, place, place.start) for place in self._places]

    def _local(self, start: str, title: str) -> LocalPlace:
        host = self._tab.context.host
        return LocalPlace(start, root=host.root, is_served=host.is_served, title=title)

    def _drive_moved(self, _: object) -> None:
        root = self._tab.context.state.drive_root
        spots: list[Spot] = []
        if root:
            place, path = self._local(root, "Drive"), Path(root)
            spots.append(("My Drive" if path.name in _OF_DRIVE else path.name or root, place, root))
            if path.name in _OF_DRIVE and self._tab.context.host.root is None:
                spots += [(title, place, str(path.parent / name)) for title, name in _PARTS]
        self.left.offer(spots, go=bool(spots))

    def _chosen(self, pane: BrowserPane) -> None:
        """Let one list at a time have something chosen."""
        if not hasattr(self, "actions"):
            return
        other = self.right if pane is self.left else self.left
        if pane.picked:
            other.forget_picked()
        self.actions.show_chosen()
