"""The Memory tab: what is in use, what holds it, how to get it back, and what watches it."""

from __future__ import annotations

import ipywidgets

from colabpanel.tabs._alerts_card import AlertsCard
from colabpanel.tabs._base import Tab
from colabpanel.tabs._cells_card import CellsCard
from colabpanel.tabs._guard_card import GuardCard
from colabpanel.tabs._more_memory_card import MoreMemoryCard
from colabpanel.tabs._usage_card import UsageCard
from colabpanel.tabs._variables_card import VariablesCard

__all__ = ["MemoryTab"]


class MemoryTab(Tab):
    """In the dashboard, which has no notebook, it shows what is in use and alerts of what has ended."""

    def build(self) -> list[ipywidgets.Widget]:
        """Make the cards."""
        self.usage = UsageCard(self)
        self.alerts = AlertsCard(self)
        if self.context.host.is_served:
            return [self.usage.widget, self.alerts.widget]
        self.variables = VariablesCard(self)
        self.cells = CellsCard(self)
        self.guard = GuardCard(self)
        self.more = MoreMemoryCard(self)
        cards = (self.usage, self.variables, self.guard, self.cells, self.more, self.alerts)
        return [one.widget for one in cards]
