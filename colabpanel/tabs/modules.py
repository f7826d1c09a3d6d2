"""The Modules tab: code of one's own on the import path, reloaded when it changes, and what it needs."""

from __future__ import annotations

import ipywidgets

from colabpanel.tabs._base import Tab
from colabpanel.tabs._module_add_card import ModuleAddCard
from colabpanel.tabs._module_needs_card import ModuleNeedsCard
from colabpanel.tabs._module_paths_card import ModulePathsCard

__all__ = ["ModulesTab"]


class ModulesTab(Tab):
    """Adds modules, shows which are loaded, and looks at requirements."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the cards."""
        self.paths = ModulePathsCard(self)
        self.add = ModuleAddCard(self, added=self.paths.update)
        self.needs = ModuleNeedsCard(self)
        return [self.add.widget, self.paths.widget, self.needs.widget]
