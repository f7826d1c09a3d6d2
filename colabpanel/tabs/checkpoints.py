"""The Checkpoints tab: what training has saved, which is best, and getting it back."""

from __future__ import annotations

import ipywidgets

from colabpanel.tabs._base import Tab
from colabpanel.tabs._checkpoint_card import CheckpointCard
from colabpanel.tabs._checkpoints_card import CheckpointsCard

__all__ = ["CheckpointsTab"]


class CheckpointsTab(Tab):
    """Watches a folder that training fills, and restores, compares, exports, pins and deletes checkpoints."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the cards: the folder, and what can be done with checkpoints of it."""
        self.folder = CheckpointsCard(self)
        self.chosen = CheckpointCard(self, self.folder)
        self.folder.watch(self.chosen.show)
        return [self.folder.widget, self.chosen.widget]
