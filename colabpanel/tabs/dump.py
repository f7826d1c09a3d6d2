"""The Dump/Load tab: variables of the notebook into a file, and back."""

from __future__ import annotations

import ipywidgets

from colabpanel.tabs._base import Tab
from colabpanel.tabs._dump_card import DumpCard
from colabpanel.tabs._snapshots_card import SnapshotsCard

__all__ = ["DumpTab"]


class DumpTab(Tab):
    """Saves variables, and lists, loads and deletes what was saved; in the dashboard it lists and exports."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the cards: the variables, and the snapshots of a folder."""
        self.files = SnapshotsCard(self, deleted=self._look_again)
        if self.context.host.is_served:
            return [self.files.widget]
        self.variables = DumpCard(self, saved=self.files.show_folder)
        return [self.variables.widget, self.files.widget]

    def _look_again(self) -> None:
        """Compare the variables with the snapshot that is the last one now."""
        if not self.context.host.is_served:
            self.variables.refresh()
